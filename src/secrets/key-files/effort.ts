/**
 * How much work a file may ask for before its passphrase is known to be right. What protects a file
 * is how often a hash is repeated, and the file itself says how often.
 */
import { KeyRefused } from './refused.ts'

/** About two seconds. OpenSSL writes 2,048, keytool 10,000, the cautious 600,000 for each part. */
const MOST_REPETITIONS = 2_000_000

export class Effort {
  #left = MOST_REPETITIONS

  /** Throws KeyRefused where it would be too much. */
  spend(repetitions: number): void {
    if (repetitions < 1) throw new KeyRefused('the file is damaged: a hash repeated no times')
    this.#left -= repetitions
    if (this.#left >= 0) return
    throw new KeyRefused(
      `the file asks for too many repetitions (iterations) of a hash: ${MOST_REPETITIONS} are ` +
        'done at most, over all its parts; write it again with fewer',
    )
  }
}

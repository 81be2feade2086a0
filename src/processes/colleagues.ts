/** The other processes of this service, as one of them sees them: through the primary. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Storytellers, Told } from '../fdo/told.ts'
import type { Family } from '../figures.ts'
import type { Colleagues } from '../metrics.ts'
import type { ToPrimary } from './messages.ts'

type Tell = (message: ToPrimary) => void

export class Others implements Colleagues, Storytellers {
  readonly mark: Bytes
  readonly #tell: Tell
  #waiting: ((families: readonly Family[]) => void)[] = []

  constructor(mark: Bytes, tell: Tell) {
    this.mark = mark
    this.#tell = tell
  }

  tell(told: Told): void {
    this.#tell({ kind: 'told', told })
  }

  /** Those who ask at once are given the same. */
  figures(): Promise<readonly Family[]> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) this.#tell({ kind: 'count' })
    })
  }

  /** The primary's answer to `figures`. */
  counted(families: readonly Family[]): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve(families)
  }
}

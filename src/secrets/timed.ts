/** A signer whose signatures are timed. */
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { Histogram } from '../measures.ts'

/** At once where the key signs at once: who waits for a promise waits longer. */
export function timed(signer: Signer, histogram: Histogram, ...labels: readonly string[]): Signer {
  return {
    ...signer,
    sign(data) {
      const began = performance.now()
      const note = () => histogram.observe((performance.now() - began) / 1000, ...labels)
      const signature = signer.sign(data)
      if (signature instanceof Promise) signature.then(note, note)
      else note()
      return signature
    },
  }
}

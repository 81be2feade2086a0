/**
 * The randomness and the signatures of a run, taken down as they are drawn and handed out again.
 * Randomness is kept by the message it was drawn for, so that what else the service does in the
 * meantime neither adds to it nor takes from it; signatures are kept by the bytes they are over.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createHash, randomBytes } from 'node:crypto'
import { type Bytes, fromHex, toHex } from '../../protocol/bytes.ts'
import type { SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { type VerifyKey, verifySignature } from '../../protocol/crypto/verify-key.ts'

/** Hex throughout. */
export interface Draws {
  /** By message: `60#1` is the first message 60 of the run. */
  readonly random: Record<string, string[]>
  /** By the SHA-256 of what was signed. */
  readonly signatures: Record<string, string>
}

type PrivateKey = Parameters<typeof signerOf>[0]

/** What the service is given instead of the machine's own. */
export interface Source {
  /** Runs the answer to one message, and knows what is drawn for it. */
  during<T>(message: number, work: () => Promise<T>): Promise<T>
  randomBytes(length: number): Bytes
  signerOf(key: PrivateKey, algorithm?: SignatureAlgorithm): Signer
}

/** Draws for real, and takes everything down. */
export function recordingSource(draws: Draws): Source {
  const messages = new MessageNames()
  return {
    during: (message, work) => messages.during(message, work),
    randomBytes(length) {
      const drawn = randomBytes(length)
      const name = messages.current()
      if (name !== undefined) (draws.random[name] ??= []).push(toHex(drawn))
      return drawn
    },
    signerOf(key, algorithm) {
      const signer = signerOf(key, algorithm)
      return {
        ...signer,
        async sign(data) {
          const signature = await signer.sign(data)
          draws.signatures[nameOf(data)] = toHex(signature)
          return signature
        },
      }
    },
  }
}

/** Hands out what was taken down; every signature is checked against the bytes it is given for. */
export function replayingSource(draws: Draws): Source {
  const messages = new MessageNames()
  const left = new Map(Object.entries(draws.random).map(([name, drawn]) => [name, [...drawn]]))
  return {
    during: (message, work) => messages.during(message, work),
    randomBytes(length) {
      const name = messages.current()
      if (name === undefined) return randomBytes(length)
      const drawn = fromHex(left.get(name)?.shift() ?? '')
      if (drawn.length === length) return drawn
      throw new Error(`message ${name} draws ${length} bytes that the recorded run did not`)
    },
    signerOf(key, algorithm) {
      const signer = signerOf(key, algorithm)
      return {
        ...signer,
        sign: (data) => checked(draws, signer.key, signer.algorithm, data) ?? signer.sign(data),
      }
    },
  }
}

/** Undefined where the run signed nothing of the kind: then it is no part of what is compared. */
function checked(
  draws: Draws,
  key: VerifyKey,
  algorithm: SignatureAlgorithm,
  data: Bytes,
): Promise<Bytes> | undefined {
  const recorded = draws.signatures[nameOf(data)]
  if (recorded === undefined) return undefined
  const signature = fromHex(recorded)
  return Promise.resolve(verifySignature(key, algorithm, data, signature)).then((isGood) => {
    if (!isGood) throw new Error('the recorded signature is not right for these bytes')
    return signature
  })
}

class MessageNames {
  readonly #storage = new AsyncLocalStorage<string>()
  readonly #seen = new Map<number, number>()

  current(): string | undefined {
    return this.#storage.getStore()
  }

  during<T>(message: number, work: () => Promise<T>): Promise<T> {
    const times = (this.#seen.get(message) ?? 0) + 1
    this.#seen.set(message, times)
    return this.#storage.run(`${message}#${times}`, work)
  }
}

function nameOf(data: Bytes): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Bytes taken from a stream as they are needed: the stream is asked for more when they run out. */
import type { Bytes } from '../../protocol/bytes.ts'

export class ByteReader {
  readonly #source: AsyncIterator<Bytes>
  #held: Buffer = Buffer.alloc(0)
  #hasEnded = false
  /** How many bytes were passed over: where in the stream it stands. */
  position = 0

  constructor(source: AsyncIterable<Bytes>) {
    this.#source = source[Symbol.asyncIterator]()
  }

  /** The next bytes, `length` of them or more; fewer only where the stream ends. They stay. */
  async peek(length: number): Promise<Buffer> {
    if (this.#held.length >= length || this.#hasEnded) return this.#held
    const parts: Bytes[] = [this.#held]
    for (let held = this.#held.length; held < length;) {
      const { value, done } = await this.#source.next()
      if (done) {
        this.#hasEnded = true
        break
      }
      parts.push(value)
      held += value.length
    }
    return (this.#held = Buffer.concat(parts))
  }

  /** Passes over bytes that were peeked at. */
  skip(length: number): void {
    this.position += length
    this.#held = this.#held.subarray(length)
  }

  /** Passes over as many, or to the end, without keeping any. */
  async pass(length: number): Promise<void> {
    for (let left = length; left > 0;) {
      const { length: held } = await this.peek(1)
      if (held === 0) return
      const some = Math.min(left, held)
      this.skip(some)
      left -= some
    }
  }

  /** The next `length` bytes, or all to the end, as they come. */
  async *portion(length: number): AsyncGenerator<Bytes> {
    for (let left = length; left > 0;) {
      const held = await this.peek(1)
      if (held.length === 0) return
      const some = held.subarray(0, left)
      this.skip(some.length)
      left -= some.length
      yield some
    }
  }

  /** All that is left. */
  rest(): AsyncGenerator<Bytes> {
    return this.portion(Number.POSITIVE_INFINITY)
  }

  /** Lets go of the stream, read to its end or not. */
  async close(): Promise<void> {
    await this.#source.return?.()
  }
}

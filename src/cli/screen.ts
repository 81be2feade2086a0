/** A few lines of a terminal that are written over, again and again. */
import type { WriteStream } from 'node:tty'

const UP = (lines: number) => `\u001b[${lines}A`
const ERASE_BELOW = '\u001b[J'

export class Screen {
  readonly #terminal: WriteStream
  #drawn = 0

  constructor(terminal: WriteStream) {
    this.#terminal = terminal
  }

  /** In the place of what was drawn before; no more than fits. */
  draw(text: string): void {
    const { rows = 24, columns = 80 } = this.#terminal
    const lines = text.split('\n').slice(0, rows - 1)
    const cut = lines.map((line) =>
      line.length > columns ? `${line.slice(0, columns - 1)}…` : line,
    )
    const up = this.#drawn === 0 ? '' : UP(this.#drawn)
    this.#terminal.write(`${up}\r${ERASE_BELOW}${cut.join('\n')}\n`)
    this.#drawn = cut.length
  }
}

/** Work of one name done one after the other, whatever comes at once; other names do not wait. */
export class InTurn {
  readonly #queues = new Map<string, { last: Promise<unknown>; length: number }>()

  /** How much work of this name has not ended yet. */
  lengthOf(name: string): number {
    return this.#queues.get(name)?.length ?? 0
  }

  async run<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(name)
    // How the one before it ended is for those who wait for that one.
    const mine = before ? before.last.then(work, work) : work()
    this.#queues.set(name, { last: mine, length: this.lengthOf(name) + 1 })
    try {
      return await mine
    } finally {
      const left = this.#queues.get(name)
      if (left && left.length > 1) left.length--
      else this.#queues.delete(name)
    }
  }
}

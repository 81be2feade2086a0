/**
 * Transactions that collided again and again go through one by one. On a database with few rows
 * whatever is read lies on the same pages of the indexes, so that of many at once almost all collide;
 * paused at random, they would meet again for as long as anybody has patience.
 */
interface Waiting {
  readonly isAlone: boolean
  readonly enter: () => void
}

export class Gate {
  readonly #waiting: Waiting[] = []
  #inside = 0
  #isAlone = false

  /** In the order they came: who wants to be alone waits for all before, and all after wait for him. */
  async pass<T>(isAlone: boolean, work: () => Promise<T>): Promise<T> {
    await new Promise<void>((enter) => {
      this.#waiting.push({ isAlone, enter })
      this.#admit()
    })
    try {
      return await work()
    } finally {
      this.#inside--
      this.#isAlone = false
      this.#admit()
    }
  }

  #admit(): void {
    for (let [next] = this.#waiting; next; [next] = this.#waiting) {
      if (this.#isAlone || (next.isAlone && this.#inside > 0)) return
      this.#waiting.shift()
      this.#inside++
      this.#isAlone = next.isAlone
      next.enter()
    }
  }
}

/** SQLite's write-ahead log, on its way to the disk. */
import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'

const toDisk = promisify(fdatasync)

/**
 * Brings SQLite's write-ahead log to the disk from the thread pool. A commit under
 * `synchronous = FULL` would do the same while the event loop stands still; here one call serves
 * every commit that waits.
 */
export class LogFile {
  readonly #fd: number
  #underWay: Promise<void> | undefined
  #next: Promise<void> | undefined

  /** SQLite takes its locks on other files, so that closing this one releases none of them. */
  constructor(path: string) {
    this.#fd = openSync(path, 'r+')
  }

  sync(): Promise<void> {
    if (!this.#underWay) return this.#start()
    this.#next ??= this.#underWay.catch(() => {}).then(() => this.#start())
    return this.#next
  }

  close(): void {
    closeSync(this.#fd)
  }

  #start(): Promise<void> {
    this.#next = undefined
    const underWay = toDisk(this.#fd).finally(() => {
      if (this.#underWay === underWay) this.#underWay = undefined
    })
    this.#underWay = underWay
    return underWay
  }
}

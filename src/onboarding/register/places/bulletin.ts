/**
 * Where several processes are on one database, one of them registers and all are asked. What others
 * want of it, and what it knows of a place, is told by the database.
 */
import type { Executor } from '../../../database/connection.ts'
import type { Database } from '../../../database/open.ts'
import type { Lease } from '../../../leases/leases.ts'
import * as store from './store.ts'

export interface BulletinServices {
  readonly database: Database
  readonly lease?: Lease | undefined
}

export class Bulletin {
  readonly #services: BulletinServices

  constructor(services: BulletinServices) {
    this.#services = services
  }

  /** Whether another process is the one that registers. */
  get isReader(): boolean {
    return !(this.#services.lease?.isHeld ?? true)
  }

  /** Somebody does not want to wait until these places are tried again. */
  async call(tx: Executor, origins: Iterable<string>, at: string): Promise<void> {
    if (!this.isReader) return
    for (const origin of new Set(origins)) await store.call.run(tx, { origin, at })
  }

  /** What has been called for elsewhere, each given to `open`. */
  async answer(open: (origin: string) => void): Promise<void> {
    const { db } = this.#services.database
    for (const call of await store.listCalled.all(db, {})) {
      open(call.origin)
      await store.answerCall.run(db, call)
    }
  }

  /** How a place stands now; what was last noted of it is for the caller to know. */
  async note(origin: string, error: string | undefined): Promise<void> {
    if (!this.#services.lease) return
    const { db } = this.#services.database
    if (error === undefined) await store.clearError.run(db, { origin })
    else await store.putError.run(db, { origin, error })
  }

  /** Why nothing can be registered at these places, as whoever tries has found. */
  async errorsAt(origins: readonly string[]): Promise<ReadonlyMap<string, string>> {
    return this.isReader ? store.listErrors(this.#services.database.db, origins) : new Map()
  }
}

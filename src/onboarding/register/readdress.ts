/** What was registered with other addresses than those that hold now is registered anew. */
import { hash } from 'node:crypto'
import { encodeAs } from '../../../protocol/cbor/schema.ts'
import { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Log } from '../../log.ts'
import * as store from './store.ts'

export interface ReaddressServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly ownerAddresses: { value(party: string): Promise<To2Addresses> }
}

export class Readdressing {
  readonly #services: ReaddressServices
  /** Something may be due anywhere. */
  readonly #wake: () => void

  constructor(services: ReaddressServices, wake: () => void) {
    this.#services = services
    this.#wake = wake
  }

  /** Of the addresses that hold now. */
  async digest(party: string): Promise<string> {
    return digestOf(party, await this.#services.ownerAddresses.value(party))
  }

  /** Gives the state of the settings that it has met. */
  async all(): Promise<number> {
    const { database } = this.#services
    const settings = database.changesOf('setting')
    for (const party of await store.listParties(database.db)) await this.of(party)
    return settings
  }

  async of(party: string): Promise<void> {
    const { database, clock, log } = this.#services
    try {
      const addresses = await this.digest(party)
      const now = clock.now().toISOString()
      for (const stale of await store.listStaleAddresses(database.db, party, addresses)) {
        let after: string | undefined = ''
        while (after !== undefined) {
          const from: string = after
          after = await database.commit((tx) => store.hastenSome(tx, stale, from, now))
        }
      }
      this.#wake()
    } catch (err) {
      log.error({ err }, 'registrations with old addresses were left as they are')
    }
  }
}

export function digestOf(party: string, addresses: To2Addresses): string {
  const digest = hash('sha256', encodeAs(To2Addresses, addresses), 'hex').slice(0, 16)
  return store.addressesOf(party, digest)
}

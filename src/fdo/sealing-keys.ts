/**
 * The keys that seal sessions. Random, replaced every ten minutes, the last two accepted, kept
 * wrapped in the database so that a restart, or another instance, opens what this one sealed; then
 * gone, so that nothing recorded on the wire can be opened later.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import { concat } from '../../protocol/bytes.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import { Sealer } from '../secrets/seal.ts'
import { SealingKeyStore } from './store.ts'

const REPLACED_AFTER_MS = 10 * 60_000
const ID_BYTES = 4
/** How far the clock may be set back before a key counts as one from another time. */
const SET_BACK_MS = 60_000
/** What a sealing key is sealed for. */
export const SEALING_KEY = 'sealing-key'

interface SealingKey {
  readonly id: number
  readonly createdAt: number
  readonly sealer: Sealer
}

export interface SealingKeysServices {
  readonly database: Database
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  /** Under the master key. */
  readonly sealer: Sealer
}

export class SealingKeys {
  readonly #services: SealingKeysServices
  readonly #store = new SealingKeyStore()
  /** Newest last. */
  #keys: readonly SealingKey[] = []
  #replacing: Promise<void> | undefined

  private constructor(services: SealingKeysServices) {
    this.#services = services
  }

  static async load(services: SealingKeysServices): Promise<SealingKeys> {
    const keys = new SealingKeys(services)
    await keys.replaceIfDue()
    return keys
  }

  /** The id of the key, then what it sealed. */
  async seal(context: string, plaintext: Bytes): Promise<Bytes> {
    const key = this.#current() ?? (await this.#makeCurrent())
    const id = Buffer.alloc(ID_BYTES)
    id.writeUInt32BE(key.id)
    return concat(id, key.sealer.seal(context, plaintext))
  }

  /** Undefined where no accepted key opens it. */
  async open(context: string, sealed: Bytes): Promise<Bytes | undefined> {
    if (sealed.length < ID_BYTES) return undefined
    const id = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
    const key = this.#find(id) ?? (await this.#findAnew(id))
    return key?.sealer.open(context, sealed.subarray(ID_BYTES))
  }

  /** To be called often: makes the next key when it is time, and forgets the one before the last. */
  replaceIfDue(): Promise<void> {
    if (this.#current()) return Promise.resolve()
    this.#replacing ??= this.#replace().finally(() => (this.#replacing = undefined))
    return this.#replacing
  }

  #current(): SealingKey | undefined {
    const newest = this.#keys.at(-1)
    return newest && isFresh(this.#age(newest)) ? newest : undefined
  }

  async #makeCurrent(): Promise<SealingKey> {
    await this.replaceIfDue()
    const key = this.#current()
    if (!key) throw new Error('no sealing key could be made')
    return key
  }

  #find(id: number): SealingKey | undefined {
    return this.#keys.find((key) => key.id === id && this.#age(key) < 2 * REPLACED_AFTER_MS)
  }

  /** Another instance may have made a key since. */
  async #findAnew(id: number): Promise<SealingKey | undefined> {
    const newest = this.#keys.at(-1)?.id ?? 0
    if (id <= newest) return undefined
    await this.#reload()
    return this.#find(id)
  }

  async #replace(): Promise<void> {
    const { database, clock, randomBytes, sealer } = this.#services
    const replaced = await database.commit(async (tx) => {
      const newest = (await this.#store.list(tx)).at(-1)
      if (newest && isFresh(this.#ageOf(newest.created_at))) return false
      const wrapped = sealer.seal(SEALING_KEY, randomBytes(32))
      const id = await this.#store.add(tx, wrapped, clock.now().toISOString())
      // The one before: of two that tried, one may have used up an id for nothing.
      await this.#store.dropBefore(tx, newest?.id ?? id)
      return true
    })
    await this.#reload()
    // What was dropped must not linger in the database's log.
    if (replaced) await database.emptyLog()
  }

  async #reload(): Promise<void> {
    const rows = await this.#store.list(this.#services.database.db)
    this.#keys = rows.map(({ id, wrapped, created_at }) => {
      const key = this.#services.sealer.open(SEALING_KEY, wrapped)
      if (!key) throw new Error('a sealing key was wrapped under another master key')
      return { id, createdAt: new Date(created_at).getTime(), sealer: new Sealer(key) }
    })
  }

  #age(key: SealingKey): number {
    return this.#services.clock.now().getTime() - key.createdAt
  }

  #ageOf(createdAt: string): number {
    return this.#services.clock.now().getTime() - new Date(createdAt).getTime()
  }
}

function isFresh(ageMs: number): boolean {
  return ageMs < REPLACED_AFTER_MS && ageMs > -SET_BACK_MS
}

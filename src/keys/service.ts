/** The keys of a party, as its people make, bring, replace and remove them. */
import type { EntryType } from '../audit/types.ts'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import type { Parties } from '../parties/service.ts'
import type { KeyBook } from '../secrets/key-book.ts'
import { KeyRefused } from '../secrets/key-files/refused.ts'
import type { KeyInfo } from '../secrets/key-info.ts'
import type { Alongside, KeyStore } from '../secrets/key-store.ts'

/** Sign vouchers. All other keys are the installation's own. */
export const VOUCHER_PURPOSES = ['manufacturer', 'owner'] as const
export type VoucherPurpose = (typeof VOUCHER_PURPOSES)[number]

export interface KeysServices {
  readonly keyStore: KeyStore
  readonly database: Pick<Database, 'db'>
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'keyMade' | 'keyImported' | 'keyRotated' | 'keyRemoved'>
  readonly parties: Pick<Parties, 'hasRole'>
  /** How many vouchers only this key can sign for; `most` of them are enough. */
  countVouchers(db: Executor, key: KeyInfo, most: number): Promise<number>
  /** An order from elsewhere, still open, that was made out to this key. */
  findOrderFor(db: Executor, key: KeyInfo): Promise<string | undefined>
}

export interface ShownKey extends KeyInfo {
  /** `kept`: another is used for what is new, and always was. */
  readonly state: 'active' | 'kept' | 'retired'
  /** At most MOST_COUNTED, in a long list fewer. */
  readonly vouchers: number
  /** Whether counting ended there: then there may be more. */
  readonly isCut: boolean
}

export const MOST_COUNTED = 10_000
/** Of all keys that are shown at once, lest everybody wait for it; but so many of each. */
const MOST_COUNTED_AT_ONCE = 100_000
export const LEAST_COUNTED = 200
const MOST_KEYS = 500
/** RSA keys take seconds to find, and everybody's are found one after the other. */
const MOST_AT_ONCE = 4
/** Runs of DI that began with a key end within ten minutes. */
const SETTLED_MS = 15 * 60_000

export class Keys {
  readonly #services: KeysServices
  /** What is being made for each party. */
  readonly #making = new Map<string, number>()

  constructor(services: KeysServices) {
    this.#services = services
  }

  /** Ordered by id. */
  async list(party: string, limit: number, after = ''): Promise<ShownKey[]> {
    const book = await this.#services.keyStore.read()
    const keys = book.keys
      .filter((key) => key.party === party && key.id > after)
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, limit)
    const most = mostCounted(keys.filter(signsVouchers).length)
    return Promise.all(keys.map((key) => this.#shown(key, book, most)))
  }

  async find(party: string, id: string): Promise<ShownKey> {
    const book = await this.#services.keyStore.read()
    return this.#shown(foundIn(book, party, id), book)
  }

  /** The first of its kind: after that there is rotate. */
  async make(purpose: VoucherPurpose, kind: KeyKind, by: Principal): Promise<ShownKey> {
    const { keyStore, events, parties } = this.#services
    const { party } = by
    if (purpose === 'manufacturer' && !(await parties.hasRole(party, 'manufacturer'))) {
      const next = 'whoever runs this installation can invite one with the role manufacturer'
      throw new Problem('not-permitted', `${party} does not make devices here: ${next}`)
    }
    const slot = { party, purpose, kind }
    const active = (await keyStore.read()).active(slot)
    if (active) throw thereIsOne(active)
    const made = await this.#inTurn(party, () =>
      keyStore.make(slot, this.#recorded('key-made', by)),
    )
    if (!made) throw thereIsOne((await keyStore.read()).active(slot))
    events.keyMade({ key: made.id, purpose, type: kind, by: by.id })
    return this.find(party, made.id)
  }

  /** Throws invalid-request, saying why, for a file that holds no such key. */
  async import(
    purpose: VoucherPurpose,
    { file, passphrase }: { readonly file: Bytes; readonly passphrase: string | undefined },
    by: Principal,
  ): Promise<ShownKey> {
    const { keyStore, events } = this.#services
    const { party } = by
    let isNew = false
    const record = this.#recorded('key-imported', by)
    const alongside: Alongside = async (tx, key) => {
      await record(tx, key)
      isNew = true
    }
    const key = await asProblem(() =>
      keyStore.import({ party, purpose }, file, { passphrase, alongside }),
    )
    if (isNew) events.keyImported({ key: key.id, purpose, by: by.id })
    return this.find(party, key.id)
  }

  /** A new key is used from its commit on; this one goes on serving what was signed to it. */
  async rotate(id: string, by: Principal): Promise<ShownKey> {
    const { keyStore, events } = this.#services
    const { party } = by
    const book = await keyStore.read()
    const old = foundIn(book, party, id)
    refuseOthers(old, 'make the next one there, with a label that sorts behind, and restart')
    const active = book.active(old)
    if (active && active.id !== id) throw inItsPlace(old, active)
    const made = await this.#inTurn(party, () =>
      keyStore.rotate(old, this.#recorded('key-rotated', by, { replaces: id })),
    )
    if (!made) throw inItsPlace(old, (await keyStore.read()).active(old))
    events.keyRotated({ key: made.id, replaces: id, purpose: old.purpose, by: by.id })
    return this.find(party, made.id)
  }

  /** Only what nothing needs any more: there is no way back. */
  async remove(id: string, by: Principal): Promise<void> {
    const { keyStore, clock, events } = this.#services
    const { party } = by
    const book = await keyStore.read()
    const key = foundIn(book, party, id)
    refuseOthers(key, 'remove it there')
    if (book.active(key)?.id === id) {
      throw new Problem('conflict', `${id} is in use: rotate it, and remove it then`)
    }
    refuseUnsettled(key, clock.now())
    const record = this.#recorded('key-removed', by)
    const removed = await keyStore.remove(key, async (tx) => {
      await this.#refuseNeeded(tx, key)
      await record(tx, key)
    })
    if (!removed) throw notFound(id)
    events.keyRemoved({ key: id, purpose: key.purpose, by: by.id })
  }

  async #refuseNeeded(tx: Executor, key: KeyInfo): Promise<void> {
    const { countVouchers, findOrderFor } = this.#services
    const order = await findOrderFor(tx, key)
    if (order !== undefined) {
      const next = 'close it, and hand its closing statement over first'
      const detail = `the order ${order} was made out to ${key.id}: ${next}`
      throw new Problem('conflict', detail, { members: { order } })
    }
    const vouchers = await countVouchers(tx, key, MOST_COUNTED)
    if (vouchers === 0) return
    const count = vouchers < MOST_COUNTED ? String(vouchers) : `at least ${vouchers}`
    const detail = `${count} vouchers are with ${key.id}: sell them, or onboard their devices`
    throw new Problem('conflict', detail, { members: { vouchers } })
  }

  async #shown(key: KeyInfo, book: KeyBook, most = MOST_COUNTED): Promise<ShownKey> {
    const { database, countVouchers } = this.#services
    const isActive = book.active(key)?.id === key.id
    const vouchers = signsVouchers(key) ? await countVouchers(database.db, key, most) : 0
    const rest = key.retiredAt === null ? 'kept' : 'retired'
    return { ...key, state: isActive ? 'active' : rest, vouchers, isCut: vouchers >= most }
  }

  /** What the party's log says of a change, in its transaction. */
  #recorded(
    type: EntryType,
    by: Principal,
    more: Readonly<Record<string, string>> = {},
  ): Alongside {
    const { audit, keyStore } = this.#services
    return async (tx, { id, party, purpose, kind, fingerprint }) => {
      if (type !== 'key-removed' && (await keyStore.count(tx, party)) > MOST_KEYS) {
        throw new Problem('conflict', `${MOST_KEYS} keys are enough: remove those nothing needs`)
      }
      const detail = { purpose, type: kind, fingerprint, ...more }
      await audit.append(tx, { party, type, by: by.id, subject: { id }, detail })
    }
  }

  async #inTurn<T>(party: string, make: () => Promise<T>): Promise<T> {
    const underWay = this.#making.get(party) ?? 0
    if (underWay >= MOST_AT_ONCE) {
      const detail = `${MOST_AT_ONCE} keys are being made: try again in 2 s`
      throw new Problem('too-many-requests', detail, { headers: { 'retry-after': '2' } })
    }
    this.#making.set(party, underWay + 1)
    try {
      return await make()
    } finally {
      const left = (this.#making.get(party) ?? 1) - 1
      if (left > 0) this.#making.set(party, left)
      else this.#making.delete(party)
    }
  }
}

async function asProblem<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof KeyRefused)) throw error
    throw new Problem('invalid-request', error.message, { cause: error })
  }
}

function foundIn(book: KeyBook, party: string, id: string): KeyInfo {
  const key = book.findById(party, id)
  if (!key) throw notFound(id)
  return key
}

/** Of each of so many. */
function mostCounted(keys: number): number {
  const share = Math.floor(MOST_COUNTED_AT_ONCE / Math.max(keys, 1))
  return Math.max(LEAST_COUNTED, Math.min(share, MOST_COUNTED))
}

function signsVouchers({ purpose }: KeyInfo): boolean {
  return (VOUCHER_PURPOSES as readonly string[]).includes(purpose)
}

/** What is not a party's own to change: keys of the installation itself, and those in a token. */
function refuseOthers(key: KeyInfo, next: string): void {
  if (!signsVouchers(key)) {
    throw new Problem('conflict', `${key.id} is a ${key.purpose} key: this service keeps it itself`)
  }
  if (key.origin === 'token') throw new Problem('conflict', `${key.id} is in a token: ${next}`)
}

/** Somebody may have begun with it, and not have ended yet. */
function refuseUnsettled({ id, retiredAt }: KeyInfo, now: Date): void {
  if (retiredAt === null) return
  const settled = new Date(Date.parse(retiredAt) + SETTLED_MS)
  if (now >= settled) return
  const seconds = Math.ceil((settled.getTime() - now.getTime()) / 1_000)
  const detail = `${id} was in use until ${retiredAt}: devices being made may need it until ${settled.toISOString()}`
  throw new Problem('conflict', detail, { headers: { 'retry-after': String(seconds) } })
}

function thereIsOne(active: KeyInfo | undefined): Problem {
  const detail = active ? `there is one, ${active.id}: rotate it` : 'there was one: look again'
  return new Problem('conflict', detail, { members: { key: active?.id ?? null } })
}

function inItsPlace({ id }: KeyInfo, active: KeyInfo | undefined): Problem {
  const detail = `${id} is not in use: ${active?.id ?? 'another'} is`
  return new Problem('conflict', detail, { members: { key: active?.id ?? null } })
}

function notFound(id: string): Problem {
  return new Problem('not-found', `there is no key ${id}`)
}

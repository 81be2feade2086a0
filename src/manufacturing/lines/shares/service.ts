/** Parts of an order given to lines that are offline: reserved, signed, and what is left given back. */
import { NAME_PREFIXES } from '../../../prefixes.ts'
import { randomBytes } from 'node:crypto'
import { ALL_KINDS } from '../../../secrets/key-info.ts'
import type { AuditLog } from '../../../audit/log.ts'
import type { Clock } from '../../../clock.ts'
import type { Executor } from '../../../database/connection.ts'
import type { Database } from '../../../database/open.ts'
import type { Events } from '../../../events.ts'
import { Problem } from '../../../http/problem.ts'
import { firstOwnerKeys } from '../../first-owner.ts'
import { MANUFACTURER, type SigningKeys } from '../../keys.ts'
import { type Makers, demandMaker } from '../../makers.ts'
import { type FirstOwnerRule, sellerOf } from '../../orders/first-owner-rules.ts'
import type { OrderRow } from '../../orders/store.ts'
import type { Actor } from '../../stations/service.ts'
import { lineBytes, readClosing, signShare } from '../document.ts'
import * as store from './store.ts'
import type { ShareRow } from './store.ts'

export interface ShareServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'orderShared' | 'orderShareClosed'>
  readonly parties: Makers
  readonly orders: { find(party: string, id: string): Promise<OrderRow> }
  keysOf(party: string): SigningKeys
  /** Whether there is such a party here that may be sold to. */
  isParty(party: string): Promise<boolean>
  readonly publicUrl: () => string
}

export interface NewShare {
  /** The fingerprint of a manufacturer key of the line. */
  readonly line: string
  /** Undefined for all that is left. */
  readonly quantity: number | undefined
  /** Names of the line's stations; none for all. */
  readonly stations: readonly string[]
  /** Undefined for when the order does. */
  readonly expiresAt: Date | undefined
}

export class Shares {
  readonly #services: ShareServices

  constructor(services: ShareServices) {
    this.#services = services
  }

  /** Reserved from here on: it is made at the line, or nowhere, until the line gives it back. */
  async issue(orderId: string, wanted: NewShare, { id: by, party }: Actor): Promise<ShareRow> {
    const { database, clock, events, audit, parties, orders } = this.#services
    await demandMaker(parties, party)
    const order = await orders.find(party, orderId)
    const now = clock.now()
    const row = await this.#rowOf(order, wanted, now)
    const { id, quantity, expires_at } = row
    const detail = { order: order.id, line: wanted.line, quantity, expires_at }
    const placeIt = async (tx: Executor) => {
      await place(tx, row, now.toISOString())
      await audit.append(tx, { party, type: 'order-shared', by, subject: { id }, detail })
    }
    await database.commit(placeIt, { durable: true })
    events.orderShared({ order: order.id, share: id, quantity, by })
    return row
  }

  async #rowOf(order: OrderRow, wanted: NewShare, now: Date): Promise<ShareRow> {
    const left = order.quantity - order.made - order.reserved
    const { line, quantity = left, stations, expiresAt = new Date(order.expires_at) } = wanted
    checkOrder(order, { quantity, left, expiresAt, now })
    const rules = JSON.parse(order.first_owner) as FirstOwnerRule[]
    const firstOwner = await this.#resolved(order.party, rules)
    const times = { issuedAt: now.toISOString(), expiresAt: expiresAt.toISOString() }
    const id = `${NAME_PREFIXES.orderShare}${randomBytes(12).toString('hex')}`
    const signer = await this.#services.keysOf(order.party).signer(MANUFACTURER, 'p256')
    const document = await signShare(signer, {
      ...{ share: id, order: order.id, party: order.party, url: this.#services.publicUrl() },
      ...{ line: lineBytes(line), quantity, ...times, stations },
      ...{ name: order.name, model: order.model, rendezvousInfo: order.rendezvous_info },
      firstOwner: firstOwner.map(({ model, to }) => ({ model: model ?? null, to })),
      uniqueSerials: order.unique_serials === 1,
      // What it is called here is what the label says there.
      label: order.label.replaceAll('{order}', order.name),
      deviceCas: order.device_cas,
    })
    return {
      ...{ id, party: order.party, order_id: order.id, line, quantity },
      ...{ made: 0, reserved: quantity, state: 'open', document },
      first_owner: JSON.stringify(firstOwner),
      ...{ created_at: times.issuedAt, expires_at: times.expiresAt, closed_at: null },
    }
  }

  /** The keys to extend to, of each kind that devices may ask for, as they are now. */
  async #resolved(
    party: string,
    rules: readonly FirstOwnerRule[],
  ): Promise<readonly FirstOwnerRule[]> {
    const { keysOf, isParty } = this.#services
    return Promise.all(
      rules.map(async (rule) => {
        const seller = sellerOf(rule, party)
        if (seller === undefined) return rule
        if (seller !== party && !(await isParty(seller))) {
          throw new Problem('conflict', `nobody may act for ${seller}, the first owner, any more`)
        }
        return { ...rule, to: await firstOwnerKeys(keysOf(seller), ALL_KINDS) }
      }),
    )
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<ShareRow> {
    return (await store.findShare.first(this.#services.database.db, { party, id })) ?? none(id)
  }

  /** Throws not-found for an order that is not there. */
  async list(page: Parameters<typeof store.listShares>[1]): Promise<ShareRow[]> {
    const { database, orders } = this.#services
    await orders.find(page.party, page.orderId)
    return store.listShares(database.db, page)
  }

  /** By the line's own word: what it has not made is the order's again. A repeat changes nothing. */
  async close(id: string, statement: string, { id: by, party }: Actor): Promise<ShareRow> {
    const { database, clock, events, audit } = this.#services
    const { line, order_id: order } = await this.find(party, id)
    const said = await readClosing(statement)
    if (said.signer !== line) {
      throw refused('other-line', `it was signed by ${said.signer}: the share is of line ${line}`)
    }
    if (said.share !== id) throw refused('other-share', `it is about share ${said.share}`)
    const at = clock.now().toISOString()
    const { made } = said
    const closeIt = async (tx: Executor) => {
      const given = await closeIn(tx, { party, id, made, at })
      const detail = { order, made, given_back: given ?? 0 }
      const entry = { party, type: 'order-share-closed', by, subject: { id }, detail } as const
      if (given !== undefined) await audit.append(tx, entry)
      return given
    }
    const given = await database.commit(closeIt, { durable: true })
    if (given !== undefined) events.orderShareClosed({ share: id, given_back: given, by })
    return this.find(party, id)
  }
}

async function place(tx: Executor, row: ShareRow, at: string): Promise<void> {
  const { party, order_id: id, quantity } = row
  if (!(await store.reserve.first(tx, { party, id, quantity, at }))) {
    throw new Problem('conflict', 'the order has changed meanwhile: look at what is left of it')
  }
  await store.insertShare.run(tx, row)
}

/** How many are given back; undefined where it was closed before. */
async function closeIn(
  tx: Executor,
  { party, id, made, at }: { party: string; id: string; made: number; at: string },
): Promise<number | undefined> {
  const share = (await store.findShare.first(tx, { party, id })) ?? none(id)
  const { made: come, reserved, quantity, state } = share
  if (state === 'closed') {
    if (made === come + reserved) return undefined
    throw refused('contradiction', `the line has said before that it made ${come + reserved}`)
  }
  if (made < come || made > quantity) {
    throw refused('contradiction', `it says ${made}: ${come} of ${quantity} have been handed over`)
  }
  const left = made - come
  const closed = await store.closeShare.run(tx, { party, id, seen: reserved, left, at })
  if (closed === 0) throw new Problem('conflict', 'something was handed over meanwhile: try again')
  await store.release.run(tx, { party, id: share.order_id, quantity: reserved - left })
  return reserved - left
}

interface Asked {
  readonly quantity: number
  readonly left: number
  readonly expiresAt: Date
  readonly now: Date
}

/** Throws conflict or invalid-request for what no line may be given. */
function checkOrder(order: OrderRow, { quantity, left, expiresAt, now }: Asked): void {
  const { id, state, label, expires_at } = order
  if (state !== 'open') {
    const next = state === 'draft' ? `: firstlight order open ${id}` : ''
    throw new Problem('conflict', `the order is ${state}${next}`)
  }
  if (order.share !== null) throw new Problem('conflict', 'a share is not shared out again')
  if (new Date(expires_at) <= now) throw new Problem('conflict', 'the order has expired')
  if (expiresAt <= now) throw new Problem('invalid-request', 'expires_at: that is past')
  if (expiresAt > new Date(expires_at)) {
    throw new Problem('invalid-request', `expires_at: after the order does, at ${expires_at}`)
  }
  if (left === 0) throw new Problem('conflict', 'nothing is left of the order')
  if (quantity > left) throw new Problem('conflict', `only ${left} are left of the order`)
  // Each line counts its own from one.
  if (label.includes('{number}') && quantity < order.quantity) {
    throw new Problem('conflict', 'its label has {number}, and each line would begin with 1')
  }
}

function refused(check: string, detail: string): Problem {
  return new Problem('check-failed', detail, { members: { check } })
}

function none(id: string): never {
  throw new Problem('not-found', `there is no share ${id}`)
}

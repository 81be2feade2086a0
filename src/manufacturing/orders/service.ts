/** Production orders as an administrator deals with them: placed, tried, opened, looked at, closed. */
import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bytes } from '../../../protocol/bytes.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { rendezvousInfoFromText } from '../../../protocol/types/rendezvous-text.ts'
import { spkiOfCertificate } from '../../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../../protocol/x509/chain.ts'
import { certificatesToPem, fromPem } from '../../../protocol/x509/pem.ts'
import { type AuditLog, type NewEntry, brief } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import { Problem } from '../../http/problem.ts'
import { MOST_NAME_BYTES } from '../intake.ts'
import { type Makers, demandMaker } from '../makers.ts'
import { type Actor, checkCertificates } from '../stations/service.ts'
import { type FirstOwnerRule, type FirstOwnerServices, checkRules } from './first-owner-rules.ts'
import { findStrayPlaceholder } from './label.ts'
import { chainsOf, spkiHashOf } from './own-certificate.ts'
import * as store from './store.ts'
import type { MadeDeviceRow, OrderPage, OrderRow } from './store.ts'
import { type Trial, type TrialServices, tryRendezvous } from './trial.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface OrderServices extends TrialServices, FirstOwnerServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'orderCreated' | 'orderOpened' | 'orderClosed' | 'orderDeleted'>
  /** What holds for orders that name none of their own. */
  readonly rendezvousInfo: { current(party: string): Promise<{ readonly json: unknown }> }
  readonly stations: { find(party: string, id: string): Promise<unknown> }
  readonly parties: Makers
}

export interface NewOrder {
  readonly name: string
  readonly model: string | null
  readonly quantity: number
  /** Directives; undefined for the party's own of this moment. */
  readonly rendezvousInfo: readonly unknown[] | undefined
  readonly firstOwner: readonly FirstOwnerRule[]
  readonly stations: readonly string[]
  readonly isSerialUnique: boolean
  readonly label: string
  /** PEM, or empty. */
  readonly deviceCas: string
  readonly expiresAt: Date
}

/** What came of a certificate that a device will come with. */
export interface ToldCertificate {
  /** SHA-256 of the SubjectPublicKeyInfo. */
  readonly key: string
  readonly ok: boolean
  readonly detail: string | null
}

const ROWS_AT_ONCE = 500

export class OrderDesk {
  readonly #services: OrderServices

  constructor(services: OrderServices) {
    this.#services = services
  }

  /** A draft. What devices get is settled here, whatever becomes of the party's settings. */
  async create(wanted: NewOrder, { id: by, party }: Actor): Promise<OrderRow> {
    const { database, events, audit, parties } = this.#services
    await demandMaker(parties, party)
    const row = await this.draft(wanted, party)
    const { id: order, name, model, quantity, expires_at } = row
    const entry = entryOf(row, 'order-created', by, {
      ...{ name, model: model && brief(model), quantity, expires_at },
    })
    const insert = async (tx: Executor) => {
      const added = await store.insertOrder.run(tx, row)
      if (added === 0) throw new Problem('conflict', `there is an order ${name} already`)
      await audit.append(tx, entry)
    }
    await database.commit(insert, { durable: true })
    events.orderCreated({ order, name, quantity, by })
    return row
  }

  /** Checked, and stored nowhere yet. Throws invalid-request for what could not be made. */
  async draft(wanted: NewOrder, party: string): Promise<OrderRow> {
    const { clock, rendezvousInfo } = this.#services
    const now = clock.now()
    await this.#check(wanted, party, now)
    const directives = wanted.rendezvousInfo ?? (await rendezvousInfo.current(party)).json
    rendezvousInfoFromText(directives)
    const { name, model, quantity, label } = wanted
    return {
      ...{
        id: `${NAME_PREFIXES.order}${randomBytes(12).toString('hex')}`,
        party,
        name,
        model,
        quantity,
        label,
      },
      ...{ made: 0, reserved: 0, share: null, source: null },
      rendezvous_info: JSON.stringify(directives),
      first_owner: JSON.stringify(wanted.firstOwner),
      stations: wanted.stations.join(' '),
      unique_serials: wanted.isSerialUnique ? 1 : 0,
      device_cas: wanted.deviceCas,
      state: 'draft',
      trial: null,
      created_at: now.toISOString(),
      expires_at: wanted.expiresAt.toISOString(),
      opened_at: null,
      closed_at: null,
    }
  }

  async #check(wanted: NewOrder, party: string, now: Date): Promise<void> {
    const { model, label, stations, deviceCas, expiresAt, firstOwner } = wanted
    if (expiresAt <= now) throw invalid('expires_at: that is past')
    if (model !== null && utf8(model).length > MOST_NAME_BYTES) throw invalid('model: too long')
    const stray = findStrayPlaceholder(label)
    if (stray !== undefined) throw invalid(`label: there is no ${stray}`)
    if (deviceCas !== '') checkCertificates('device_cas', deviceCas)
    for (const id of stations) await this.#services.stations.find(party, id)
    await checkRules(firstOwner, this.#services)
  }

  list(page: OrderPage): Promise<OrderRow[]> {
    return store.listOrders(this.#services.database.db, page)
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<OrderRow> {
    return (await store.findOrder.first(this.#services.database.db, { party, id })) ?? none(id)
  }

  /** Tries where devices will turn to, and keeps what came of it. */
  async try(id: string, { party }: Actor): Promise<OrderRow> {
    const { order, trial } = await this.#trialOf(party, id)
    await this.#keep(order, trial)
    return this.find(party, id)
  }

  /** From now on devices are made to it: once their rendezvous has answered, or if `force`. */
  async open(id: string, force: boolean, { id: by, party }: Actor): Promise<OrderRow> {
    const { database, clock, events, audit } = this.#services
    const { order, trial } = await this.#trialOf(party, id)
    if (!trial.ok && !force) {
      await this.#keep(order, trial)
      const silent = trial.addresses.filter(({ ok }) => !ok).map(({ url }) => url)
      const what = silent.length > 0 ? silent.join(', ') : 'no address that devices can turn to'
      const detail = `devices could never be told otherwise, and this does not answer: ${what}`
      throw new Problem('check-failed', detail, { members: { trial } })
    }
    const change = { party, id, trial: JSON.stringify(trial), at: clock.now().toISOString() }
    const openIt = async (tx: Executor) => {
      const opened = await store.openOrder.run(tx, change)
      if (opened === 0) throw new Problem('conflict', 'the order has changed meanwhile')
      await audit.append(tx, entryOf(order, 'order-opened', by, { forced: !trial.ok }))
    }
    await database.commit(openIt, { durable: true })
    events.orderOpened({ order: id, forced: !trial.ok, by })
    return this.find(party, id)
  }

  async #trialOf(party: string, id: string): Promise<{ order: OrderRow; trial: Trial }> {
    const order = await this.find(party, id)
    await demandMaker(this.#services.parties, party)
    const now = this.#services.clock.now()
    if (order.state !== 'draft') throw new Problem('conflict', `the order is ${order.state}`)
    if (new Date(order.expires_at) <= now) throw new Problem('conflict', 'the order has expired')
    const { value } = rendezvousInfoFromText(JSON.parse(order.rendezvous_info))
    return { order, trial: await tryRendezvous(value, now, this.#services) }
  }

  async #keep({ party, id }: OrderRow, trial: Trial): Promise<void> {
    const kept = { party, id, trial: JSON.stringify(trial) }
    await this.#services.database.commit((tx) => store.storeTrial.run(tx, kept))
  }

  /** For good: devices are not made to it any more, those made stay. */
  async close(id: string, { id: by, party }: Actor): Promise<OrderRow> {
    const { database, clock, events, audit } = this.#services
    const order = await this.find(party, id)
    const at = clock.now().toISOString()
    const closeIt = async (tx: Executor) => {
      const closed = (await store.closeOrder.run(tx, { party, id, at })) > 0
      if (closed) await audit.append(tx, entryOf(order, 'order-closed', by))
      return closed
    }
    const closed = await database.commit(closeIt, { durable: true })
    if (closed) events.orderClosed({ order: id, by })
    return this.find(party, id)
  }

  /** Of a draft: what has been made to an order is not forgotten. */
  async remove(id: string, { id: by, party }: Actor): Promise<void> {
    const { database, events, audit } = this.#services
    const order = await this.find(party, id)
    const { state } = order
    if (state !== 'draft') throw new Problem('conflict', `the order is ${state}: close it instead`)
    await database.commit(async (tx) => {
      const deleted = await store.deleteDraft.run(tx, { party, id })
      if (deleted === 0) throw new Problem('conflict', 'the order has been opened meanwhile')
      await store.deleteCertificates.run(tx, { orderId: id })
      await audit.append(tx, entryOf(order, 'order-deleted', by))
    })
    events.orderDeleted({ order: id, by })
  }

  /** In the order in which they were made: those made later come on later pages. */
  listDevices(
    { party, id }: OrderRow,
    page: { readonly after: number; readonly limit: number },
  ): Promise<MadeDeviceRow[]> {
    return store.listDevices(this.#services.database.db, { party, orderId: id, ...page })
  }

  /** As listDevices, some hundred at a time. */
  async *devices(
    order: OrderRow,
    { after, limit }: { readonly after: number; readonly limit: number },
  ): AsyncGenerator<MadeDeviceRow> {
    let at = after
    for (let left = limit; left > 0; left -= ROWS_AT_ONCE) {
      const some = Math.min(left, ROWS_AT_ONCE)
      const rows = await this.listDevices(order, { after: at, limit: some })
      yield* rows
      if (rows.length < some) return
      at = rows.at(-1)?.number ?? at
      // Devices are waiting, too.
      await nextTurn()
    }
  }

  /** Certificates that devices will come with and are to keep: each alone is taken or refused. */
  async tellCertificates(
    id: string,
    pem: string,
    { id: by, party }: Actor,
  ): Promise<ToldCertificate[]> {
    const order = await this.find(party, id)
    if (order.state === 'closed') throw new Problem('conflict', 'the order is closed')
    const anchors = fromPem(order.device_cas)
    if (!anchors) throw new Problem('conflict', 'the order names no device_cas to check them by')
    const told: ToldCertificate[] = []
    for (const chain of chainsOf(checkCertificates('certificates', pem))) {
      told.push(await this.#tell(order, chain, anchors, by))
      await nextTurn()
    }
    return told
  }

  async #tell(
    order: OrderRow,
    chain: readonly Bytes[],
    anchors: readonly Bytes[],
    by: string,
  ): Promise<ToldCertificate> {
    const { database, clock, audit } = this.#services
    const now = clock.now()
    const key = spkiHashOf(spkiOfCertificate(chain[0] as Bytes))
    const detail = await findChainFlaw(chain, { anchors, now })
    if (detail !== undefined) return { key, ok: false, detail }
    const row = {
      ...{ order_id: order.id, spki_hash: key, chain: certificatesToPem(chain) },
      created_at: now.toISOString(),
    }
    const entry = entryOf(order, 'order-certificate-added', by, { key })
    const add = async (tx: Executor) => {
      await store.storeCertificate.run(tx, row)
      await audit.append(tx, entry)
    }
    await database.commit(add, { durable: true })
    return { key, ok: true, detail: null }
  }
}

function entryOf(
  { id, party }: Pick<OrderRow, 'id' | 'party'>,
  type: NewEntry['type'],
  by: string,
  detail?: NonNullable<NewEntry['detail']>,
): NewEntry {
  return { party, type, by, subject: { id }, ...(detail && { detail }) }
}

function invalid(detail: string): Problem {
  return new Problem('invalid-request', detail)
}

function none(id: string): never {
  throw new Problem('not-found', `there is no order ${id}`)
}

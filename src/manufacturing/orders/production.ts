/** Orders as DI uses them: which one a device falls under, its terms, and that it counts once. */
import type { Bytes } from '../../../protocol/bytes.ts'
import { toHex } from '../../../protocol/bytes.ts'
import type { Kept } from '../../../protocol/cbor/schema.ts'
import type { MadeDevice } from '../../../protocol/di/manufacturer.ts'
import { FdoError } from '../../../protocol/errors.ts'
import type { RendezvousInfo } from '../../../protocol/types/rendezvous-info.ts'
import { rendezvousInfoFromText } from '../../../protocol/types/rendezvous-text.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { deviceIdOf } from '../../vouchers/device-id.ts'
import type { FindFirstOwner } from '../first-owner.ts'
import type { KnownStations } from '../stations/service.ts'
import {
  type Applicant,
  type Counted,
  type OrderName,
  type OrderedDevice,
  type Orders,
  type Terms,
  orderNamed,
  orderText,
} from '../terms.ts'
import { type FirstOwnerRule, type FirstOwnerServices, firstOwnerBy } from './first-owner-rules.ts'
import { ownChain, spkiHashOf } from './own-certificate.ts'
import * as store from './store.ts'
import type { OrderDeviceRow, OrderRow } from './store.ts'
import { deviceDetail } from './told.ts'

export interface ProductionServices extends FirstOwnerServices {
  readonly database: Database
  readonly clock: Clock
  readonly devices: {
    note(tx: Executor, id: string, type: string, detail: object): Promise<void>
  }
}

/** What of an order never changes, parsed. */
interface Fixed {
  readonly rvInfo: Kept<RendezvousInfo>
  readonly rules: readonly FirstOwnerRule[]
  readonly stations: readonly string[]
  readonly deviceCas: readonly Bytes[]
}

const MOST_KNOWN = 1_000

export class Production implements Orders {
  readonly #services: ProductionServices
  readonly #fixed = new Map<string, Fixed>()

  constructor(services: ProductionServices) {
    this.#services = services
  }

  async termsFor(caller: KnownStations, { info, csr, source }: Applicant): Promise<Terms> {
    const { party } = caller
    const { spki } = csr.key
    const order = await this.#orderFor(caller, info.deviceInfo, deviceIdOf(party, spki))
    const { rvInfo, rules, deviceCas, stations } = this.#fixedOf(order)
    const firstOwner = firstOwnerBy(rules, { party, model: info.deviceInfo }, this.#services)
    return {
      party,
      order: orderText({ party, id: order.id, station: stationOf(stations, caller) }),
      rvInfo,
      isSerialUnique: order.unique_serials === 1,
      ownChain: deviceCas.length > 0 ? await this.#ownChain(order, spki, source) : undefined,
      async checkFirstOwner({ key: { kind } }) {
        if (!firstOwner || (await firstOwner(kind))) return
        throw refused(`the first owner of order ${order.id} has no key of kind ${kind}`)
      },
    }
  }

  async firstOwnerOf(
    caller: KnownStations,
    { order, deviceInfo: model }: MadeDevice,
  ): Promise<FindFirstOwner | undefined> {
    const row = await this.#find(this.#services.database.db, order)
    const { rules, stations } = this.#fixedOf(row)
    if (row.party !== caller.party || !isAt(stations, caller)) {
      throw refused(`this caller is not at a station of order ${row.id}`)
    }
    return firstOwnerBy(rules, { party: row.party, model }, this.#services)
  }

  /** A device that is made once more replaces its voucher, and counts no second time. */
  async count(tx: Executor, made: OrderedDevice): Promise<Counted> {
    const { serial, deviceInfo: model } = made
    const order = await this.#find(tx, made.order)
    const at = this.#now()
    if (order.state !== 'open' || order.expires_at <= at) {
      throw refused(`order ${order.id} is ${order.state === 'open' ? 'past its date' : 'closed'}`)
    }
    const { id, party } = order
    const deviceId = deviceIdOf(party, made.deviceKey)
    const station = orderNamed(made.order)?.station ?? null
    const device = {
      ...{ order_id: id, device_id: deviceId, guid: toHex(made.guid), serial, model },
      ...{ made_at: at, station, label: null, share: null },
    }
    const again = await store.updateDevice.first(tx, device)
    const number = again?.number ?? (await this.#countNew(tx, order, device))
    const detail = deviceDetail(order, { ...device, number })
    return { isSerialUnique: order.unique_serials === 1, detail }
  }

  async #countNew(
    tx: Executor,
    { party, id, quantity, reserved }: OrderRow,
    device: Omit<OrderDeviceRow, 'number'>,
  ): Promise<number> {
    const counted = await store.countDevice.first(tx, { party, id, at: this.#now() })
    if (!counted) throw refused(`order ${id} is full: ${quantity}, ${reserved} of them for lines`)
    const { made: number } = counted
    await store.insertDevice.run(tx, { ...device, number })
    return number
  }

  async made(tx: Executor, made: OrderedDevice): Promise<void> {
    const { devices } = this.#services
    const order = await this.#find(tx, made.order)
    const { id, party, name } = order
    const deviceId = deviceIdOf(party, made.deviceKey)
    await devices.note(tx, deviceId, 'made-to-order', { order: id, name })
  }

  /** Throws INVALID_MESSAGE_ERROR where it is not clear which: that could not be undone. */
  async #orderFor(caller: KnownStations, model: string, deviceId: string): Promise<OrderRow> {
    const { db } = this.#services.database
    const { party } = caller
    const open = (await store.listOpen.all(db, { party, model, at: this.#now() })).filter((one) =>
      isAt(this.#fixedOf(one).stations, caller),
    )
    if (open.length === 0) throw refused(`no order of ${party} is open here for the model ${model}`)
    const earlier = await store.listOrdersOf.all(db, { deviceId })
    const same = open.filter(({ id }) => earlier.some(({ order_id }) => order_id === id))
    const free = open.filter(({ made, reserved, quantity }) => made + reserved < quantity)
    const candidates = same.length > 0 ? same : free
    const exact = candidates.filter((one) => one.model !== null)
    const [order, another] = exact.length > 0 ? exact : candidates
    if (!order) throw refused(`what is open for the model ${model} is full: ${open[0]?.id}`)
    if (another) throw refused(`more than one order is open for it: ${order.id}, ${another.id}`)
    return order
  }

  async #ownChain(order: OrderRow, spki: Bytes, { clientCertificate: shown }: Applicant['source']) {
    const { database, clock } = this.#services
    const named = { orderId: order.id, spkiHash: spkiHashOf(spki) }
    const told = await store.findCertificate.first(database.db, named)
    const { deviceCas: anchors } = this.#fixedOf(order)
    const toldOf = told && fromPem(told.chain)
    return ownChain({ spki, anchors, now: clock.now(), toldOf, shown })
  }

  async #find(executor: Executor, order: string): Promise<OrderRow> {
    const named: OrderName | undefined = orderNamed(order)
    const row = named && (await store.findOrder.first(executor, named))
    if (!row) throw refused(`its order is gone: ${order}`)
    return row
  }

  #fixedOf(order: OrderRow): Fixed {
    const known = this.#fixed.get(order.id)
    if (known) return known
    if (this.#fixed.size >= MOST_KNOWN) this.#fixed.clear()
    const fixed: Fixed = {
      rvInfo: rendezvousInfoFromText(JSON.parse(order.rendezvous_info)),
      rules: JSON.parse(order.first_owner) as FirstOwnerRule[],
      stations: order.stations.split(' ').filter((id) => id !== ''),
      deviceCas: fromPem(order.device_cas) ?? [],
    }
    this.#fixed.set(order.id, fixed)
    return fixed
  }

  #now(): string {
    return this.#services.clock.now().toISOString()
  }
}

/** An order that names no stations is made at all of its party's. */
function isAt(stations: readonly string[], caller: KnownStations): boolean {
  return stations.length === 0 || stationOf(stations, caller) !== null
}

/** What the first is called at which this caller is and the order may be made. */
function stationOf(stations: readonly string[], caller: KnownStations): string | null {
  const at = caller.stations.find(({ id }) => stations.length === 0 || stations.includes(id))
  return at?.name ?? null
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI: ${reason}`)
}

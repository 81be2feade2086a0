/** What DI needs beside the protocol: stations, orders, and the keys of those who make devices. */
import { toHex } from '../../protocol/bytes.ts'
import type { Clock } from '../clock.ts'
import type { Events } from '../events.ts'
import type { MountedRole } from '../fdo/mounted-role.ts'
import type { Route } from '../http/route.ts'
import { deviceIdOf } from '../vouchers/device-id.ts'
import { ManufacturerKeys } from './keys.ts'
import { orderImportRoutes } from './lines/imports/routes.ts'
import { type OrderImportServices, OrderImports } from './lines/imports/service.ts'
import { HandOver, type HandOverServices } from './lines/shares/hand-over.ts'
import { shareRoutes } from './lines/shares/routes.ts'
import { Shares } from './lines/shares/service.ts'
import { Production, type ProductionServices } from './orders/production.ts'
import { orderRoutes } from './orders/routes.ts'
import { OrderDesk, type OrderServices } from './orders/service.ts'
import { type ManufacturerServices, manufacturerRole } from './role.ts'
import { type DiAddresses, stationRoutes } from './stations/routes.ts'
import { type StationServices, Stations } from './stations/service.ts'
import { orderNamed } from './terms.ts'

type Provided = 'keysOf' | 'stations' | 'orders' | 'deviceMade'

export type ManufacturingServices = Omit<ManufacturerServices, Provided | 'vouchers'> &
  Omit<OrderServices, 'keysOf' | 'isParty' | 'stations' | 'events'> &
  Pick<ProductionServices, 'devices'> &
  Pick<StationServices, 'listeners'> & {
    readonly clock: Clock
    readonly events: Events
    readonly vouchers: ManufacturerServices['vouchers']
    /** The keys of a party, for every purpose. */
    readonly ringOf: OrderImportServices['keysOf']
    /** Vouchers that lines of this service's parties bring. */
    readonly brought: HandOverServices['brought']
    /** Gives a chain for a key that signs vouchers, leaf first. */
    readonly certify: (spki: Uint8Array) => Promise<readonly Uint8Array[]>
  } & DiAddresses

export interface Manufacturing {
  readonly role: MountedRole
  readonly routes: readonly Route[]
}

export function openManufacturing(services: ManufacturingServices): Manufacturing {
  const { clock, events, parties, ringOf, certify } = services
  const keys = new Map<string, ManufacturerKeys>()
  const keysOf = (party: string) => {
    const known = keys.get(party) ?? new ManufacturerKeys(ringOf(party), certify)
    keys.set(party, known)
    return known
  }
  const stations = new Stations(services)
  const buyers = { keysOf: ringOf, isParty: (party: string) => parties.isActive(party) }
  const orders = new OrderDesk({ ...services, ...buyers, stations })
  const role = manufacturerRole({
    ...services,
    keysOf,
    stations,
    orders: new Production({ ...services, ...buyers }),
    deviceMade({ guid, deviceKey, serial, party, order }) {
      const device = deviceIdOf(party, deviceKey)
      const id = orderNamed(order)?.id ?? null
      events.deviceManufactured({ guid: toHex(guid), device, serial, order: id })
    },
  })
  const lines = linesOf(services, orders, buyers.isParty)
  return {
    role,
    routes: [...stationRoutes(stations, services), ...orderRoutes(orders, clock), ...lines],
  }
}

/** Orders for lines that are offline: given out here, or taken in where this service is one. */
function linesOf(
  services: ManufacturingServices,
  orders: OrderDesk,
  isParty: (party: string) => Promise<boolean>,
): readonly Route[] {
  const { clock, ringOf: keysOf } = services
  const shares = new Shares({ ...services, orders, keysOf, isParty })
  const handOver = new HandOver({ ...services, shares })
  const imports = new OrderImports({ ...services, orders, keysOf })
  return [...shareRoutes(shares, handOver, clock), ...orderImportRoutes(imports, clock)]
}

/** On what terms a device is made: what it leaves with, and to whom it is sold. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Kept } from '../../protocol/cbor/schema.ts'
import type { MadeDevice } from '../../protocol/di/manufacturer.ts'
import type { DeviceMfgInfo } from '../../protocol/types/device-mfg-info.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import type { Csr } from '../../protocol/x509/csr.ts'
import type { Detail } from '../audit/entry.ts'
import type { Executor } from '../database/connection.ts'
import type { Source } from '../http/source.ts'
import type { FindFirstOwner } from './first-owner.ts'
import type { KnownStations } from './stations/service.ts'

export interface Terms {
  /** The manufacturer. */
  readonly party: string
  /** As Admission has it; empty without an order. */
  readonly order: string
  readonly rvInfo: Kept<RendezvousInfo>
  readonly isSerialUnique: boolean
  /** The device's own certificate and those above it; undefined where it is to get one. */
  readonly ownChain?: readonly Bytes[] | undefined
  /** To be asked before anything is made: throws where the first owner has no such key. */
  checkFirstOwner?(manufacturerKey: MadeDevice['manufacturerKey']): Promise<void>
}

/** What DI asks of orders. */
export interface Orders {
  /** Which order the device falls under; throws INVALID_MESSAGE_ERROR for none, or several. */
  termsFor(caller: KnownStations, device: Applicant): Promise<Terms>
  /** Whom a device made to an order is sold to, as far as this caller may make it. */
  firstOwnerOf(caller: KnownStations, made: MadeDevice): Promise<FindFirstOwner | undefined>
  /** Counts it, in the transaction that makes it; throws where nothing more may be made. */
  count(tx: Executor, made: OrderedDevice): Promise<Counted>
  /** After its voucher has been stored, in the same transaction. */
  made(tx: Executor, made: OrderedDevice): Promise<void>
}

export interface Applicant {
  readonly info: DeviceMfgInfo
  readonly csr: Csr
  readonly source: Source
}

export interface Counted {
  readonly isSerialUnique: boolean
  /** What those are told who follow the log: the line's own systems. */
  readonly detail: Detail
}

export interface OrderedDevice {
  readonly order: string
  readonly guid: Bytes
  readonly serial: string
  readonly deviceInfo: string
  readonly deviceKey: Bytes
  readonly voucher: Bytes
}

/** What DI carries from its first message to its last: whose order, which, and made where. */
export interface OrderName {
  readonly party: string
  readonly id: string
  /** What the station is called. */
  readonly station: string | null
}

export function orderText({ party, id, station }: OrderName): string {
  return station === null ? `${party} ${id}` : `${party} ${id} ${station}`
}

/** Undefined for a device that is made without one. */
export function orderNamed(text: string): OrderName | undefined {
  const [party, id, ...station] = text.split(' ')
  if (party === undefined || id === undefined) return undefined
  return { party, id, station: station.length > 0 ? station.join(' ') : null }
}

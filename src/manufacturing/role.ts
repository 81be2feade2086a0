/** DI as this service plays the Manufacturer. */
import type { Kept } from '../../protocol/cbor/schema.ts'
import type {
  DiManufacturerContext,
  DiManufacturerEffect,
  FirstSale,
  MadeDevice,
} from '../../protocol/di/manufacturer.ts'
import { diManufacturer, diManufacturerStates } from '../../protocol/di/manufacturer.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import type { Detail } from '../audit/entry.ts'
import type { Executor } from '../database/connection.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import type { Source } from '../http/source.ts'
import type { Log } from '../log.ts'
import { type CallerServices, callerOf } from './caller.ts'
import type { FindFirstOwner } from './first-owner.ts'
import { type IntakeServices, admitDevice, checkSerial } from './intake.ts'
import type { KnownStations } from './stations/service.ts'
import { type Applicant, type Orders, type Terms, orderNamed } from './terms.ts'

export interface ManufacturerServices extends IntakeServices, CallerServices {
  readonly randomBytes: RandomBytes
  readonly log: Log
  /** Whose the devices are that come in by the door, without an order. */
  readonly party: string
  /** What those get. */
  readonly rendezvousInfo: { value(party: string): Promise<Kept<RendezvousInfo>> }
  /** Undefined where those stay the manufacturer's. */
  readonly firstOwner: FindFirstOwner | undefined
  /** Whom a rule names for devices of this model; null where they are to stay for the moment. */
  readonly ruledOwner: (
    party: string,
    manufacturerKey: PublicKey,
    model: string,
  ) => Promise<PublicKey | null | undefined>
  /** Whether no serial number may come twice, with an order or without. */
  readonly uniqueSerials: boolean
  readonly orders: Orders
  readonly vouchers: {
    voucherMade(
      tx: Executor,
      made: DiManufacturerEffect & { readonly party: string; readonly detail?: Detail },
    ): Promise<void>
  }
  /** Told after the commit, for events. */
  readonly deviceMade?: (made: DiManufacturerEffect & { readonly party: string }) => void
}

export function manufacturerRole(services: ManufacturerServices): MountedRole {
  const { deviceMade } = services
  return mount({
    name: 'DI',
    role: diManufacturer,
    states: diManufacturerStates,
    firstMessage: 10,
    initialState: { expects: 'DI.AppStart' },
    rows: ['DI.SetHMAC'],
    context: (source) => contextOf(services, source),
    write: (made: DiManufacturerEffect, tx) => writeDevice(services, made, tx),
    durable: ['device-made'],
    ...(deviceMade && {
      committed: (made: DiManufacturerEffect) =>
        deviceMade({ ...made, party: makerOf(services, made.order) }),
    }),
  })
}

async function contextOf(
  services: ManufacturerServices,
  source: Source,
): Promise<DiManufacturerContext> {
  const caller = await callerOf(services, source)
  return {
    randomBytes: services.randomBytes,
    async admit(info, csr) {
      const device = { info, csr, source }
      return admitDevice(services, await termsOf(services, caller, device), device)
    },
    findFirstOwner: (made) => findFirstSale(services, caller, made),
  }
}

async function termsOf(
  services: ManufacturerServices,
  caller: KnownStations | undefined,
  device: Applicant,
): Promise<Terms> {
  const { party, rendezvousInfo, uniqueSerials, orders } = services
  if (!caller) {
    const rvInfo = await rendezvousInfo.value(party)
    return { party, order: '', rvInfo, isSerialUnique: uniqueSerials }
  }
  const terms = await orders.termsFor(caller, device)
  return { ...terms, isSerialUnique: uniqueSerials || terms.isSerialUnique }
}

async function findFirstSale(
  services: ManufacturerServices,
  caller: KnownStations | undefined,
  made: MadeDevice,
): Promise<FirstSale | undefined> {
  const { keysOf } = services
  const { manufacturerKey, order } = made
  const nextOwner = await nextOwnerOf(services, caller, made)
  if (!nextOwner) return undefined
  const signer = await keysOf(makerOf(services, order)).findSigner(manufacturerKey)
  if (!signer) throw new Error('a manufacturer key that is gone')
  return { signer, nextOwner }
}

/** An order says to whom, or else a rule about the model, or else the configuration. */
async function nextOwnerOf(
  services: ManufacturerServices,
  caller: KnownStations | undefined,
  made: MadeDevice,
): Promise<PublicKey | undefined> {
  const { party, ruledOwner, log } = services
  const { manufacturerKey, deviceInfo, order } = made
  const firstOwner = await firstOwnerOf(services, caller, made)
  const ruled = order === '' ? await ruledOwner(party, manufacturerKey, deviceInfo) : undefined
  if (ruled !== undefined) return ruled ?? undefined
  if (!firstOwner) return undefined
  const { kind } = manufacturerKey.key
  const nextOwner = await firstOwner(kind)
  if (!nextOwner) {
    log.warn({ kind }, 'the first owner has no key of this kind: the device stays ours')
  }
  return nextOwner
}

async function firstOwnerOf(
  { firstOwner, orders }: ManufacturerServices,
  caller: KnownStations | undefined,
  made: MadeDevice,
): Promise<FindFirstOwner | undefined> {
  // Begun in one way, a run does not end in the other: what is ordered is ordered by somebody.
  if ((caller === undefined) !== (made.order === '')) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'DI.SetHMAC: from another caller than AppStart')
  }
  return caller ? orders.firstOwnerOf(caller, made) : firstOwner
}

async function writeDevice(
  services: ManufacturerServices,
  made: DiManufacturerEffect,
  tx: Executor,
): Promise<void> {
  const { vouchers, orders, uniqueSerials } = services
  const { order } = made
  const party = makerOf(services, order)
  const counted = order === '' ? undefined : await orders.count(tx, made)
  // Once more: another device may have come with the same serial number meanwhile.
  if (uniqueSerials || counted?.isSerialUnique) await checkSerial(services, { ...made, party }, tx)
  const detail = counted && { detail: counted.detail }
  await vouchers.voucherMade(tx, { ...made, party, ...detail })
  if (counted) await orders.made(tx, made)
}

function makerOf({ party }: ManufacturerServices, order: string): string {
  return orderNamed(order)?.party ?? party
}

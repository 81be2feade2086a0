/** DI as this service plays the Manufacturer. */
import type {
  DiManufacturerContext,
  DiManufacturerEffect,
  MadeDevice,
} from '../../protocol/di/manufacturer.ts'
import { diManufacturer, diManufacturerStates } from '../../protocol/di/manufacturer.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import { type MountedRole, mount } from '../fdo/mounted-role.ts'
import type { Log } from '../log.ts'
import { type Door, admitCaller } from './door.ts'
import type { FindFirstOwner } from './first-owner.ts'
import { type IntakeServices, admitDevice, checkSerial } from './intake.ts'

export interface ManufacturerServices extends IntakeServices {
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly door: Door
  /** Undefined where devices stay the manufacturer's. */
  readonly firstOwner: FindFirstOwner | undefined
  readonly vouchers: {
    voucherMade(
      tx: Executor,
      made: DiManufacturerEffect & { readonly party: string },
    ): Promise<void>
  }
  /** Told after the commit, for events. */
  readonly deviceMade?: (made: DiManufacturerEffect) => void
}

export function manufacturerRole(services: ManufacturerServices): MountedRole {
  const { party, clock, randomBytes, door, vouchers, deviceMade } = services
  const context: DiManufacturerContext = {
    randomBytes,
    admit: (info, csr) => admitDevice(services, info, csr),
    findFirstOwner: (made) => findFirstSale(services, made),
  }
  return mount({
    name: 'DI',
    role: diManufacturer,
    states: diManufacturerStates,
    firstMessage: 10,
    initialState: { expects: 'DI.AppStart' },
    rows: ['DI.SetHMAC'],
    async context(source) {
      await admitCaller(source, door, clock.now())
      return context
    },
    async write(made, tx) {
      // Once more: another device may have come with the same serial number meanwhile.
      await checkSerial(services, made.serial, made.deviceKey, tx)
      await vouchers.voucherMade(tx, { ...made, party })
    },
    durable: ['device-made'],
    ...(deviceMade && { committed: deviceMade }),
  })
}

async function findFirstSale(services: ManufacturerServices, { manufacturerKey }: MadeDevice) {
  const { firstOwner, keys, log } = services
  if (!firstOwner) return undefined
  const { kind } = manufacturerKey.key
  const nextOwner = await firstOwner(kind)
  if (!nextOwner) {
    log.warn({ kind }, 'the first owner has no key of this kind: the device stays ours')
    return undefined
  }
  const signer = await keys.findSigner(manufacturerKey)
  if (!signer) throw new Error('a manufacturer key that is gone')
  return { signer, nextOwner }
}

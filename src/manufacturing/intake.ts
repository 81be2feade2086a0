/** Which device gets in at DI, and what it leaves with: certificate, rendezvous, manufacturer key. */
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { Kept } from '../../protocol/cbor/schema.ts'
import type { Admission } from '../../protocol/di/manufacturer.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { DeviceMfgInfo } from '../../protocol/types/device-mfg-info.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import type { Csr } from '../../protocol/x509/csr.ts'
import type { Executor } from '../database/connection.ts'
import { deviceIdOf } from '../vouchers/device-id.ts'
import type { ManufacturerKeys } from './keys.ts'

export interface IntakeServices {
  /** The manufacturer. */
  readonly party: string
  readonly keys: ManufacturerKeys
  readonly pki: {
    issueDeviceCertificate(birth: {
      readonly serial: string
      readonly model: string
      readonly spki: Bytes
    }): Promise<readonly Bytes[]>
  }
  readonly rendezvousInfo: { value(party: string): Promise<Kept<RendezvousInfo>> }
  /** Where serial numbers must be unique: the device that has this one; else undefined. */
  readonly findSerial?:
    | ((
        named: { readonly party: string; readonly serial: string },
        executor?: Executor,
      ) => Promise<string | undefined>)
    | undefined
}

/** The header they go into has to fit the buffers of small devices. */
const MOST_NAME_BYTES = 512

export async function admitDevice(
  services: IntakeServices,
  info: DeviceMfgInfo,
  { key }: Csr,
): Promise<Admission> {
  const { party, keys, pki, rendezvousInfo } = services
  const { serial, deviceInfo: model, keyType, keyEncoding } = info
  checkLength(serial)
  checkLength(model)
  const manufacturerKey = await keys.publicKey(keyType, keyEncoding)
  const rvInfo = await rendezvousInfo.value(party)
  await checkSerial(services, serial, key.spki)
  const deviceCertChain = await pki.issueDeviceCertificate({ serial, model, spki: key.spki })
  return { rvInfo, deviceCertChain, manufacturerKey, order: '' }
}

/** The same device may come again: a lost DI.Done leaves it no other way. */
export async function checkSerial(
  { party, findSerial }: IntakeServices,
  serial: string,
  deviceKey: Bytes,
  tx?: Executor,
): Promise<void> {
  if (!findSerial) return
  if (serial === '') throw refused('serial numbers are unique here, and this one is empty')
  const holder = await findSerial({ party, serial }, tx)
  if (holder !== undefined && holder !== deviceIdOf(party, deviceKey)) {
    throw refused(`the serial number ${serial} is that of ${holder}`)
  }
}

function checkLength(text: string): void {
  if (utf8(text).length > MOST_NAME_BYTES) throw refused('a serial number or model too long')
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI: ${reason}`)
}

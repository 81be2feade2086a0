/** Which device gets in at DI, and what it leaves with: certificate and manufacturer key. */
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { Admission } from '../../protocol/di/manufacturer.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Executor } from '../database/connection.ts'
import { deviceIdOf } from '../vouchers/device-id.ts'
import type { ManufacturerKeys } from './keys.ts'
import type { Applicant, Terms } from './terms.ts'

export interface IntakeServices {
  /** A party's keys. */
  readonly keysOf: (party: string) => ManufacturerKeys
  readonly pki: {
    issueDeviceCertificate(birth: {
      readonly serial: string
      readonly model: string
      readonly spki: Bytes
    }): Promise<readonly Bytes[]>
  }
  /** The device that has a serial number. */
  findSerial(named: SerialNumber, executor?: Executor): Promise<string | undefined>
}

interface SerialNumber {
  readonly party: string
  readonly serial: string
}

/** The header they go into has to fit the buffers of small devices. */
export const MOST_NAME_BYTES = 512

export async function admitDevice(
  services: IntakeServices,
  terms: Terms,
  { info, csr: { key } }: Applicant,
): Promise<Admission> {
  const { keysOf, pki } = services
  const { party, rvInfo, ownChain, order } = terms
  const { serial, deviceInfo: model, keyType, keyEncoding } = info
  checkLength(serial)
  checkLength(model)
  const manufacturerKey = await keysOf(party).publicKey(keyType, keyEncoding)
  await terms.checkFirstOwner?.(manufacturerKey)
  if (terms.isSerialUnique) await checkSerial(services, { party, serial, deviceKey: key.spki })
  const birth = { serial, model, spki: key.spki }
  const deviceCertChain = ownChain ?? (await pki.issueDeviceCertificate(birth))
  return { rvInfo, deviceCertChain, manufacturerKey, order }
}

/** The same device may come again: a lost DI.Done leaves it no other way. */
export async function checkSerial(
  { findSerial }: Pick<IntakeServices, 'findSerial'>,
  { party, serial, deviceKey }: SerialNumber & { readonly deviceKey: Bytes },
  tx?: Executor,
): Promise<void> {
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

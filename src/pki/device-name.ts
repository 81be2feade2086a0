/** The subject of a birth certificate: what the factory said of the device, made fit for X.509. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { type Attribute, name } from './der.ts'

export interface BirthData {
  /** As DeviceMfgInfo has it; every stock C device says the same. */
  readonly serial?: string | undefined
  readonly model?: string | undefined
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Bytes
}

const MAX_CHARACTERS = 64
/** X.520 wants a PrintableString. */
const PRINTABLE = /^[A-Za-z0-9 '()+,./:=?-]{1,64}$/

/** Always with a serialNumber, as IEEE 802.1AR-2018, section 8.6, wants. */
export function birthName({ serial = '', model = '', spki }: BirthData): Bytes {
  const attributes: Attribute[] = [['serialNumber', printableSerial(serial) ?? digest(spki)]]
  const title = [...model.replaceAll(/\p{C}/gu, '')].slice(0, MAX_CHARACTERS).join('').trim()
  if (title) attributes.unshift(['commonName', title])
  return name(...attributes)
}

function printableSerial(serial: string): string | undefined {
  if (serial === '') return undefined
  return PRINTABLE.test(serial) ? serial : digest(serial)
}

/** Stands for what is not there, is too long, or cannot be written. */
function digest(data: Bytes | string): string {
  return hash('sha256', data, 'hex').slice(0, 32)
}

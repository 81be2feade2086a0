/** What stands in a token: its private keys, each with its public half. pkcs11t.h names the numbers. */
import { type Bytes, EMPTY, equalBytes, fromUtf8 } from '../../../protocol/bytes.ts'
import { importSpki } from '../../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { spkiOfCertificate } from '../../../protocol/x509/certificate.ts'
import { NULL, bitString, integer, oid, sequence } from '../../../protocol/x509/der.ts'
import type { Attribute, Cryptoki, Handle } from './cryptoki.ts'
import { codeOf } from './token-error.ts'

const CKO_CERTIFICATE = 1
const CKO_PUBLIC_KEY = 2
const CKO_PRIVATE_KEY = 3
const CKA_CLASS = 0x0000
const CKA_TOKEN = 0x0001
const CKA_LABEL = 0x0003
const CKA_VALUE = 0x0011
const CKA_ID = 0x0102
const CKA_MODULUS = 0x0120
const CKA_PUBLIC_EXPONENT = 0x0122
const CKA_EC_PARAMS = 0x0180
const CKA_EC_POINT = 0x0181

const EC_PUBLIC_KEY = '1.2.840.10045.2.1'
const RSA_ENCRYPTION = '1.2.840.113549.1.1.1'
/** Points of P-256 and P-384. */
const BARE_LENGTHS = [65, 97]
const OCTETS_HEADER = 2

/** More than this are not looked at: a token for one service has a handful. */
const MOST_OBJECTS = 1000

export interface TokenKey {
  readonly handle: Handle
  /** CKA_ID. */
  readonly id: Bytes
  readonly label: string
  /** Undefined where the token has no public half of it, or one of a kind FDO has no use for. */
  readonly spki: Bytes | undefined
}

interface Candidate {
  readonly id: Bytes
  readonly label: string
  readonly spki: Bytes | undefined
}

export function privateKeysOf(module: Cryptoki, session: Handle): readonly TokenKey[] {
  const find = (kind: number) => findObjects(module, session, kind)
  const read = (object: Handle, type: number) => attribute(module, session, object, type)
  const named = (object: Handle, spki: Bytes | undefined): Candidate => ({
    id: read(object, CKA_ID) ?? EMPTY,
    label: textOf(read(object, CKA_LABEL) ?? EMPTY),
    spki: spki && usable(spki),
  })
  const publicHalf = (object: Handle) => spkiOf((type) => read(object, type))
  const candidates = [
    ...find(CKO_PUBLIC_KEY).map((object) => named(object, publicHalf(object))),
    ...find(CKO_CERTIFICATE).map((object) => named(object, certified(read(object, CKA_VALUE)))),
  ]
  return find(CKO_PRIVATE_KEY).map((handle) => {
    // Those of RSA have their public half in them.
    const own = named(handle, publicHalf(handle))
    const spki = own.spki ?? candidates.find((one) => one.spki && belong(one, own))?.spki
    return { handle, id: own.id, label: own.label, spki }
  })
}

/** By the ID, which tools give both halves; where there is none, by the label. */
function belong(one: Candidate, other: Candidate): boolean {
  if (other.id.length > 0) return equalBytes(one.id, other.id)
  return other.label !== '' && one.label === other.label
}

function findObjects(module: Cryptoki, session: Handle, kind: number): readonly Handle[] {
  const wanted: Attribute[] = [
    { type: CKA_CLASS, value: kind },
    { type: CKA_TOKEN, value: true },
  ]
  module.C_FindObjectsInit(session, wanted)
  try {
    return module.C_FindObjects(session, MOST_OBJECTS)
  } finally {
    module.C_FindObjectsFinal(session)
  }
}

const NOT_THERE = ['CKR_ATTRIBUTE_TYPE_INVALID', 'CKR_ATTRIBUTE_SENSITIVE']

/** Undefined where the object has none of it, or does not show it. */
function attribute(
  module: Cryptoki,
  session: Handle,
  object: Handle,
  type: number,
): Bytes | undefined {
  try {
    const [found] = module.C_GetAttributeValue(session, object, [{ type }])
    return found && new Uint8Array(found.value)
  } catch (error) {
    if (NOT_THERE.includes(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** Whether RSA or elliptic shows in which attributes there are. */
export function spkiOf(read: (type: number) => Bytes | undefined): Bytes | undefined {
  const modulus = read(CKA_MODULUS)
  const exponent = modulus && read(CKA_PUBLIC_EXPONENT)
  if (modulus?.length && exponent?.length) {
    const key = sequence(integer(modulus), integer(exponent))
    return sequence(sequence(oid(RSA_ENCRYPTION), NULL), bitString(key))
  }
  const curve = read(CKA_EC_PARAMS)
  const point = curve && read(CKA_EC_POINT)
  if (!curve?.length || !point?.length) return undefined
  return sequence(sequence(oid(EC_PUBLIC_KEY), curve), bitString(pointOf(point)))
}

/** Bare, as some tokens have it, and not in an OCTET STRING: what is inside begins alike. */
function pointOf(attribute: Bytes): Bytes {
  return BARE_LENGTHS.includes(attribute.length) ? attribute : attribute.subarray(OCTETS_HEADER)
}

function certified(certificate: Bytes | undefined): Bytes | undefined {
  try {
    return certificate && spkiOfCertificate(certificate)
  } catch (error) {
    if (error instanceof FdoError) return undefined
    throw error
  }
}

/** In the one encoding that keys are compared by. */
function usable(spki: Bytes): Bytes | undefined {
  try {
    return importSpki(spki).spki
  } catch (error) {
    if (error instanceof FdoError) return undefined
    throw error
  }
}

function textOf(label: Bytes): string {
  try {
    return fromUtf8(label)
  } catch {
    return Buffer.from(label).toString('latin1')
  }
}

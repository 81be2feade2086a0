/** A certificate revocation list as DER. RFC 5280, section 5. */
import { type Bytes, fromHex } from '../../../protocol/bytes.ts'
import {
  contextTag,
  der,
  integer,
  octetString,
  oid,
  primitiveContextTag,
  sequence,
  time,
} from '../../../protocol/x509/der.ts'
import { OID } from '../profiles.ts'
import type { RevocationReason } from './revoke.ts'

export interface ListEntry {
  /** Hexadecimal. */
  readonly serial: string
  readonly at: Date
  readonly reason: RevocationReason | 'superseded'
}

export interface ListFields {
  readonly issuer: { readonly subject: Bytes; readonly keyId: Bytes }
  readonly number: number
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  /** Of each its revokedCertificate. */
  readonly entries: readonly Bytes[]
}

/** RFC 5280, section 5.3.1. */
const REASON_CODE: Record<ListEntry['reason'], number> = {
  'handed-over': 3, // affiliationChanged
  superseded: 4,
  retired: 5, // cessationOfOperation
  'made-anew': 5,
}

const ENUMERATED = 0x0a
const VERSION_2 = integer(1)
const ECDSA_SHA256 = sequence(oid(OID.ecdsaWithSha256))

/** A TBSCertList, to be signed with ECDSA and SHA-256. */
export function revocationListTbs(fields: ListFields): Bytes {
  const { issuer, number, thisUpdate, nextUpdate, entries } = fields
  // Joined as an array: so many arguments no function has. An empty list has to be left out.
  const revoked = entries.length === 0 ? [] : [sequence(Buffer.concat(entries))]
  return sequence(
    VERSION_2,
    ECDSA_SHA256,
    issuer.subject,
    time(thisUpdate),
    time(nextUpdate),
    ...revoked,
    der(contextTag(0), sequence(authorityKey(issuer.keyId), listNumber(number))),
  )
}

export function revokedCertificate({ serial, at, reason }: ListEntry): Bytes {
  return sequence(integer(fromHex(serial)), time(at), REASON_EXTENSIONS[reason])
}

const REASON_EXTENSIONS = Object.fromEntries(
  Object.entries(REASON_CODE).map(([reason, code]) => {
    const value = octetString(der(ENUMERATED, Uint8Array.of(code)))
    return [reason, sequence(sequence(oid(OID.reasonCode), value))]
  }),
) as Record<ListEntry['reason'], Bytes>

function authorityKey(keyId: Bytes): Bytes {
  const value = sequence(der(primitiveContextTag(0), keyId))
  return sequence(oid(OID.authorityKeyIdentifier), octetString(value))
}

function listNumber(number: number): Bytes {
  return sequence(oid(OID.crlNumber), octetString(integer(number)))
}

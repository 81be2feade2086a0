/** The claims FDO uses of an Entity Attestation Token. FDO 1.1, "Entity Attestation Token". */
import { type Bytes, concat } from '../bytes.ts'
import { type CborValue, encode } from '../cbor/cbor.ts'
import { bytes, decodeAs, mismatch, tuple } from '../cbor/schema.ts'
import { Headers } from '../cose/headers.ts'
import { FdoError } from '../errors.ts'
import type { Guid, Nonce } from './base.ts'

const NONCE = 10
const UEID = 256
/** Divergence: fdo-rs writes the label of an older draft. */
const UEID_OF_DRAFT = 11
const EAT_FDO = -257

/** The GUID goes as a UEID of type RAND: 0x01 ‖ GUID. */
const UEID_RAND = 1

/** In TO2, `[xBKeyExchange: bstr]`; in TO1 there is no such claim. */
const FdoClaim = tuple({ xBKeyExchange: bytes() })

export interface EatClaims {
  readonly nonce: Nonce
  readonly guid: Guid
  /** TO2.ProveDevice only. */
  readonly xBKeyExchange?: Bytes
  /** The UEID stood under the older draft's label: the Device is an fdo-rs. */
  readonly isOfDraft?: boolean
}

/** Reads the payload of an EAToken; other claims are passed over. */
export function parseEat(payload: Bytes): EatClaims {
  const claims = decodeAs(Headers, payload, 'EAToken')
  const nonce = claims.get(NONCE) ?? mismatch('EAToken', 'a nonce claim')
  const ueid = claims.get(UEID) ?? claims.get(UEID_OF_DRAFT) ?? mismatch('EAToken', 'a UEID claim')
  const fdo = claims.get(EAT_FDO)
  return {
    nonce: bytes(16).parse(nonce, 'EAToken nonce'),
    guid: guidOf(bytes().parse(ueid, 'EAToken UEID')),
    ...(!claims.has(UEID) && { isOfDraft: true }),
    ...(fdo && FdoClaim.parse(fdo, 'EAToken FDO claim')),
  }
}

function guidOf(ueid: Bytes): Guid {
  if (ueid.length !== 17 || ueid[0] !== UEID_RAND) {
    throw new FdoError('INVALID_MESSAGE_ERROR', 'EAToken: the UEID is not 0x01 and a GUID')
  }
  return ueid.subarray(1)
}

export function buildEat({ nonce, guid, xBKeyExchange }: EatClaims): Bytes {
  const claims = new Map<number, CborValue>([
    [NONCE, nonce],
    [UEID, concat(Uint8Array.of(UEID_RAND), guid)],
  ])
  if (xBKeyExchange) claims.set(EAT_FDO, [xBKeyExchange])
  return encode(claims)
}

/**
 * The DID document by which a party is found: its key, where vouchers are pushed to it, and where
 * they are pulled from it. After the documents of go-fdo's branch for voucher transfer.
 */
import { type Jwk, jwkOf, keyOfJwk } from '../crypto/jwk.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import { FdoError } from '../errors.ts'

export interface PartyDocument {
  readonly did: string
  /** Signs challenges. */
  readonly key: VerifyKey
  /** Vouchers are sold to them, too. Readers of the draft take the first key only. */
  readonly furtherKeys?: readonly VerifyKey[]
  /** Nothing new is signed by them, or sold to them; vouchers may still be with them. */
  readonly formerKeys?: readonly VerifyKey[]
  /** Where vouchers are sent to. */
  readonly recipientUrl?: string
  /** The root below which vouchers are fetched. */
  readonly holderUrl?: string
}

export const DID_DOCUMENT_TYPE = 'application/did+ld+json'
const CONTEXT = [
  'https://www.w3.org/ns/did/v1',
  'https://w3id.org/security/suites/jws-2020/v1',
  'https://fidoalliance.org/ns/fdo/v1',
]
const METHOD_TYPE = 'JsonWebKey2020'
const RECIPIENT = 'FDOVoucherRecipient'
const HOLDER = 'FDOVoucherHolder'

export function buildDidDocument(document: PartyDocument): string {
  const { did, key, furtherKeys = [], formerKeys = [], recipientUrl, holderUrl } = document
  const inUse = [key, ...furtherKeys].map((one, i) => methodOf(did, one, i + 1))
  const former = formerKeys.map((one, i) => methodOf(did, one, inUse.length + i + 1))
  const service = [
    ...(recipientUrl === undefined
      ? []
      : [{ id: `${did}#voucher-recipient`, type: RECIPIENT, serviceEndpoint: recipientUrl }]),
    ...(holderUrl === undefined
      ? []
      : [{ id: `${did}#voucher-holder`, type: HOLDER, serviceEndpoint: holderUrl }]),
  ]
  return JSON.stringify({
    '@context': CONTEXT,
    id: did,
    verificationMethod: [...inUse, ...former],
    authentication: inUse.slice(0, 1).map(({ id }) => id),
    assertionMethod: inUse.map(({ id }) => id),
    service,
  })
}

function methodOf(did: string, key: VerifyKey, number: number) {
  const id = `${did}#key-${number}`
  const publicKeyJwk: Jwk = { ...jwkOf(key), kid: id, use: 'sig' }
  return { id, type: METHOD_TYPE, controller: did, publicKeyJwk }
}

/** The document of `did`; throws MESSAGE_BODY_ERROR for another's, or one without a key. */
export function readDidDocument(json: string, did: string): PartyDocument {
  const document = recordOf(parse(json), 'the document')
  if (document['id'] !== did) throw malformed('id: it is that of another')
  const [method] = listOf(document['verificationMethod'], 'verificationMethod')
  const jwk = recordOf(recordOf(method, 'verificationMethod')['publicKeyJwk'], 'publicKeyJwk')
  const services = listOf(document['service'] ?? [], 'service').map((one) =>
    recordOf(one, 'service'),
  )
  const recipientUrl = endpointOf(services, RECIPIENT)
  const holderUrl = endpointOf(services, HOLDER)
  return {
    did,
    key: keyOfJwk(jwk),
    ...(recipientUrl !== undefined && { recipientUrl }),
    ...(holderUrl !== undefined && { holderUrl }),
  }
}

type Members = Readonly<Record<string, unknown>>

/** The first of its type counts. */
function endpointOf(services: readonly Members[], type: string): string | undefined {
  const found = services.find((service) => service['type'] === type)
  if (!found) return undefined
  const endpoint = found['serviceEndpoint']
  if (typeof endpoint !== 'string' || !/^https?:\/\/\S{1,2000}$/.test(endpoint)) {
    throw malformed(`serviceEndpoint of ${type}: not an address`)
  }
  return endpoint
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'DID document: not JSON', { cause })
  }
}

function recordOf(value: unknown, name: string): Members {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Members
  throw malformed(`${name}: not an object`)
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value
  throw malformed(`${name}: not an array`)
}

function malformed(what: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `DID document: ${what}`)
}

/** Making a certification request (PKCS#10). RFC 2986, section 4. */
import type { Bytes } from '../bytes.ts'
import { type SignatureAlgorithm, ES256, ES384, RS256, RS384 } from '../cose/algorithms.ts'
import type { Signer } from '../crypto/signer.ts'
import {
  NULL,
  bitString,
  contextTag,
  der,
  integer,
  oid,
  sequence,
  setOf,
  utf8String,
} from './der.ts'

const COMMON_NAME = '2.5.4.3'

/** The AlgorithmIdentifier of each algorithm that requests are signed with. */
const IDENTIFIERS = new Map<SignatureAlgorithm, Bytes>([
  [ES256, sequence(oid('1.2.840.10045.4.3.2'))],
  [ES384, sequence(oid('1.2.840.10045.4.3.3'))],
  [RS256, sequence(oid('1.2.840.113549.1.1.11'), NULL)],
  [RS384, sequence(oid('1.2.840.113549.1.1.12'), NULL)],
])

/** A request for the signer's key, DER. Who grants it decides the name; `commonName` is a hint. */
export async function buildCsr(signer: Signer, commonName: string): Promise<Bytes> {
  const identifier = IDENTIFIERS.get(signer.algorithm)
  if (!identifier) throw new Error(`requests are not signed with ${signer.algorithm.name}`)
  const name = sequence(setOf(sequence(oid(COMMON_NAME), utf8String(commonName))))
  const info = sequence(integer(0), name, signer.key.spki, der(contextTag(0)))
  const signature = await signer.sign(info)
  const encoded = signer.algorithm.signatureBytes ? derSignature(signature) : signature
  return sequence(info, identifier, bitString(encoded))
}

/** r ‖ s as X.509 writes it: `SEQUENCE { r INTEGER, s INTEGER }`. RFC 3279, section 2.2.3. */
export function derSignature(signature: Bytes): Bytes {
  const half = signature.length / 2
  return sequence(integer(signature.subarray(0, half)), integer(signature.subarray(half)))
}

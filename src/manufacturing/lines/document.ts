/**
 * What a line and the service that places its orders tell each other by file: a share of an order,
 * signed by who placed it, and how many were made of it, signed by the line.
 *
 *     COSE_Sign1 (RFC 9052), ES256, in PEM; its payload is a tuple of CBOR, below
 *
 * The signer's key is in the payload. A signature proves that nothing was changed since; whether the
 * key is one to listen to is what the reader has to know otherwise, by its fingerprint.
 */
import { hash } from 'node:crypto'
import { type Bytes, fromHex, toHex } from '../../../protocol/bytes.ts'
import {
  type Infer,
  type Schema,
  bool,
  bytes,
  decodeAs,
  encodeAs,
  listOf,
  nullable,
  oneOf,
  text,
  tuple,
  uint,
} from '../../../protocol/cbor/schema.ts'
import { Sign1, signSign1, verifySign1 } from '../../../protocol/cose/sign1.ts'
import type { Signer } from '../../../protocol/crypto/signer.ts'
import { importSpki } from '../../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { fromPem, toPem } from '../../../protocol/x509/pem.ts'
import { Problem } from '../../http/problem.ts'

const Share = tuple({
  format: oneOf('firstlight-order-1'),
  signer: bytes(),
  share: text,
  order: text,
  /** Who placed it, as its own service calls it. */
  party: text,
  /** Where that service is. */
  url: text,
  /** SHA-256 of the SubjectPublicKeyInfo of a manufacturer key of the line. */
  line: bytes(32),
  quantity: uint(),
  issuedAt: text,
  expiresAt: text,
  name: text,
  model: nullable(text),
  /** JSON, as in the API. */
  rendezvousInfo: text,
  /** `none`, or public keys in PEM: what a word stood for, the line could not know. */
  firstOwner: listOf(tuple({ model: nullable(text), to: text }), 1, 100),
  uniqueSerials: bool,
  label: text,
  deviceCas: text,
  /** What the stations of the line are called where it may be made; none for all. */
  stations: listOf(text, 0, 100),
})

const Closing = tuple({
  format: oneOf('firstlight-order-closed-1'),
  signer: bytes(),
  share: text,
  /** In all, handed over or not. */
  made: uint(),
  closedAt: text,
})

export type ShareDocument = Omit<Infer<typeof Share>, 'format' | 'signer'>
export type ClosingStatement = Omit<Infer<typeof Closing>, 'format' | 'signer'>

/** What was signed, and by whom: the fingerprint of the key. */
export type Signed<T> = T & { readonly signer: string }

const ORDER_LABEL = 'FIRSTLIGHT ORDER'
const CLOSING_LABEL = 'FIRSTLIGHT ORDER CLOSED'

export function signShare(signer: Signer, document: ShareDocument): Promise<string> {
  const { spki } = signer.key
  const payload = encodeAs(Share, { format: 'firstlight-order-1', signer: spki, ...document })
  return signed(signer, payload, ORDER_LABEL)
}

/** Throws invalid-request for what is none, and check-failed for one that was altered. */
export function readShare(pem: string): Promise<Signed<ShareDocument>> {
  return read(pem, ORDER_LABEL, Share)
}

export function signClosing(signer: Signer, statement: ClosingStatement): Promise<string> {
  const format = 'firstlight-order-closed-1' as const
  const payload = encodeAs(Closing, { format, signer: signer.key.spki, ...statement })
  return signed(signer, payload, CLOSING_LABEL)
}

/** As readShare. */
export function readClosing(pem: string): Promise<Signed<ClosingStatement>> {
  return read(pem, CLOSING_LABEL, Closing)
}

export function lineBytes(fingerprint: string): Bytes {
  return fromHex(fingerprint)
}

export function lineText({ line }: Pick<ShareDocument, 'line'>): string {
  return toHex(line)
}

async function signed(signer: Signer, payload: Bytes, label: string): Promise<string> {
  return toPem(label, await signSign1(signer, payload))
}

async function read<T extends { readonly signer: Bytes }>(
  pem: string,
  label: string,
  schema: Schema<T>,
): Promise<Signed<Omit<T, 'format' | 'signer'>>> {
  const [block, another] = pem.includes(`-----BEGIN ${label}-----`) ? (fromPem(pem) ?? []) : []
  if (!block || another) throw new Problem('invalid-request', `no ${label} in PEM`)
  const { format: _, signer, ...content } = { format: '', ...(await opened(block, label, schema)) }
  return { ...content, signer: hash('sha256', signer, 'hex') }
}

async function opened<T extends { readonly signer: Bytes }>(
  block: Bytes,
  label: string,
  schema: Schema<T>,
): Promise<T> {
  try {
    const { value } = decodeAs(Sign1, block, label)
    const content = decodeAs(schema, value.payload, label)
    if (await verifySign1(value, importSpki(content.signer))) return content
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw altered(label, cause)
  }
  throw altered(label)
}

function altered(label: string, cause?: FdoError): Problem {
  const detail = `this ${label} is not as it was signed: have it sent once more`
  return new Problem('check-failed', detail, { cause, members: { check: 'signature' } })
}

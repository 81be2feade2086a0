/**
 * Session tokens, the value of `Authorization`. Until the peer has proven itself its state travels
 * sealed in the token, and nothing is kept here; from then on the token names a row and the answer
 * it came with. Short enough for a device that has 1,024 bytes for all its headers.
 */
import { hash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { type Bytes, concat, toHex } from '../../protocol/bytes.ts'
import { bytes, decodeAs, encodeAs, tuple, uint16, uint32 } from '../../protocol/cbor/schema.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { SealingKeys } from './sealing-keys.ts'
import { SECRET_PREFIXES } from '../prefixes.ts'

/** One run of one protocol, from its first message on. */
export interface Run {
  /** 16 bytes, 14 of them random at least; whoever knows them speaks for the run. */
  readonly id: Bytes
  /** The number of the message that began it. */
  readonly role: number
  /** Seconds. */
  readonly startedAt: number
}

export const RUN_ID_BYTES = 16
/** A sealed token lives this long after the answer that carried it, */
const TOKEN_SECONDS = 2 * 60
/** and none lives longer than this after the run's first message. */
export const SEALED_RUN_SECONDS = 10 * 60
const MOST_AUTHORIZATION_CHARACTERS = 512

/** A row token: the run id, a version, and a check. */
const NAMED_BYTES = RUN_ID_BYTES + 4
const ROW_TOKEN_BYTES = NAMED_BYTES + 4

const { sealedSession: SEALED, sessionRow: ROW } = SECRET_PREFIXES

/** By position: names would not fit. */
const Content = tuple({
  role: uint16,
  startedAt: uint32,
  expiresAt: uint32,
  state: bytes(),
})

/** Divergence: a C device sends the first token of a run to its end, whatever else it is given. */
export interface SealedToken {
  readonly kind: 'sealed'
  /** In the clear: it finds the row of the run long after the sealed part has expired. */
  readonly runId: Bytes
  readonly sealed: Bytes
}

export interface RowToken {
  readonly kind: 'row'
  readonly runId: Bytes
  /** How many messages the run had answered when it was given this token. */
  readonly version: number
}

export interface IssuedToken {
  /** The value of `Authorization`. */
  readonly authorization: string
  /** Seconds: from then on it is worth nothing. */
  readonly expiresAt: number
}

export async function sealToken(
  keys: SealingKeys,
  { id, role, startedAt }: Run,
  state: Bytes,
  now: Date,
): Promise<IssuedToken> {
  const expiresAt = Math.min(secondsOf(now) + TOKEN_SECONDS, startedAt + SEALED_RUN_SECONDS)
  const content = encodeAs(Content, { role, startedAt, expiresAt, state })
  const sealed = await keys.seal(contextOf(id), content)
  const authorization = `Bearer ${SEALED}${toText(concat(id, sealed))}`
  if (authorization.length > MOST_AUTHORIZATION_CHARACTERS) {
    throw new Error(`a state of ${state.length} bytes is too long for a token`)
  }
  return { authorization, expiresAt }
}

/** The check finds a token that was changed; who may speak for the run, its random id decides. */
export function rowToken(runId: Bytes, version: number): string {
  const token = Buffer.allocUnsafe(ROW_TOKEN_BYTES)
  token.set(runId)
  token.writeUInt32BE(version, RUN_ID_BYTES)
  token.writeUInt32BE(crc32(token.subarray(0, NAMED_BYTES)), NAMED_BYTES)
  return `Bearer ${ROW}${toText(token)}`
}

/** Reads a token, with or without `Bearer `; throws INVALID_JWT_TOKEN for any that is not good. */
export function parseToken(authorization: string | undefined): SealedToken | RowToken {
  const token = (authorization ?? '').replace(/^Bearer +/i, '')
  if (token.startsWith(ROW)) return readRowToken(token.slice(ROW.length))
  const content = token.startsWith(SEALED) ? fromText(token.slice(SEALED.length)) : undefined
  if (!content || content.length <= RUN_ID_BYTES) throw refused('no token, or not one of ours')
  const runId = content.subarray(0, RUN_ID_BYTES)
  return { kind: 'sealed', runId, sealed: content.subarray(RUN_ID_BYTES) }
}

/** The run and its state out of the sealed part; throws INVALID_JWT_TOKEN once it has expired. */
export async function openSealed(
  keys: SealingKeys,
  { runId: id, sealed }: SealedToken,
  now: Date,
): Promise<{ run: Run; state: Bytes }> {
  const content = await keys.open(contextOf(id), sealed)
  if (!content) throw refused('no key of ours opens the token')
  const { role, startedAt, expiresAt, state } = decodeAs(Content, content, 'token')
  if (secondsOf(now) >= expiresAt) throw refused('the token has expired')
  return { run: { id, role, startedAt }, state }
}

/** The sealed part is good for its own run only. */
function contextOf(runId: Bytes): string {
  return `fdo-token:${toHex(runId)}`
}

function readRowToken(text: string): RowToken {
  const token = fromText(text)
  if (token?.length !== ROW_TOKEN_BYTES) throw refused('a row token of another length')
  if (crc32(token.subarray(0, NAMED_BYTES)) !== token.readUInt32BE(NAMED_BYTES)) {
    throw refused('a row token that was changed')
  }
  const version = token.readUInt32BE(RUN_ID_BYTES)
  return { kind: 'row', runId: token.subarray(0, RUN_ID_BYTES), version }
}

/** How a run is named in the database and in logs, where its id would be a credential. */
export function runName(runId: Bytes): string {
  return hash('sha256', runId, 'hex')
}

export function secondsOf(time: Date): number {
  return Math.floor(time.getTime() / 1000)
}

function toText(bytes: Bytes): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
}

/** Only what toText writes: one token has one spelling, spare bits of its end included. */
function fromText(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url')
  return toText(bytes) === text ? bytes : undefined
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_JWT_TOKEN', reason)
}

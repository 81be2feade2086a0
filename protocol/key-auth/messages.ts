/**
 * FDOKeyAuth, version 1: one party proves to another that it holds a key. Four messages over HTTP,
 * after the go-fdo implementation of the Voucher Transfer Protocol. FDO 1.1 has none of this.
 */
import {
  type Infer,
  anyItem,
  bytes,
  kept,
  listOf,
  mapOf,
  nullable,
  oneOf,
  text,
  tuple,
  uint,
  wrapped,
} from '../cbor/schema.ts'
import { Sign1 } from '../cose/sign1.ts'
import { Hash } from '../crypto/hash.ts'
import { PublicKey } from '../crypto/public-key.ts'
import { FdoError } from '../errors.ts'
import { Nonce } from '../types/base.ts'

export const KEY_AUTH_VERSION = 1
export const SESSION_ID_BYTES = 16

/** What does not hold, for the answer's status and for the log. */
export type KeyAuthCheck =
  | 'version'
  | 'key'
  | 'delegate'
  | 'nonce'
  | 'hello-hash'
  | 'challenge-hash'
  | 'signature'
  | 'signed-payload'
  | 'fingerprint'
  | 'token'

export class KeyAuthError extends FdoError {
  readonly check: KeyAuthCheck

  constructor(check: KeyAuthCheck, detail: string, options?: ErrorOptions) {
    super('INVALID_MESSAGE_ERROR', `FDOKeyAuth: ${check}: ${detail}`, options)
    this.check = check
  }
}

/** Caller → holder: `[CallerKey, DelegateChain: [+ bstr] / null, NonceCaller, version: uint]`. */
export const Hello = tuple({
  callerKey: kept(PublicKey),
  delegateChain: nullable(listOf(bytes(), 1, 16)),
  nonceCaller: Nonce,
  version: uint(),
})

/** `{* tstr => any}`: hints before anything is proven. */
const ServerInfo = mapOf(anyItem)
export type ServerInfo = Infer<typeof ServerInfo>

/** A COSE_Sign1, tagged, in a byte string of its own. */
const Signature = wrapped(Sign1)

/**
 * Holder → caller: `[SessionId: bstr, NonceServer, NonceCaller, Hash(Hello), ServerSignature:
 * bstr .cbor COSE_Sign1, ServerInfo / null]`.
 */
export const Challenge = tuple({
  sessionId: bytes(),
  nonceServer: Nonce,
  nonceCaller: Nonce,
  helloHash: Hash,
  signature: Signature,
  serverInfo: nullable(ServerInfo),
})

/** Caller → holder: `[SessionId, NonceServer, Hash(Challenge), CallerSignature]`. */
export const Prove = tuple({
  sessionId: bytes(),
  nonceServer: Nonce,
  challengeHash: Hash,
  signature: Signature,
})

/**
 * Holder → caller: `["authenticated", token: tstr, expiry: uint, KeyFingerprint: bstr,
 * VoucherCount: uint]`; the expiry in Unix seconds, a count of 0 where it is not known.
 */
export const Result = tuple({
  status: oneOf('authenticated'),
  token: text,
  expiresAt: uint(),
  fingerprint: bytes(32),
  voucherCount: uint(),
})
export type Result = Infer<typeof Result>

const CHALLENGE_TYPE = 'FDOKeyAuth.Challenge'
const PROVE_TYPE = 'FDOKeyAuth.Prove'

/** What ServerSignature covers: `["FDOKeyAuth.Challenge", NonceCaller, NonceServer, Hash(Hello), CallerKey]`. */
export const ChallengePayload = tuple({
  type: oneOf(CHALLENGE_TYPE),
  nonceCaller: Nonce,
  nonceServer: Nonce,
  hash: Hash,
  callerKey: kept(PublicKey),
})

/** What CallerSignature covers: `["FDOKeyAuth.Prove", NonceServer, NonceCaller, Hash(Challenge), CallerKey]`. */
export const ProvePayload = tuple({
  type: oneOf(PROVE_TYPE),
  nonceServer: Nonce,
  nonceCaller: Nonce,
  hash: Hash,
  callerKey: kept(PublicKey),
})

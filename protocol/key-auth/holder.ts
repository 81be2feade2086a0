/** FDOKeyAuth, the side that is asked: it lets in whoever proves to hold a key. */
import { type Bytes, equalBytes } from '../bytes.ts'
import { type Kept, type Schema, bytes, decodeAs, encodeAs, kept, tuple } from '../cbor/schema.ts'
import { KEY_AUTH_CHALLENGE, KEY_AUTH_PROVE } from '../cose/tagged-aad.ts'
import { Hash, SHA256, hashOf, sameHash } from '../crypto/hash.ts'
import { PublicKey } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import { type VerifyKey, importSpki } from '../crypto/verify-key.ts'
import { Nonce, type RandomBytes } from '../types/base.ts'
import { delegateKeyOf } from './delegate.ts'
import {
  Challenge,
  ChallengePayload,
  Hello,
  KEY_AUTH_VERSION,
  KeyAuthError,
  Prove,
  ProvePayload,
  Result,
  SESSION_ID_BYTES,
  type ServerInfo,
} from './messages.ts'
import { isSamePublicKey, openPayload, sentFingerprint, signPayload } from './signed.ts'

/** What is kept between Challenge and Prove; it is good for one Prove, whatever becomes of that. */
export interface PendingProof {
  readonly nonceServer: Nonce
  readonly nonceCaller: Nonce
  /** Of the Challenge, as sent. */
  readonly challengeHash: Hash
  readonly callerKey: Kept<PublicKey>
  /** SubjectPublicKeyInfo of who is to sign: the caller itself, or its delegate. */
  readonly proverSpki: Bytes
}

export const PendingProof: Schema<PendingProof> = tuple({
  nonceServer: Nonce,
  nonceCaller: Nonce,
  challengeHash: Hash,
  callerKey: kept(PublicKey),
  proverSpki: bytes(),
})

export interface HolderContext {
  /** Of the key that callers know this side by. */
  readonly signer: Signer
  readonly randomBytes: RandomBytes
  readonly now: Date
  /** Told to anybody who says hello: null tells nothing. */
  readonly serverInfo: ServerInfo | null
}

export interface Challenged {
  /** The answer's body. */
  readonly challenge: Bytes
  /** Under which `pending` is kept. */
  readonly sessionId: Bytes
  readonly pending: PendingProof
}

/** Takes a Hello. Throws a KeyAuthError, or MESSAGE_BODY_ERROR for what is none. */
export async function challengeCaller(body: Bytes, context: HolderContext): Promise<Challenged> {
  const { callerKey, delegateChain, nonceCaller, version } = decodeAs(Hello, body, 'Hello')
  if (version !== KEY_AUTH_VERSION) throw new KeyAuthError('version', String(version))
  const { signer, randomBytes, now, serverInfo } = context
  const { key } = callerKey.value
  const prover = delegateChain ? await delegateKeyOf(delegateChain, key, now) : key
  const [sessionId, nonceServer] = [randomBytes(SESSION_ID_BYTES), randomBytes(16)]
  const helloHash = hashOf(SHA256, body)
  const signature = await signPayload(
    signer,
    ChallengePayload,
    { type: 'FDOKeyAuth.Challenge', nonceCaller, nonceServer, hash: helloHash, callerKey },
    KEY_AUTH_CHALLENGE,
  )
  const challenge = encodeAs(Challenge, {
    ...{ sessionId, nonceServer, nonceCaller, helloHash, signature, serverInfo },
  })
  const challengeHash = hashOf(SHA256, challenge)
  const pending = {
    ...{ nonceServer, nonceCaller, challengeHash, callerKey, proverSpki: prover.spki },
  }
  return { challenge, sessionId, pending }
}

/** The session a Prove belongs to: to be ended before it is looked at any further. */
export function sessionOfProve(body: Bytes): Bytes {
  return decodeAs(Prove, body, 'Prove').sessionId
}

export interface ProvenCaller {
  readonly callerKey: Kept<PublicKey>
  /** The delegate's, where one signed. */
  readonly proverKey: VerifyKey
}

/** Takes a Prove. What was signed inside is compared as well, which the messages alone do not ask. */
export async function checkProve(body: Bytes, pending: PendingProof): Promise<ProvenCaller> {
  const { nonceServer, challengeHash, signature } = decodeAs(Prove, body, 'Prove')
  if (!sameHash(challengeHash, pending.challengeHash)) {
    throw new KeyAuthError('challenge-hash', 'of another Challenge')
  }
  if (!equalBytes(nonceServer, pending.nonceServer)) {
    throw new KeyAuthError('nonce', 'NonceServer is not ours')
  }
  const proverKey = importSpki(pending.proverSpki)
  const signed = await openPayload(signature, [proverKey], ProvePayload, KEY_AUTH_PROVE)
  const flaw = findSignedFlaw(signed, pending)
  if (flaw) throw new KeyAuthError('signed-payload', flaw)
  return { callerKey: pending.callerKey, proverKey }
}

function findSignedFlaw(
  signed: ReturnType<typeof ProvePayload.parse>,
  pending: PendingProof,
): string | undefined {
  if (!equalBytes(signed.nonceServer, pending.nonceServer)) return 'another NonceServer'
  if (!equalBytes(signed.nonceCaller, pending.nonceCaller)) return 'another NonceCaller'
  if (!sameHash(signed.hash, pending.challengeHash)) return 'another Challenge'
  return isSamePublicKey(signed.callerKey.value, pending.callerKey.value)
    ? undefined
    : 'another CallerKey'
}

export interface Grant {
  readonly token: string
  readonly expiresAt: Date
  /** 0 where it is not known. */
  readonly voucherCount: number
}

export function buildResult({ callerKey }: ProvenCaller, grant: Grant): Bytes {
  return encodeAs(Result, {
    status: 'authenticated',
    token: grant.token,
    expiresAt: Math.floor(grant.expiresAt.getTime() / 1000),
    fingerprint: sentFingerprint(callerKey),
    voucherCount: grant.voucherCount,
  })
}

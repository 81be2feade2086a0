/** FDOKeyAuth, the side that asks: it proves its key to a holder whose own key it knows. */
import { type Bytes, equalBytes } from '../bytes.ts'
import { type Kept, decodeAs, encodeAs, keep } from '../cbor/schema.ts'
import { KEY_AUTH_CHALLENGE, KEY_AUTH_PROVE } from '../cose/tagged-aad.ts'
import { type Hash, SHA256, hashOf, sameHash } from '../crypto/hash.ts'
import { COSEKEY, DEFAULT_TYPE, PublicKey, X509 } from '../crypto/public-key.ts'
import type { Signer } from '../crypto/signer.ts'
import type { VerifyKey } from '../crypto/verify-key.ts'
import type { Nonce, RandomBytes } from '../types/base.ts'
import {
  Challenge,
  ChallengePayload,
  Hello,
  KEY_AUTH_VERSION,
  KeyAuthError,
  Prove,
  ProvePayload,
  Result,
} from './messages.ts'
import {
  isSamePublicKey,
  keyFingerprint,
  openPayload,
  sentFingerprint,
  signPayload,
} from './signed.ts'

export interface CallerContext {
  /** Of the key that is to be proven. */
  readonly signer: Signer
  /** The holder's, known beforehand: an answer by any other key is refused. */
  readonly holderKeys: readonly VerifyKey[]
}

/** What the caller remembers between its own messages. */
export interface SaidHello {
  /** The request's body. */
  readonly hello: Bytes
  readonly callerKey: Kept<PublicKey>
  readonly nonceCaller: Nonce
}

/** Elliptic curves are written as COSE_Key, the form all holders read; RSA has none. */
export function sayHello({ key }: Signer, randomBytes: RandomBytes): SaidHello {
  const isRsa = key.kind === 'rsa2048' || key.kind === 'rsa3072'
  const type = DEFAULT_TYPE[key.kind]
  const callerKey = keep(PublicKey, { type, encoding: isRsa ? X509 : COSEKEY, key })
  const nonceCaller = randomBytes(16)
  const hello = encodeAs(Hello, {
    ...{ callerKey, delegateChain: null, nonceCaller, version: KEY_AUTH_VERSION },
  })
  return { hello, callerKey, nonceCaller }
}

/** Takes the Challenge, and gives the Prove. Nothing is signed for a holder who is not the one. */
export async function proveCaller(
  said: SaidHello,
  body: Bytes,
  { signer, holderKeys }: CallerContext,
): Promise<Bytes> {
  const challenge = decodeAs(Challenge, body, 'Challenge')
  const { sessionId, nonceServer, signature } = challenge
  const { nonceCaller, callerKey } = said
  const helloHash = hashOf(SHA256, said.hello)
  if (!equalBytes(challenge.nonceCaller, nonceCaller)) {
    throw new KeyAuthError('nonce', 'NonceCaller is not ours')
  }
  if (!sameHash(challenge.helloHash, helloHash)) {
    throw new KeyAuthError('hello-hash', 'of another Hello')
  }
  const signed = await openPayload(signature, holderKeys, ChallengePayload, KEY_AUTH_CHALLENGE)
  const flaw = findSignedFlaw(signed, { ...said, nonceServer, helloHash })
  if (flaw) throw new KeyAuthError('signed-payload', flaw)

  const hash = hashOf(SHA256, body)
  const payload = { type: 'FDOKeyAuth.Prove', nonceServer, nonceCaller, hash, callerKey } as const
  return encodeAs(Prove, {
    sessionId,
    nonceServer,
    challengeHash: hash,
    signature: await signPayload(signer, ProvePayload, payload, KEY_AUTH_PROVE),
  })
}

function findSignedFlaw(
  signed: ReturnType<typeof ChallengePayload.parse>,
  expected: SaidHello & { readonly nonceServer: Nonce; readonly helloHash: Hash },
): string | undefined {
  if (!equalBytes(signed.nonceCaller, expected.nonceCaller)) return 'another NonceCaller'
  if (!equalBytes(signed.nonceServer, expected.nonceServer)) return 'another NonceServer'
  if (!sameHash(signed.hash, expected.helloHash)) return 'another Hello'
  return isSamePublicKey(signed.callerKey.value, expected.callerKey.value)
    ? undefined
    : 'another CallerKey'
}

/** What may stand in an Authorization header: RFC 6750, section 2.1. */
const BEARER = /^[\w.~+/-]{1,4096}=*$/

/** Takes the Result. Holders name the key in the bytes it was sent in, or in the one form of its own. */
export function readResult({ callerKey }: SaidHello, body: Bytes): Result {
  const result = decodeAs(Result, body, 'Result')
  const { token, fingerprint } = result
  const names = [sentFingerprint(callerKey), keyFingerprint(callerKey.value)]
  if (!names.some((name) => equalBytes(name, fingerprint))) {
    throw new KeyAuthError('fingerprint', 'of another key')
  }
  if (!BEARER.test(token)) throw new KeyAuthError('token', 'cannot be sent in a header')
  return result
}

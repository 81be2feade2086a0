import { describe, expect, it } from 'vitest'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import { KEY_AUTH_CHALLENGE, KEY_AUTH_PROVE } from '../../../../protocol/cose/tagged-aad.ts'
import { SHA256, hashOf } from '../../../../protocol/crypto/hash.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { proveCaller, readResult, sayHello } from '../../../../protocol/key-auth/caller.ts'
import {
  Challenge,
  ChallengePayload,
  KeyAuthError,
  Result,
} from '../../../../protocol/key-auth/messages.ts'
import { keyFingerprint, signPayload } from '../../../../protocol/key-auth/signed.ts'
import { ecKey } from '../../../support/certificates.ts'
import { challenged, holder, owner, randomBytes } from '../../../support/key-auth.ts'

const nonce = new Uint8Array(16).fill(7)
const hash = hashOf(SHA256, nonce)
const context = { signer: owner, holderKeys: [holder.key] }

async function checkOf(work: () => unknown): Promise<string | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    return error instanceof KeyAuthError ? error.check : `${error}`
  }
}

/** A Challenge with parts of what is said, or of what is signed, exchanged. */
async function challengeWith(
  { challenge }: { readonly challenge: Uint8Array },
  changes: {
    readonly outer?: Partial<ReturnType<typeof Challenge.parse>>
    readonly inner?: Partial<ReturnType<typeof ChallengePayload.parse>>
    readonly signer?: Signer
    readonly aad?: Uint8Array
  },
) {
  const parts = decodeAs(Challenge, challenge, 'Challenge')
  const payload = decodeAs(ChallengePayload, parts.signature.value.value.payload, 'payload')
  const { signer = holder, aad = KEY_AUTH_CHALLENGE } = changes
  const signed = { ...payload, ...changes.inner }
  const signature = await signPayload(signer, ChallengePayload, signed, aad)
  return encodeAs(Challenge, { ...parts, signature, ...changes.outer })
}

describe('a caller', () => {
  it.each([
    ['to another Hello’s nonce', 'nonce', { outer: { nonceCaller: nonce } }],
    ['to another Hello', 'hello-hash', { outer: { helloHash: hash } }],
    ['by another key than the one known', 'signature', { signer: owner }],
    ['signed as a Prove', 'signature', { aad: KEY_AUTH_PROVE }],
    ['with another NonceCaller inside', 'signed-payload', { inner: { nonceCaller: nonce } }],
    ['with another NonceServer inside', 'signed-payload', { inner: { nonceServer: nonce } }],
    ['with another hash inside', 'signed-payload', { inner: { hash } }],
    [
      'with another CallerKey inside',
      'signed-payload',
      { inner: { callerKey: sayHello(signerOf(ecKey()), randomBytes).callerKey } },
    ],
  ])('proves nothing in answer to a Challenge %s', async (_, check, changes) => {
    const run = await challenged()
    const challenge = await challengeWith(run, changes)
    expect(await checkOf(() => proveCaller(run.said, challenge, context))).toBe(check)
  })

  it('answers the one that is right', async () => {
    const run = await challenged()
    const challenge = await challengeWith(run, {})
    expect(await checkOf(() => proveCaller(run.said, challenge, context))).toBeUndefined()
  })
})

describe('a Result', () => {
  const said = sayHello(owner, randomBytes)
  const result = (changes: Partial<Result>) =>
    encodeAs(Result, {
      status: 'authenticated',
      token: 'abc',
      expiresAt: 1,
      fingerprint: keyFingerprint(said.callerKey.value),
      voucherCount: 0,
      ...changes,
    })

  it('may name the key in its one form', () => {
    expect(readResult(said, result({})).token).toBe('abc')
  })

  it('is refused for another key', async () => {
    const fingerprint = new Uint8Array(32)
    expect(await checkOf(() => readResult(said, result({ fingerprint })))).toBe('fingerprint')
  })

  it.each(['', 'a b', 'a\r\nx-admin: 1', 'x'.repeat(5000)])(
    'is refused with a token that is none: %j',
    async (token) => {
      expect(await checkOf(() => readResult(said, result({ token })))).toBe('token')
    },
  )
})

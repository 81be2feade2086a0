import { describe, expect, it } from 'vitest'
import { concat } from '../../../../protocol/bytes.ts'
import { Encoded, encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs, encodeAs, keep } from '../../../../protocol/cbor/schema.ts'
import { KEY_AUTH_CHALLENGE, KEY_AUTH_PROVE } from '../../../../protocol/cose/tagged-aad.ts'
import { SHA256, hashOf } from '../../../../protocol/crypto/hash.ts'
import { COSEKEY, PublicKey, SECP256R1, X509 } from '../../../../protocol/crypto/public-key.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { proveCaller, readResult, sayHello } from '../../../../protocol/key-auth/caller.ts'
import {
  PendingProof,
  buildResult,
  challengeCaller,
  checkProve,
} from '../../../../protocol/key-auth/holder.ts'
import { KeyAuthError, Prove, ProvePayload } from '../../../../protocol/key-auth/messages.ts'
import { signPayload } from '../../../../protocol/key-auth/signed.ts'
import { ecKey, rsaKey } from '../../../support/certificates.ts'
import { challenged, holder, holderContext, owner, randomBytes } from '../../../support/key-auth.ts'

const other = signerOf(ecKey())

async function checkOf(work: Promise<unknown>): Promise<string | undefined> {
  return work.then(
    () => undefined,
    (error) => (error instanceof KeyAuthError ? error.check : `${error}`),
  )
}

type Challenged = Awaited<ReturnType<typeof challenged>>

/** A Prove with parts of what is said, or of what is signed, exchanged. */
async function proveWith(
  { said, pending, sessionId }: Challenged,
  changes: {
    readonly outer?: Partial<ReturnType<typeof Prove.parse>>
    readonly inner?: Partial<ReturnType<typeof ProvePayload.parse>>
    readonly signer?: Signer
    readonly aad?: Uint8Array
  } = {},
) {
  const { nonceServer, challengeHash } = pending
  const payload = {
    type: 'FDOKeyAuth.Prove',
    nonceServer,
    nonceCaller: said.nonceCaller,
    hash: challengeHash,
    callerKey: said.callerKey,
    ...changes.inner,
  } as const
  const { signer = owner, aad = KEY_AUTH_PROVE } = changes
  const signature = await signPayload(signer, ProvePayload, payload, aad)
  return encodeAs(Prove, { sessionId, nonceServer, challengeHash, signature, ...changes.outer })
}

const nonce = new Uint8Array(16).fill(7)
const hash = hashOf(SHA256, nonce)

describe('a holder lets in', () => {
  it.each([
    ['P-256', ecKey()],
    ['P-384', ecKey('P-384')],
    ['RSA 2048', rsaKey()],
    ['RSA 3072', rsaKey(3072)],
  ])('who proves to hold a key: %s', async (_, privateKey) => {
    const signer = signerOf(privateKey)
    const run = await challenged(signer)
    const context = { signer, holderKeys: [holder.key] }
    const prove = await proveCaller(run.said, run.challenge, context)
    const proven = await checkProve(prove, run.pending)
    const expiresAt = new Date('2027-01-01T00:00:00Z')
    const result = buildResult(proven, { token: 'abc', expiresAt, voucherCount: 3 })
    expect(readResult(run.said, result)).toMatchObject({ token: 'abc', voucherCount: 3 })
  })

  it('who signs exactly what is asked', async () => {
    const run = await challenged()
    expect(await checkOf(checkProve(await proveWith(run), run.pending))).toBeUndefined()
  })

  it('who names the same key in another encoding inside', async () => {
    const run = await challenged()
    const callerKey = keep(PublicKey, { type: SECP256R1, encoding: X509, key: owner.key })
    const prove = await proveWith(run, { inner: { callerKey } })
    expect(await checkOf(checkProve(prove, run.pending))).toBeUndefined()
  })

  it('whose coordinates come without leading zeros, and hashes them as they came', async () => {
    const { signer, short } = shortKey()
    const hello = encode([new Encoded(short), null, nonce, 1])
    const { pending } = await challengeCaller(hello, holderContext())
    expect(pending.callerKey.bytes).toEqual(short)
    expect(pending.callerKey.value.key.spki).toEqual(signer.key.spki)
  })

  it('what was kept packed', async () => {
    const run = await challenged()
    const packed = encodeAs(PendingProof, run.pending)
    const pending = decodeAs(PendingProof, packed, 'pending')
    expect(await checkOf(checkProve(await proveWith(run), pending))).toBeUndefined()
  })
})

describe('a holder refuses', () => {
  it('another version', async () => {
    const { callerKey } = sayHello(owner, randomBytes)
    const hello = encode([new Encoded(callerKey.bytes), null, nonce, 2])
    expect(await checkOf(challengeCaller(hello, holderContext()))).toBe('version')
  })

  it.each([
    ['of another Challenge', 'challenge-hash', { outer: { challengeHash: hash } }],
    ['with another NonceServer', 'nonce', { outer: { nonceServer: nonce } }],
    ['by another key', 'signature', { signer: other }],
    ['signed as a Challenge', 'signature', { aad: KEY_AUTH_CHALLENGE }],
    ['signed without a tag', 'signature', { aad: new Uint8Array(0) }],
    ['with another NonceServer inside', 'signed-payload', { inner: { nonceServer: nonce } }],
    ['with another NonceCaller inside', 'signed-payload', { inner: { nonceCaller: nonce } }],
    ['with another hash inside', 'signed-payload', { inner: { hash } }],
    [
      'with another CallerKey inside',
      'signed-payload',
      { inner: { callerKey: sayHello(other, randomBytes).callerKey } },
    ],
  ])('a Prove %s', async (_, check, changes) => {
    const run = await challenged()
    expect(await checkOf(checkProve(await proveWith(run, changes), run.pending))).toBe(check)
  })

  it('a Prove whose COSE_Sign1 has no tag, or another type inside', async () => {
    const run = await challenged()
    const whole = await proveWith(run)
    const tag = whole.findIndex((byte, i) => byte === 0xd2 && whole[i + 1] === 0x84)
    const untagged = concat(whole.subarray(0, tag), whole.subarray(tag + 1))
    const lengthAt = tag - 1
    untagged[lengthAt] = (untagged[lengthAt] ?? 0) - 1
    await expect(checkProve(untagged, run.pending)).rejects.toThrow(/tag 18/)
    const inner = { type: 'FDOKeyAuth.Challenge' } as unknown as { type: 'FDOKeyAuth.Prove' }
    const mistyped = await proveWith(run, { inner })
    await expect(checkProve(mistyped, run.pending)).rejects.toThrow(/payload.type/)
  })
})

/** A key whose x begins with a zero byte, and its PublicKey as go-fdo writes it: without that. */
function shortKey(): { signer: Signer; short: Uint8Array } {
  for (;;) {
    const signer = signerOf(ecKey())
    const { spki } = signer.key
    const [x, y] = [spki.subarray(-64, -32), spki.subarray(-32)]
    if (x[0] !== 0) continue
    const map = new Map<number, Uint8Array | number>([
      [1, 2],
      [-1, 1],
      [-2, x.subarray(1)],
      [-3, y],
    ])
    return { signer, short: encode([10, COSEKEY, map]) }
  }
}

import { constants, sign } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { importSpki } from '../../../../protocol/crypto/verify-key.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { proveKey } from '../../../../src/transfer/key-auth/client.ts'
import { isSignedBy } from '../../../../src/transfer/key-proof/signature.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { certificateOf, ecKey, freshRsaKey, spkiOf } from '../../../support/certificates.ts'
import { PARTY, openTransferWorld, plainHttp } from '../../../support/transfer-world.ts'

const world = await openTransferWorld()
const [holder] = world.owners
afterAll(() => world.close())
afterEach(() => world.actAs(PARTY))

const DAY_MS = 86_400_000
const pemOf = (key: ReturnType<typeof ecKey>) => toPem('PUBLIC KEY', spkiOf(key))
const fingerprintOf = (key: ReturnType<typeof ecKey>) => hashOf(spkiOf(key))

let made = 0
/** A partner with these keys, and what is asked of it about one of them. */
async function partnerWith(...keys: ReturnType<typeof ecKey>[]) {
  const name = `partner ${++made}`
  const { json } = await world.api('POST', '/partners', { name, keys: keys.map(pemOf) })
  const [key] = keys
  if (!key) return expect.fail()
  const path = `/partners/${json.id}/keys/${fingerprintOf(key)}`
  const challenged = await world.api('POST', `${path}/challenge`)
  const challenge: string = challenged.json.challenge
  const prove = (signature: Uint8Array | string, text = challenge) =>
    world.api('POST', `${path}/proof`, {
      challenge: text,
      signature:
        typeof signature === 'string' ? signature : Buffer.from(signature).toString('base64'),
    })
  return { id: json.id as string, name, key, path, challenge, challenged, prove }
}

const keyOf = async (id: string) => (await world.api('GET', `/partners/${id}`)).json.keys[0]

describe('a partner proves its key by a signature', () => {
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_MAX_SIGN: saltLength } = constants
  const ec = ecKey()
  const ec384 = ecKey('P-384')
  const rsa = freshRsaKey()
  const rsa3072 = freshRsaKey(3072)

  it.each<[string, typeof ec, (text: Buffer) => Uint8Array]>([
    ['P-256, as openssl writes it', ec, (text) => sign('sha256', text, ec)],
    [
      'P-256 as r and s',
      ec,
      (text) => sign('sha256', text, { key: ec, dsaEncoding: 'ieee-p1363' }),
    ],
    ['P-384', ec384, (text) => sign('sha384', text, ec384)],
    ['RSA 2048', rsa, (text) => sign('sha256', text, rsa)],
    ['RSA 2048 by PSS', rsa, (text) => sign('sha256', text, { key: rsa, padding, saltLength })],
    ['RSA 3072', rsa3072, (text) => sign('sha384', text, rsa3072)],
    [
      'P-256 over a file with a line end',
      ec,
      (text) => sign('sha256', Buffer.from(`${text}\n`), ec),
    ],
    ['P-256 over a file of Windows', ec, (text) => sign('sha256', Buffer.from(`${text}\r\n`), ec)],
  ])('%s', async (_, key, signed) => {
    const { id, challenge, prove } = await partnerWith(key)
    expect(await keyOf(id)).toMatchObject({ proven_at: null, proven_how: null })
    const { status, json } = await prove(signed(Buffer.from(challenge)))
    expect([status, json.keys]).toMatchObject([
      200,
      [{ proven_at: world.clock.now().toISOString(), proven_how: 'signature' }],
    ])
    await world.api('DELETE', `/partners/${id}`)
  })

  it('more than once, the first time counts', async () => {
    const { id, key, challenge, prove } = await partnerWith(ecKey())
    await prove(sign('sha256', Buffer.from(challenge), key))
    const before = await keyOf(id)
    world.clock.advance(1000)
    expect((await prove(sign('sha256', Buffer.from(challenge), key))).status).toBe(200)
    expect(await keyOf(id)).toEqual(before)
  })

  it('and not by one of another key, hash or text', async () => {
    const { id, key, challenge, prove } = await partnerWith(ecKey('P-384'))
    const text = Buffer.from(challenge)
    for (const wrong of [
      sign('sha384', text, ecKey('P-384')),
      sign('sha256', text, key),
      sign('sha384', Buffer.from('something else'), key),
      Uint8Array.of(1),
    ]) {
      const { status, json } = await prove(wrong)
      expect([status, json.detail]).toEqual([422, expect.stringContaining('openssl dgst -sha384')])
    }
    expect((await prove('no base64!')).status).toBe(400)
    expect(await keyOf(id)).toMatchObject({ proven_at: null })
  })

  it('and not by random bytes', () => {
    const keys = [ec, rsa].map((key) => importSpki(spkiOf(key)))
    const signature = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(
        signature,
        fc.constantFrom(...keys),
        (bytes, key) => !isSignedBy(key, Buffer.from('text'), bytes),
      ),
      { numRuns: 200 },
    )
  })

  it('for a day', async () => {
    const { key, challenge, challenged, prove } = await partnerWith(ecKey())
    const until = new Date(world.clock.now().getTime() + DAY_MS).toISOString()
    expect(challenged.json.expires_at).toBe(until)
    world.clock.advance(DAY_MS)
    const { status, json } = await prove(sign('sha256', Buffer.from(challenge), key))
    expect([status, json.detail]).toEqual([422, expect.stringContaining('lapsed')])
  })

  it('by a challenge for this very key of this very partner', async () => {
    const [one, other] = [await partnerWith(ecKey()), await partnerWith(ecKey())]
    const { challenge } = other
    const relabelled = challenge.replace(fingerprintOf(other.key), fingerprintOf(one.key))
    const unsealed = challenge.replace(/.{4}$/, 'AAAA')
    for (const text of [challenge, relabelled, unsealed, 'firstlight-key-proof-1:', 'hello']) {
      const { status, json } = await one.prove(sign('sha256', Buffer.from(text), one.key), text)
      expect([status, json.detail]).toEqual([422, expect.stringContaining('no challenge for')])
    }
  })

  it('of its own alone', async () => {
    const { path } = await partnerWith(ecKey())
    const none = path.replace(/\w+$/, 'ab'.repeat(32))
    expect((await world.api('POST', `${none}/challenge`)).status).toBe(404)
    world.actAs('fdop_other')
    expect((await world.api('POST', `${path}/challenge`)).status).toBe(404)
    const proof = { challenge: 'x', signature: '' }
    expect((await world.api('POST', `${path}/proof`, proof)).status).toBe(404)
  })
})

describe('a proof', () => {
  it('stays while the key does', async () => {
    const { id, name, key, challenge, prove } = await partnerWith(ecKey())
    await prove(sign('sha256', Buffer.from(challenge), key))
    const put = (...keys: (typeof key)[]) =>
      world.api('PUT', `/partners/${id}`, { name, keys: keys.map(pemOf) })
    const proofs = ({ json }: Awaited<ReturnType<typeof put>>) =>
      json.keys.map(({ proven_how }: { proven_how: string }) => proven_how).sort()
    expect(proofs(await put(key, ecKey()))).toEqual([null, 'signature'].sort())
    await put()
    expect(proofs(await put(key))).toEqual([null])
  })

  it('is FDOKeyAuth at our door, too', async () => {
    const key = ecKey()
    const { id } = await partnerWith(key)
    const signer = signerOf(key)
    const root = `${world.base}/api/v1/pull/vouchers`
    await proveKey(plainHttp, {
      root,
      party: PARTY,
      signer,
      holderKeys: [holder?.key ?? expect.fail()],
    })
    expect(await keyOf(id)).toMatchObject({ proven_how: 'key-auth' })
    expect(await world.transfer.isProven(PARTY, fingerprintOf(key))).toBe(true)
    expect(await world.transfer.isProven('fdop_other', fingerprintOf(key))).toBe(false)
    expect(await world.transfer.isProven(PARTY, '00'.repeat(32))).toBe(false)
  })
})

describe('a key of ours is proven to a seller', () => {
  const ours = holder ?? expect.fail()
  const answer = (challenge: string) => world.api('POST', '/key-proofs', { challenge })

  it('by a signature over what it asks', async () => {
    const keys = [toPem('PUBLIC KEY', ours.key.spki)]
    const { json: seller } = await world.api('POST', '/partners', { name: 'us', keys })
    const path = `/partners/${seller.id}/keys/${hashOf(ours.key.spki)}`
    const { challenge } = (await world.api('POST', `${path}/challenge`)).json
    const { status, json } = await answer(`${challenge}\n`)
    expect([status, json.fingerprint]).toEqual([200, hashOf(ours.key.spki)])
    const proven = await world.api('POST', `${path}/proof`, {
      ...json,
      fingerprint: undefined,
      challenge,
    })
    expect(proven.json.keys).toMatchObject([{ proven_how: 'signature' }])
  })

  it.each([
    ['what is no challenge', 'firstlight-key-proof-1:x', 400],
    ['two of them', `${asked(ours.key.spki)}\n${asked(ours.key.spki)}`, 400],
    ['a challenge for the key of somebody else', asked(spkiOf(ecKey())), 404],
  ])('but nothing is signed that is %s', async (_, challenge, status) => {
    expect((await answer(challenge)).status).toBe(status)
  })
})

function asked(spki: Uint8Array): string {
  return `firstlight-key-proof-1:${hashOf(spki)}:x`
}

describe('a key that came with certificates', () => {
  const ca = ecKey()
  const leafKey = ecKey()
  const leaf = certificateOf({ key: leafKey, subject: 'leaf', issuer: { key: ca, subject: 'ca' } })
  const root = certificateOf({ key: ca, subject: 'ca' })
  const add = (...chain: Uint8Array[]) =>
    world.api('POST', '/partners', {
      name: `chain ${++made}`,
      keys: [chain.map((der) => toPem('CERTIFICATE', der)).join('')],
    })

  it('keeps them', async () => {
    const { json } = await add(leaf, root)
    expect(json.keys).toMatchObject([{ fingerprint: fingerprintOf(leafKey), certificates: 2 }])
    expect(await keyOf(json.id)).toMatchObject({ certificates: 2 })
  })

  it.each([
    ['in the wrong order', [root, leaf]],
    ['of strangers', [leaf, certificateOf({ key: ca, subject: 'other' })]],
    ['too many', Array<Uint8Array>(17).fill(root)],
  ])('is refused with those %s', async (_, chain) => {
    expect((await add(...chain)).status).toBe(400)
  })
})

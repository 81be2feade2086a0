/** Keys in a token of softhsm2, in place; the threads are tested as they are built. */
import { type KeyObject, generateKeyPairSync, randomBytes } from 'node:crypto'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { EMPTY, fromHex, toHex, utf8 } from '../../../../protocol/bytes.ts'
import {
  type SignatureAlgorithm,
  ES256,
  ES384,
  PS256,
  PS384,
  RS256,
} from '../../../../protocol/cose/algorithms.ts'
import { importSpki, verifySignature } from '../../../../protocol/crypto/verify-key.ts'
import { extendVoucher } from '../../../../protocol/voucher/extend.ts'
import { findVoucherFlaw } from '../../../../protocol/voucher/verify.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import type { ExternalKeys } from '../../../../src/secrets/external-keys.ts'
import { StartRefused } from '../../../../src/secrets/master-key.ts'
import { loadBinding } from '../../../../src/secrets/pkcs11/binding.ts'
import { openTokenKeys } from '../../../../src/secrets/pkcs11/keys.ts'
import { Login, newLoginState } from '../../../../src/secrets/pkcs11/login.ts'
import { spkiOf } from '../../../../src/secrets/pkcs11/objects.ts'
import { nameOf } from '../../../support/certificates.ts'
import { HAS_SOFTHSM, SoftHsm } from '../../../support/softhsm.ts'
import { certificateFor } from '../../../support/test-issuer.ts'
import { to2WorldOf, walk } from '../../../support/to2-world.ts'
import { voucherVectors } from '../../../support/vouchers.ts'

const TOKEN = 'firstlight'
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve })
const rsa = (modulusLength: number) => generateKeyPairSync('rsa', { modulusLength })
const pairs = { 'owner/p256': ec('P-256'), 'owner/p384': ec('P-384'), 'owner/rsa': rsa(2048) }
const spkiHex = (pair: { publicKey: KeyObject }) =>
  pair.publicKey.export({ type: 'spki', format: 'der' }).toString('hex')
const [vector] = voucherVectors
const data = utf8('what is signed')
const subject = nameOf('a test key')
const certified = (pair: { publicKey: KeyObject }) =>
  certificateFor(pair.publicKey.export({ type: 'spki', format: 'der' }))

describe.skipIf(!HAS_SOFTHSM)('keys in a token', () => {
  let hsm: SoftHsm
  let opened: ExternalKeys[] = []
  let warnings: object[] = []
  beforeAll(async () => {
    hsm = new SoftHsm()
    hsm.initToken(TOKEN)
    Object.entries(pairs).forEach(([label, { privateKey }], at) =>
      hsm.add(TOKEN, label, `0${at + 1}`, privateKey),
    )
    hsm.addPkcs8(TOKEN, 'owner/vector', '0a', vector?.ownerKeysPkcs8[1] ?? '')
    for (const token of ['passing', 'changing']) {
      hsm.initToken(token)
      hsm.add(token, 'one', '01', pairs['owner/p256'].privateKey)
    }
    hsm.initToken('odd')
    hsm.add('odd', 'too large', '01', rsa(4096).privateKey)
    hsm.add('odd', 'good', '02', pairs['owner/p256'].privateKey)
    hsm.add('odd', 'good again', '12', pairs['owner/p256'].privateKey)
    hsm.add('odd', 'certified', '03', pairs['owner/p384'].privateKey)
    hsm.putCertificate('odd', '03', await certified(pairs['owner/p384']), subject)
    hsm.add('odd', 'mismatched', '04', ec('P-256').privateKey)
    hsm.putCertificate('odd', '04', await certified(pairs['owner/p256']), subject)
    hsm.add('odd', 'alone', '05', ec('P-256').privateKey)
    hsm.putCertificate('odd', '05')
    hsm.initToken('twin')
    hsm.initToken('twin')
  }, 60_000)
  afterAll(() => hsm.remove())
  afterEach(async () => {
    for (const keys of opened) await keys.stop()
    opened = []
    warnings = []
  })
  const open = async (config: object = {}) => {
    const log = { warn: (facts: object) => warnings.push(facts) }
    const keys = await openTokenKeys({ ...hsm.config(TOKEN), ...config }, { log })
    opened.push(keys)
    return keys
  }
  const signerOf = (keys: ExternalKeys, label: string, algorithm?: SignatureAlgorithm) => {
    const key = keys.list().find((one) => one.label === label)
    return keys.signer(key?.id ?? '', algorithm)
  }

  it('are listed with their public halves, by ids that stay', async () => {
    const keys = await open()
    for (const [label, pair] of Object.entries(pairs)) {
      const key = keys.list().find((one) => one.label === label)
      expect(toHex(key?.spki ?? EMPTY)).toBe(spkiHex(pair))
      expect(key?.fingerprint).toMatch(/^[0-9a-f]{64}$/)
    }
    expect(keys.list().map(({ kind }) => kind)).toEqual(
      expect.arrayContaining(['p256', 'p384', 'rsa2048']),
    )
    expect((await open()).list()).toEqual(keys.list())
    expect(warnings).toEqual([])
  })

  it.each([
    ['owner/p256', ES256],
    ['owner/p384', ES384],
    ['owner/rsa', RS256],
    ['owner/rsa', PS256],
  ])('sign: %s, %o', async (label, algorithm) => {
    const signer = signerOf(await open(), label, algorithm)
    const signature = await signer.sign(data)
    expect(await verifySignature(signer.key, algorithm, data, signature)).toBe(true)
    expect(signature).toHaveLength(algorithm.signatureBytes ?? 256)
  })

  it('sign with the first algorithm of their kind, and none that is not theirs', async () => {
    const keys = await open()
    expect(signerOf(keys, 'owner/rsa').algorithm).toBe(RS256)
    expect(() => signerOf(keys, 'owner/rsa', PS384)).toThrow('rsa2048 and PS384')
    expect(() => keys.signer('pkcs11_no')).toThrow('no key pkcs11_no')
  })

  it('sign a voucher on, and prove an owner in TO2', async () => {
    const world = await to2WorldOf(vector?.name)
    const token = signerOf(await open(), 'owner/vector')
    expect(toHex(token.key.spki)).toBe(toHex(world.owner.key.spki))
    const [, , next] = world.parts.publicKeys
    if (!next) throw new Error('no third owner')
    const extended = parseVoucher(await extendVoucher(world.voucher, token, next))
    expect(await findVoucherFlaw(extended)).toBeUndefined()
    expect(extended.entries).toHaveLength(2)

    const { voucher } = world
    const ownerContext = {
      ...world.ownerContext,
      findVoucher: async () => ({ voucher, signer: token, deviceId: 'one', revision: 'first' }),
    }
    const { messages } = await walk({ ...world, ownerContext })
    expect(messages.has(71)).toBe(true)
  })

  it('go on after their session is lost', async () => {
    const signer = signerOf(await open(), 'owner/p256')
    await signer.sign(data)
    hsm.endSessions()
    const signature = await signer.sign(data)
    expect(await verifySignature(signer.key, ES256, data, signature)).toBe(true)
  })

  it('go on after the module has begun anew', async () => {
    const signer = signerOf(await open(), 'owner/p256')
    hsm.endModule()
    expect(await signer.sign(data)).toHaveLength(64)
  })

  it('say so when their token is gone', async () => {
    const signer = signerOf(await open({ token: 'passing' }), 'one')
    hsm.deleteToken('passing')
    hsm.endModule()
    await expect(signer.sign(data)).rejects.toThrow(/has no token passing, but .*firstlight/)
  })

  it('say which they have no key for any more', async () => {
    const keys = await open({ token: 'changing' })
    hsm.deleteToken('changing')
    hsm.initToken('changing')
    hsm.endModule()
    await expect(signerOf(keys, 'one').sign(data)).rejects.toThrow(/changing has no key pkcs11_/)
  })

  it('say so where the token does not decrypt as FDO has it', async () => {
    // softhsm2 has OAEP with SHA-1 only.
    const signer = signerOf(await open(), 'owner/rsa')
    await expect(signer.decrypt?.(randomBytes(256))).rejects.toThrow(/did not decrypt: CKR_/)
    expect(signerOf(await open(), 'owner/p256').decrypt).toBeUndefined()
  })

  it('are left out, with a warning, where FDO has no use for them or a half is another’s', async () => {
    const keys = await open({ token: 'odd' })
    expect(keys.list().map(({ label }) => label)).toEqual(['certified', 'good'])
    const reasons = [
      ['good again', /under another name/],
      ['alone', /no public key or certificate/],
      ['mismatched', /not verified by the public key/],
      ['too large', /P-256, P-384/],
    ] as const
    expect(warnings).toHaveLength(reasons.length)
    for (const [label, reason] of reasons) {
      const warning = { token: 'odd', label, reason: expect.stringMatching(reason) }
      expect(warnings).toContainEqual(warning)
    }
  })

  it('cannot be had from a module or a token that is not there', async () => {
    await expect(open({ module: '/no/such.so' })).rejects.toThrow(StartRefused)
    await expect(open({ module: '/no/such.so' })).rejects.toThrow(/\/no\/such\.so cannot be used/)
    await expect(open({ token: 'another' })).rejects.toThrow(/no token another, but .*firstlight/)
  })

  it('cannot be had where two tokens have one name', async () => {
    await expect(open({ token: 'twin' })).rejects.toThrow(/2 tokens .* twin/)
  })

  it('cannot be had with a wrong PIN, which is not in what is said', async () => {
    const pinFile = join(hsm.folder, 'wrong-pin')
    writeFileSync(pinFile, '999999\n', { mode: 0o600 })
    const refusal = await open({ pinFile }).catch((error: unknown) => error)
    expect(refusal).toBeInstanceOf(StartRefused)
    expect(String(refusal)).toMatch(/wrong-pin.*CKR_PIN_INCORRECT/)
    expect(String(refusal)).not.toMatch(/999999/)
  })

  it('cannot be had with a PIN that others can read, or none', async () => {
    const pinFile = join(hsm.folder, 'open-pin')
    await expect(open({ pinFile })).rejects.toThrow(/there is no file/)
    writeFileSync(pinFile, 'x\n')
    chmodSync(pinFile, 0o644)
    await expect(open({ pinFile })).rejects.toThrow(/chmod 600/)
  })
})

describe('the public half of a key', () => {
  const p256 = fromHex(spkiHex(pairs['owner/p256']))
  const point = p256.subarray(-65)
  const curve = p256.subarray(13, 23)
  const from = (attributes: Record<number, Uint8Array>) =>
    toHex(spkiOf((type) => attributes[type]) ?? EMPTY)

  it('is read whether its point is in an OCTET STRING or bare', () => {
    const wrapped = Buffer.concat([Buffer.from([0x04, 0x41]), point])
    expect(from({ 0x180: curve, 0x181: wrapped })).toBe(toHex(p256))
    expect(from({ 0x180: curve, 0x181: point })).toBe(toHex(p256))
  })

  it('is read from an RSA key', () => {
    const { n = '' } = pairs['owner/rsa'].publicKey.export({ format: 'jwk' })
    const modulus = Buffer.from(n, 'base64url')
    const spki = from({ 0x120: modulus, 0x122: Uint8Array.of(1, 0, 1) })
    expect(spki).toBe(spkiHex(pairs['owner/rsa']))
    expect(importSpki(fromHex(spki)).kind).toBe('rsa2048')
  })

  it('is not there where its parts are not', () => {
    expect(from({ 0x180: curve })).toBe('')
    expect(from({ 0x120: EMPTY, 0x122: EMPTY })).toBe('')
    expect(from({})).toBe('')
  })
})

describe('the binding', () => {
  it('says what to install where it is missing', async () => {
    const missing = () => Promise.reject(new Error('Cannot find package'))
    await expect(loadBinding(missing)).rejects.toThrow(/pkcs11js.*npm install/)
  })
})

describe('logging in', () => {
  const code = (name: string) => () => {
    throw new Error(`${name}:1`)
  }

  it('is not tried again with a PIN once refused, by any thread', () => {
    const state = newLoginState()
    expect(() => new Login(state).once('the PIN', code('CKR_PIN_INCORRECT'))).toThrow(
      'the PIN (CKR_PIN_INCORRECT): put it right and restart',
    )
    let tries = 0
    expect(() => new Login(state).once('the PIN', () => tries++)).toThrow(/not tried again/)
    expect(tries).toBe(0)
  })

  it('is tried again after anything else', () => {
    const login = new Login(newLoginState())
    expect(() => login.once('the PIN', code('CKR_DEVICE_ERROR'))).toThrow('CKR_DEVICE_ERROR')
    login.once('the PIN', code('CKR_USER_ALREADY_LOGGED_IN'))
    let user = 0
    login.once('the PIN', (type) => (user = type))
    expect(user).toBe(1)
  })
})

import { createCipheriv, createHmac } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Bytes, EMPTY, concat, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { type CborValue, Tagged, encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs, int } from '../../../../protocol/cbor/schema.ts'
import { ES256, ES384, PS256, RS256 } from '../../../../protocol/cose/algorithms.ts'
import { openEncrypt0, sealEncrypt0 } from '../../../../protocol/cose/encrypt0.ts'
import { headerOf, protectedHeader } from '../../../../protocol/cose/headers.ts'
import { coseKeyOf } from '../../../../protocol/cose/key.ts'
import { HMAC_256, HMAC_384, openMac0, sealMac0 } from '../../../../protocol/cose/mac0.ts'
import { Sign1, signSign1, toBeSigned, verifySign1 } from '../../../../protocol/cose/sign1.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { ecKey, rsaKey } from '../../../support/certificates.ts'

const payload = utf8('payload')
const malformed = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })
const invalid = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })

function sign1(...parts: CborValue[]): Sign1 {
  return decodeAs(Sign1, encode(new Tagged(18, parts)), 'Sign1').value
}

/** Signed by a header of our choosing. */
async function signedUnder(signer: Signer, header: Bytes): Promise<Sign1> {
  const signature = await signer.sign(toBeSigned(header, payload))
  return sign1(header, new Map(), payload, signature)
}

describe('COSE_Sign1', () => {
  const signer = signerOf(ecKey())

  it('carries unprotected headers, known ones and others', async () => {
    const encoded = await signSign1(signer, payload, new Map([[256, 7]]))
    const { value, bytes } = decodeAs(Sign1, encoded, 'Sign1')
    expect(headerOf(value.unprotectedHeader, 256, int, 'Sign1')).toBe(7)
    expect(() => headerOf(value.unprotectedHeader, 257, int, 'Sign1')).toThrow(malformed)
    expect(toHex(bytes)).toBe(toHex(encoded))
    expect(await verifySign1(value, signer.key)).toBe(true)
  })

  it('names an algorithm that the key may use, or does not verify', async () => {
    const rsa = signerOf(rsaKey(2048), PS256)
    expect(await verifySign1(await signedUnder(rsa, protectedHeader(PS256.id)), rsa.key)).toBe(true)
    for (const { id } of [RS256, ES256, ES384]) {
      expect(await verifySign1(await signedUnder(rsa, protectedHeader(id)), rsa.key)).toBe(false)
    }
    for (const id of [ES384.id, RS256.id, -8, 0]) {
      const message = await signedUnder(signer, protectedHeader(id))
      expect(await verifySign1(message, signer.key)).toBe(false)
    }
  })

  it('without an algorithm under the signature does not verify', async () => {
    for (const header of [EMPTY, encode(new Map()), encode(new Map([[4, 1]]))]) {
      expect(await verifySign1(await signedUnder(signer, header), signer.key)).toBe(false)
    }
  })

  it('that demands extensions does not verify', async () => {
    const header = encode(
      new Map<number, CborValue>([
        [1, ES256.id],
        [2, [99]],
      ]),
    )
    expect(await verifySign1(await signedUnder(signer, header), signer.key)).toBe(false)
  })

  it('may carry more under the signature', async () => {
    const header = encode(
      new Map<number, CborValue>([
        [1, ES256.id],
        [4, utf8('a key id')],
      ]),
    )
    expect(await verifySign1(await signedUnder(signer, header), signer.key)).toBe(true)
  })

  it('with anything but a header map under the signature is malformed', () => {
    for (const header of [Uint8Array.of(1), encode([1]), encode(new Map([[1, 'ES256']]))]) {
      expect(() => verifySign1(sign1(header, new Map(), payload, EMPTY), signer.key)).toThrow(
        malformed,
      )
    }
  })

  it('is read with its tag, its four parts and their types only', () => {
    const header = protectedHeader(ES256.id)
    const parts: CborValue[] = [header, new Map(), payload, EMPTY]
    const bad: CborValue[] = [
      parts,
      new Tagged(17, parts),
      new Tagged(18, parts.slice(1)),
      new Tagged(18, [...parts, EMPTY]),
      new Tagged(18, [header, [], payload, EMPTY]),
      new Tagged(18, [header, new Map(), null, EMPTY]),
      new Tagged(18, [new Map([[1, -7]]), new Map(), payload, EMPTY]),
    ]
    for (const one of bad) {
      expect(() => decodeAs(Sign1, encode(one), 'Sign1')).toThrow(malformed)
    }
  })
})

describe('COSE_Encrypt0', () => {
  const gcm = { id: 1, nodeName: 'aes-128-gcm', nonceBytes: 12 } as const
  const key = new Uint8Array(16).fill(3)
  const nonce = new Uint8Array(12).fill(4)
  const sealed = sealEncrypt0(gcm, key, nonce, payload)

  it('opens with what it was sealed', () => {
    const opened = openEncrypt0(gcm, key, sealed)
    expect(toHex(opened.plaintext)).toBe(toHex(payload))
    expect(toHex(opened.nonce)).toBe(toHex(nonce))
  })

  const header = protectedHeader(1)
  const iv = new Map([[5, nonce]])
  const cases: [string, CborValue, unknown][] = [
    ['without its tag', [header, iv, EMPTY], malformed],
    ['of four parts', new Tagged(16, [header, iv, EMPTY, EMPTY]), malformed],
    ['without a nonce', new Tagged(16, [header, new Map(), new Uint8Array(16)]), malformed],
    ['of another algorithm', new Tagged(16, [protectedHeader(3), iv, EMPTY]), invalid],
    ['of no algorithm', new Tagged(16, [EMPTY, iv, new Uint8Array(16)]), invalid],
    [
      'shorter than its authentication',
      new Tagged(16, [header, iv, new Uint8Array(15)]),
      /no authentication tag/,
    ],
    [
      'with a nonce of another length',
      new Tagged(16, [header, new Map([[5, nonce.subarray(1)]]), new Uint8Array(16)]),
      invalid,
    ],
    ['sealed by nobody', new Tagged(16, [header, iv, new Uint8Array(16)]), invalid],
  ]
  for (const [what, message, refusal] of cases) {
    it(`is refused ${what}`, () => {
      expect(() => openEncrypt0(gcm, key, encode(message))).toThrow(refusal as Error)
    })
  }

  it('is refused under another algorithm or nonce, even by one who has the key', () => {
    const cipherWith = (head: Bytes, iv: Bytes) => {
      const cipher = createCipheriv('aes-128-gcm', key, iv, { authTagLength: 16 })
      const aad = encode(['Encrypt0', head, EMPTY])
      cipher.setAAD(aad, { plaintextLength: payload.length })
      const ciphertext = concat(cipher.update(payload), cipher.final(), cipher.getAuthTag())
      return encode(new Tagged(16, [head, new Map([[5, iv]]), ciphertext]))
    }
    expect(cipherWith(header, nonce)).toEqual(sealed)
    const longNonce = new Uint8Array(13)
    expect(() => openEncrypt0(gcm, key, cipherWith(protectedHeader(3), nonce))).toThrow(invalid)
    expect(() => openEncrypt0(gcm, key, cipherWith(header, longNonce))).toThrow(invalid)
  })

  it('authenticates the header as it was received', () => {
    const longHeader = concat(Uint8Array.of(0xa1, 0x01, 0x18, 0x01))
    const ciphertext = sealed.subarray(-(payload.length + 16))
    const message = encode(new Tagged(16, [longHeader, iv, ciphertext]))
    expect(() => openEncrypt0(gcm, key, message)).toThrow(invalid)
  })
})

describe('COSE_Mac0', () => {
  const key = new Uint8Array(16).fill(5)

  it('opens with its key, in both strengths', () => {
    for (const mac of [HMAC_256, HMAC_384]) {
      expect(toHex(openMac0(mac, key, sealMac0(mac, key, payload)))).toBe(toHex(payload))
    }
  })

  it('is refused with another key, strength, tag or shape', () => {
    const sealed = sealMac0(HMAC_256, key, payload)
    expect(() => openMac0(HMAC_256, new Uint8Array(16), sealed)).toThrow(invalid)
    expect(() => openMac0(HMAC_384, key, sealed)).toThrow(invalid)
    const header = protectedHeader(5)
    const lying = protectedHeader(6)
    const tag = createHmac('sha256', key)
      .update(encode(['MAC0', lying, EMPTY, payload]))
      .digest()
    const relabelled = encode(new Tagged(17, [lying, new Map(), payload, tag]))
    expect(() => openMac0(HMAC_256, key, relabelled)).toThrow(invalid)
    const short = encode(new Tagged(17, [header, new Map(), payload, new Uint8Array(31)]))
    expect(() => openMac0(HMAC_256, key, short)).toThrow(invalid)
    const untagged = encode([header, new Map(), payload, new Uint8Array(32)])
    expect(() => openMac0(HMAC_256, key, untagged)).toThrow(malformed)
  })
})

describe('COSE_Key', () => {
  it('is written in the order that C devices count on', () => {
    expect(toHex(encode(coseKeyOf(signerOf(ecKey()).key)))).toMatch(
      /^a40102200121582[0][0-9a-f]{64}225820[0-9a-f]{64}$/,
    )
    expect(toHex(encode(coseKeyOf(signerOf(ecKey('P-384')).key)))).toMatch(/^a401022002215830/)
  })

  it('is never made of an RSA key', () => {
    expect(() => coseKeyOf(signerOf(rsaKey()).key)).toThrow(/no COSEKEY/)
  })
})

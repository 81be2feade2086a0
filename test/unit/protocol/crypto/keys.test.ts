import { constants, createECDH, createPublicKey, publicEncrypt, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Bytes, concat, fromHex, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import {
  ALGORITHMS_OF,
  ES256,
  ES384,
  PS256,
  PS384,
  RS256,
  RS384,
  type SignatureAlgorithm,
  algorithmById,
} from '../../../../protocol/cose/algorithms.ts'
import { PublicKey, algorithmFor, sameKey } from '../../../../protocol/crypto/public-key.ts'
import { signerFromPkcs8, signerOf } from '../../../../protocol/crypto/signer.ts'
import { importSpki, verifySignature } from '../../../../protocol/crypto/verify-key.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { certificateOf, ecKey, rsaKey, spkiOf } from '../../../support/certificates.ts'

const p256 = ecKey()
const p384 = ecKey('P-384')
const rsa2048 = rsaKey(2048)
const rsa3072 = rsaKey(3072)
const ALL = [ES256, ES384, RS256, RS384, PS256, PS384]
const malformed = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })

describe('importing a key', () => {
  it.each([
    ['P-256', p256],
    ['P-384', p384],
    ['RSA 2048', rsa2048],
  ])('gives the key that OpenSSL reads from the DER of %s', (_, key) => {
    const spki = spkiOf(key)
    const imported = importSpki(spki)
    const oracle = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    expect(imported.keyObject.equals(oracle)).toBe(true)
    expect(imported.spki).toEqual(spki)
    expect(imported.spki).not.toBe(spki)
  })

  it('gives one of which a coordinate begins with zeros', () => {
    for (let i = 0; i < 2000; i++) {
      const spki = spkiOf(ecKey())
      if (spki[27] !== 0 && spki[59] !== 0) continue
      const oracle = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
      expect(importSpki(spki).keyObject.equals(oracle)).toBe(true)
      break
    }
  })

  it.each([p256, p384])('refuses a point off the curve, and the point of all zeros', (key) => {
    const spki = spkiOf(key)
    expect(() => importSpki(spki.with(-1, spki.at(-1)! ^ 1))).toThrow(malformed)
    expect(() => importSpki(spki.map((byte, i) => (i < 27 ? byte : 0)))).toThrow(malformed)
    expect(() => importSpki(spki.map((byte, i) => (i < 27 ? byte : 255)))).toThrow(malformed)
  })
})

describe('a signer', () => {
  const cases: [string, typeof p256, SignatureAlgorithm][] = [
    ['P-256', p256, ES256],
    ['P-384', p384, ES384],
    ['RSA 2048', rsa2048, RS256],
    ['RSA 2048', rsa2048, PS256],
    ['RSA 3072', rsa3072, RS384],
    ['RSA 3072', rsa3072, PS384],
  ]
  for (const [what, key, algorithm] of cases) {
    it(`with ${what} makes ${algorithm.name} signatures that verify as nothing else`, async () => {
      const signer = signerOf(key, algorithm)
      const data = utf8('signed')
      const signature = await signer.sign(data)
      for (const other of ALL) {
        const isValid = await verifySignature(signer.key, other, data, signature)
        expect(isValid).toBe(other === algorithm)
      }
      expect(await verifySignature(signer.key, algorithm, utf8('other'), signature)).toBe(false)
    })
  }

  it('uses the first algorithm of its kind unless told otherwise', () => {
    expect(signerOf(p256).algorithm).toBe(ES256)
    expect(signerOf(p384).algorithm).toBe(ES384)
    expect(signerOf(rsa2048).algorithm).toBe(RS256)
    expect(signerOf(rsa3072).algorithm).toBe(RS384)
  })

  it('is refused an algorithm that is not for its kind of key', () => {
    expect(() => signerOf(p256, ES384)).toThrow(/p256 and ES384/)
    expect(() => signerOf(rsa2048, PS384)).toThrow(/rsa2048 and PS384/)
  })

  it('is made from PKCS#8, for the kinds of key FDO uses', () => {
    const pkcs8 = (key: typeof p256) => key.export({ type: 'pkcs8', format: 'der' })
    expect(signerFromPkcs8(pkcs8(p384)).key.spki).toEqual(spkiOf(p384))
    expect(() => signerFromPkcs8(pkcs8(ecKey('P-521')))).toThrow(malformed)
    expect(() => signerFromPkcs8(Uint8Array.of(1))).toThrow()
  })

  it('with an RSA key decrypts, and leaves the event loop free meanwhile', async () => {
    const { decrypt, key } = signerOf(rsa3072)
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const options = { key: key.keyObject, padding, oaepHash: 'sha256' }
    const ciphertexts = [1, 2, 3].map((byte) => publicEncrypt(options, Uint8Array.of(byte)))
    const plaintexts = await Promise.all(ciphertexts.map((ciphertext) => decrypt!(ciphertext)))
    expect(plaintexts.map((plaintext) => plaintext[0])).toEqual([1, 2, 3])
    await expect(decrypt!(new Uint8Array(384))).rejects.toThrow()
    expect(signerOf(p256).decrypt).toBeUndefined()
  })
})

describe('a key that verifies', () => {
  it('may use the algorithms of its kind and no others', async () => {
    const signature = await signerOf(rsa2048, RS384).sign(utf8('x'))
    const key = importSpki(spkiOf(rsa2048))
    expect(await verifySignature(key, RS384, utf8('x'), signature)).toBe(true)
    expect(ALGORITHMS_OF.rsa2048).not.toContain(PS384)
    const pss384 = sign('sha384', utf8('x'), {
      key: rsa2048,
      padding: constants.RSA_PKCS1_PSS_PADDING,
      saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
    })
    expect(await verifySignature(key, PS384, utf8('x'), pss384)).toBe(false)
  })

  it('is imported once', () => {
    expect(importSpki(spkiOf(p256))).toBe(importSpki(spkiOf(p256)))
  })

  const bad: [string, Bytes][] = [
    ['nothing', new Uint8Array(0)],
    ['no key', fromHex('3000')],
    ['bytes after its end', concat(spkiOf(p256), Uint8Array.of(0))],
    ['a P-521 key', spkiOf(ecKey('P-521'))],
    ['a secp256k1 key', spkiOf(ecKey('secp256k1'))],
    ['an RSA-4096 key', spkiOf(rsaKey(4096))],
    ['a key that is longer than any', new Uint8Array(3000)],
    ['a compressed point', compressed(spkiOf(p256))],
    ['a point off the curve', bent(spkiOf(p256))],
  ]
  for (const [what, spki] of bad) {
    it(`is not ${what}`, () => {
      expect(() => importSpki(spki)).toThrow(malformed)
    })
  }

  it('is not looked for among those imported if it is longer than any', () => {
    expect(() => importSpki(new Uint8Array(200_000))).toThrow(/too long/)
  })

  it('is not an RSA key with another exponent than 65537', () => {
    const spki = spkiOf(rsa2048)
    spki[spki.length - 1] = 3
    expect(() => importSpki(spki)).toThrow(malformed)
  })
})

describe('a PublicKey', () => {
  const keys = [
    [10, p256],
    [11, p384],
    [1, rsa2048],
    [5, rsa3072],
    [6, rsa3072],
  ] as const

  for (const [type, key] of keys) {
    const spki = spkiOf(key)
    it(`of type ${type} is read as X509 and X5CHAIN, and written again as it was`, () => {
      const certificate = certificateOf({ key: p256, subject: 'x' })
      const forKey = key === p256 ? [certificate] : []
      const encodings = [encode([type, 1, spki]), ...forKey.map((one) => encode([type, 2, [one]]))]
      for (const encoded of encodings) {
        const value = decodeAs(PublicKey, encoded, 'key')
        expect(value.key.spki).toEqual(spki)
        expect(toHex(encodeAs(PublicKey, value))).toBe(toHex(encoded))
      }
    })
  }

  it('is read as a COSE_Key, with kty or without, whatever the length of its numbers', () => {
    for (const [type, key, curve, length] of [
      [10, p256, 1, 32],
      [11, p384, 2, 48],
    ] as const) {
      const point = spkiOf(key).subarray(-2 * length)
      const [x, y] = [point.subarray(0, length), point.subarray(length)]
      const withKty = new Map<number, number | Bytes>([
        [1, 2],
        [-1, curve],
        [-2, x],
        [-3, y],
      ])
      const java = new Map<number, number | Bytes>([
        [-1, curve],
        [-2, concat(Uint8Array.of(0), x)],
        [-3, concat(Uint8Array.of(0), y)],
      ])
      for (const map of [withKty, java]) {
        const value = decodeAs(PublicKey, encode([type, 3, map]), 'key')
        expect(value.key.spki).toEqual(spkiOf(key))
        expect(encodeAs(PublicKey, value)).toEqual(encode([type, 3, withKty]))
      }
    }
  })

  it('is read as a COSE_Key that leaves leading zeros out', () => {
    const ecdh = createECDH('prime256v1')
    ecdh.setPrivateKey(Uint8Array.of(379 >> 8, 379 & 0xff))
    const point = ecdh.getPublicKey().subarray(1)
    expect(point[0]).toBe(0)
    const map = new Map<number, number | Bytes>([
      [1, 2],
      [-1, 1],
      [-2, point.subarray(1, 32)],
      [-3, point.subarray(32)],
    ])
    const { key } = decodeAs(PublicKey, encode([10, 3, map]), 'key')
    expect(toHex(key.spki.subarray(-64))).toBe(toHex(point))
  })

  it('is read as a chain in every form: array, bare certificate, array in a bstr', () => {
    const leaf = certificateOf({ key: p256, subject: 'x' })
    const other = certificateOf({ key: p384, subject: 'y' })
    const bodies = [[leaf, other], leaf, encode([leaf, other])]
    const chains = bodies.map((body) => decodeAs(PublicKey, encode([10, 2, body]), 'key').chain)
    expect(chains).toEqual([[leaf, other], [leaf], [leaf, other]])
  })

  it('is the same in every encoding', () => {
    const certificate = certificateOf({ key: p256, subject: 'x' })
    const chain = decodeAs(PublicKey, encode([10, 2, [certificate]]), 'key')
    const plain = decodeAs(PublicKey, encode([10, 1, spkiOf(p256)]), 'key')
    expect(sameKey(chain.key, plain.key)).toBe(true)
    expect(sameKey(chain.key, importSpki(spkiOf(p384)))).toBe(false)
  })

  it('says what its key signs with', () => {
    expect(algorithmFor(6, 'rsa2048')).toBe(PS256)
    expect(algorithmFor(5, 'rsa3072')).toBe(RS384)
    expect(algorithmFor(1, 'rsa3072')).toBeUndefined()
    expect(algorithmById(-37)).toBe(PS256)
    expect(algorithmById(-8)).toBeUndefined()
  })

  const spki = spkiOf(p256)
  const point = spki.subarray(-64)
  const [x, y] = [point.subarray(0, 32), point.subarray(32)]
  const cose = (...entries: [number, number | Bytes][]) => new Map(entries)
  const bad: [string, Parameters<typeof encode>[0]][] = [
    ['of two parts', [10, 1]],
    ['of four parts', [10, 1, spki, null]],
    ['of an unknown type', [2, 1, spki]],
    ['in an unknown encoding', [10, 4, spki]],
    ['in Crypto encoding', [1, 0, [spki, spki]]],
    ['of a type its key is not', [11, 1, spki]],
    ['of RSA2048RESTR with 3072 bits', [1, 1, spkiOf(rsa3072)]],
    ['with text for its body', [10, 1, 'key']],
    ['with an empty chain', [10, 2, []]],
    ['with a chain of text', [10, 2, ['x']]],
    ['with a chain of no certificates', [10, 2, [Uint8Array.of(1)]]],
    ['with a COSE_Key of another kty', [10, 3, cose([1, 1], [-1, 1], [-2, x], [-3, y])]],
    ['with a COSE_Key of another curve', [10, 3, cose([-1, 3], [-2, x], [-3, y])]],
    ['with a COSE_Key without y', [10, 3, cose([-1, 1], [-2, x])]],
    ['with coordinates too long', [10, 3, cose([-1, 1], [-2, point], [-3, point])]],
    ['with a point off the curve', [10, 3, cose([-1, 1], [-2, x], [-3, x])]],
  ]
  for (const [what, value] of bad) {
    it(`is refused ${what}`, () => {
      expect(() => decodeAs(PublicKey, encode(value), 'key')).toThrow(malformed)
    })
  }
})

describe('keys of different kinds', () => {
  it('are not the same, and comparing them spoils no key that is imported next', () => {
    const pkcs8 = p256.export({ type: 'pkcs8', format: 'der' })
    const isSame = sameKey(signerFromPkcs8(pkcs8).key, importSpki(spkiOf(rsa2048)))
    expect(() => signerFromPkcs8(pkcs8)).not.toThrow()
    expect(isSame).toBe(false)
  })
})

function compressed(spki: Bytes): Bytes {
  const point = concat(Uint8Array.of(2 + ((spki.at(-1) ?? 0) & 1)), spki.subarray(27, 59))
  const short = concat(fromHex('3039301306072a8648ce3d020106082a8648ce3d030107032200'), point)
  createPublicKey({ key: short, format: 'der', type: 'spki' }) // which takes it
  return short
}

function bent(spki: Bytes): Bytes {
  const copy = new Uint8Array(spki)
  copy[60] = (copy[60] ?? 0) ^ 1
  return copy
}

/**
 * Known answers from other implementations: key exchange and derivation, sealed messages, signed
 * messages. What is not offered is listed, not left out in silence.
 */
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../protocol/bytes.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import { algorithmById } from '../../protocol/cose/algorithms.ts'
import { algorithmOf } from '../../protocol/cose/headers.ts'
import { Sign1, signSign1, toBeSigned, verifySign1 } from '../../protocol/cose/sign1.ts'
import {
  CIPHERS,
  answerAsDevice,
  findKex,
  finishOwnerExchange,
  startOwnerExchange,
} from '../../protocol/crypto/kex/suites.ts'
import { deriveTunnelKey, openMessage, sealMessage } from '../../protocol/crypto/kex/tunnel.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import { fixture, fromHex, toHex } from '../support/wire.ts'

/** A192GCM, which only go-fdo has; AES-CCM with 13-byte nonces, which the standard took back. */
const NOT_OFFERED = [2, 30, 31]

interface KexVector {
  kex: string
  cipher: string
  cipherId: number
  shSe: string
  contextRand: string
  SEK: string
  SVK: string
  xAKeyExchange: string
  xBKeyExchange: string
  ownerPrivateScalar?: string
  devicePrivateScalar?: string
  ownerExponent?: string
  deviceExponent?: string
  ownerRandom?: string
  deviceRandom?: string
  ownerRsaPkcs8?: string
}

describe('kex-kdf.json', () => {
  const { vectors } = fixture<{ vectors: KexVector[] }>('vectors/kex-kdf.json')

  it('has 42 vectors, six of them for a suite that is not offered', () => {
    expect(vectors).toHaveLength(42)
    const unknown = vectors.filter(({ cipherId }) => !CIPHERS.has(cipherId))
    expect(unknown.map(({ cipherId }) => cipherId)).toEqual(Array(6).fill(2))
  })

  for (const vector of vectors) {
    const name = `${vector.kex} with ${vector.cipher}`
    const cipher = CIPHERS.get(vector.cipherId)
    if (!cipher) {
      it.skip(`${name}: not offered`, () => {})
      continue
    }
    it(`${name}: the owner's side`, async () => {
      const kex = findKex(vector.kex)!
      const { xA, secret } = await startOwnerExchange(kex, ownerNumbers(vector))
      expect(toHex(xA)).toBe(vector.xAKeyExchange)
      const signer = ownerSigner(vector)
      const shared = await finishOwnerExchange(kex, secret, fromHex(vector.xBKeyExchange), signer)
      expect(toHex(shared.shSe)).toBe(vector.shSe)
      expect(toHex(shared.contextRand)).toBe(vector.contextRand)
      expect(toHex(deriveTunnelKey(cipher, shared))).toBe(vector.SEK + vector.SVK)
    })

    it(`${name}: the device's side`, async () => {
      const kex = findKex(vector.kex)!
      const { key } = ownerSigner(vector)
      const xA = fromHex(vector.xAKeyExchange)
      const { xB, shared } = await answerAsDevice(kex, xA, key, deviceNumbers(vector))
      // RSA-OAEP encrypts to other bytes each time; the owner's side has read the recorded ones.
      if (!vector.ownerRsaPkcs8) expect(toHex(xB)).toBe(vector.xBKeyExchange)
      expect(toHex(shared.shSe)).toBe(vector.shSe)
      expect(toHex(deriveTunnelKey(cipher, shared))).toBe(vector.SEK + vector.SVK)
    })
  }
})

describe('encrypt0.json and ccm.json', () => {
  interface SealVector {
    cipher: string
    cipherId: number
    SEK?: string
    SVK?: string
    SEVK?: string
    message: string
    plaintext: string
    negative?: { change: string; message: string }[]
  }
  const vectors = ['encrypt0', 'ccm'].flatMap(
    (file) => fixture<{ vectors: SealVector[] }>(`vectors/${file}.json`).vectors,
  )

  it('has eleven suites, three of them not offered', () => {
    expect(vectors).toHaveLength(11)
    const unknown = vectors.filter(({ cipherId }) => !CIPHERS.has(cipherId))
    expect(unknown.map(({ cipherId }) => cipherId)).toEqual(NOT_OFFERED)
  })

  for (const vector of vectors) {
    const cipher = CIPHERS.get(vector.cipherId)
    if (!cipher) {
      it.skip(`${vector.cipher}: not offered`, () => {})
      continue
    }
    const key = fromHex((vector.SEVK ?? vector.SEK ?? '') + (vector.SVK ?? ''))

    it(`${vector.cipher}: opens, and seals to the same bytes`, () => {
      const { plaintext, nonce } = openMessage(cipher, key, fromHex(vector.message))
      expect(toHex(plaintext)).toBe(vector.plaintext)
      expect(toHex(sealMessage(cipher, key, nonce, plaintext))).toBe(vector.message)
    })

    for (const { change, message } of vector.negative ?? []) {
      it(`${vector.cipher}: refuses a message with the ${change}`, () => {
        expect(() => openMessage(cipher, key, fromHex(message))).toThrow(FdoError)
      })
    }
  }
})

describe('cose-sign1.json', () => {
  interface SignVector {
    alg: string
    privateKeyPkcs8: string
    publicKeySpki: string
    payload: string
    protected: string
    sigStructure: string
    cases: { case: string; coseSign1: string; otherKeySpki?: string; goFdoResult: string }[]
  }
  const { vectors } = fixture<{ vectors: SignVector[] }>('vectors/cose-sign1.json')

  it('has 44 cases', () => {
    expect(vectors.flatMap(({ cases }) => cases)).toHaveLength(44)
  })

  for (const vector of vectors) {
    it(`${vector.alg}: what is signed has the same bytes, and verifies`, async () => {
      const header = fromHex(vector.protected)
      const payload = fromHex(vector.payload)
      expect(toHex(toBeSigned(header, payload))).toBe(vector.sigStructure)
      const algorithm = algorithmById(algorithmOf(header)!)!
      expect(algorithm.name).toBe(vector.alg)
      const signer = signerFromPkcs8(fromHex(vector.privateKeyPkcs8), algorithm)
      const message = decodeAs(Sign1, await signSign1(signer, payload), 'Sign1').value
      expect(await verifySign1(message, signer.key)).toBe(true)
    })

    for (const one of vector.cases) {
      it(`${vector.alg}, ${one.case}: ${one.goFdoResult.split(' ')[0]}, as go-fdo does`, async () => {
        const key = importSpki(fromHex(one.otherKeySpki ?? vector.publicKeySpki))
        const message = decodeAs(Sign1, fromHex(one.coseSign1), 'Sign1').value
        expect(await verifySign1(message, key)).toBe(one.goFdoResult === 'accept')
      })
    }
  }
})

function ownerNumbers(vector: KexVector): (length: number) => Bytes {
  return numbers(
    vector.ownerPrivateScalar ?? vector.ownerExponent ?? vector.xAKeyExchange,
    vector.ownerRandom,
  )
}

function deviceNumbers(vector: KexVector): (length: number) => Bytes {
  const { devicePrivateScalar, deviceExponent, deviceRandom } = vector
  const first = devicePrivateScalar ?? deviceExponent
  return first === undefined ? numbers(deviceRandom) : numbers(first, deviceRandom)
}

/** Hands out the recorded numbers in turn, each of the length asked for. */
function numbers(...recorded: (string | undefined)[]): (length: number) => Bytes {
  const queue = recorded.filter((hex) => hex !== undefined).map(fromHex)
  return (length) => {
    const next = queue.shift()
    if (next?.length !== length) throw new Error(`no recorded number of ${length} bytes`)
    return next
  }
}

function ownerSigner(vector: KexVector): Signer {
  return vector.ownerRsaPkcs8
    ? signerFromPkcs8(fromHex(vector.ownerRsaPkcs8))
    : signerFromPkcs8(fromHex(fixtureKey))
}

const fixtureKey = fixture<{ vectors: { privateKeyPkcs8: string }[] }>('vectors/cose-sign1.json')
  .vectors[0]!.privateKeyPkcs8

import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { HMAC_256, sealMac0 } from '../../../../protocol/cose/mac0.ts'
import { CIPHERS } from '../../../../protocol/crypto/kex/suites.ts'
import { openMessage, sealMessage } from '../../../../protocol/crypto/kex/tunnel.ts'

const plaintext = new Uint8Array(100).fill(7)

describe('cipher suites', () => {
  it('1, 3, 32 and 33 are on; CBC and CTR only if switched on', () => {
    const isOn = [...CIPHERS.values()].filter(({ isEnabledByDefault }) => isEnabledByDefault)
    expect(isOn.map(({ id }) => id)).toEqual([1, 3, 32, 33])
    expect(CIPHERS.size).toBe(8)
  })

  for (const cipher of CIPHERS.values()) {
    const key = new Uint8Array(cipher.keyBytes).fill(1)
    const nonce = new Uint8Array(cipher.nonceBytes).fill(2)
    const message = sealMessage(cipher, key, nonce, plaintext)

    it(`${cipher.name} opens what it sealed, an empty message too`, () => {
      for (const text of [plaintext, new Uint8Array(0), new Uint8Array(60_000)]) {
        const opened = openMessage(cipher, key, sealMessage(cipher, key, nonce, text))
        expect(toHex(opened.plaintext)).toBe(toHex(text))
        expect(toHex(opened.nonce)).toBe(toHex(nonce))
      }
    })

    it(`${cipher.name} refuses another key, and every change, with one error`, () => {
      const otherKey = new Uint8Array(key).fill(9, -1)
      const wrong = [new Uint8Array(0), message.subarray(1), message.subarray(0, -1)]
      for (let at = 0; at < message.length; at++) {
        const bent = new Uint8Array(message)
        bent[at] = (bent[at] ?? 0) ^ 0x10
        wrong.push(bent)
      }
      const refusal = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })
      for (const one of wrong) expect(() => openMessage(cipher, key, one)).toThrow(refusal)
      expect(() => openMessage(cipher, otherKey, message)).toThrow(refusal)
    })

    it(`${cipher.name} refuses a message of every other suite`, () => {
      for (const other of CIPHERS.values()) {
        if (other === cipher) continue
        const otherKey = new Uint8Array(other.keyBytes).fill(1)
        const otherNonce = new Uint8Array(other.nonceBytes).fill(2)
        const foreign = sealMessage(other, otherKey, otherNonce, plaintext)
        expect(() => openMessage(cipher, key, foreign)).toThrow(
          expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' }),
        )
      }
    })
  }
})

describe('a CBC message with a good tag', () => {
  const cipher = CIPHERS.get(-17760703)!
  const key = new Uint8Array(32).fill(1)
  const iv = new Uint8Array(16)

  it('and bad padding is refused like any other', () => {
    const inner = encode([
      new Uint8Array(0),
      new Map<number, number | Uint8Array>([
        [1, -65531],
        [5, iv],
      ]),
      new Uint8Array(32),
    ])
    const message = sealMac0(HMAC_256, key.subarray(16), inner)
    expect(() => openMessage(cipher, key, message)).toThrow(
      expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' }),
    )
  })

  it('that names another algorithm inside is refused', () => {
    const inner = encode([
      new Uint8Array(0),
      new Map<number, number | Uint8Array>([
        [1, -65534],
        [5, iv],
      ]),
      concat(iv, iv),
    ])
    const message = sealMac0(HMAC_256, key.subarray(16), inner)
    expect(() => openMessage(cipher, key, message)).toThrow(/cannot be read/)
  })
})

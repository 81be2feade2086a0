import { describe, expect, it } from 'vitest'
import { fromHex, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import {
  HMAC_SHA256,
  HMAC_SHA384,
  HMac,
  Hash,
  SHA256,
  SHA384,
  hashOf,
  hashTypeOf,
  hmacOf,
  sameHash,
  startHash,
} from '../../../../protocol/crypto/hash.ts'

describe('hashes', () => {
  it('are computed, at once and in parts', () => {
    const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'
    expect(toHex(hashOf(SHA256, utf8('abc')).value)).toBe(abc)
    const running = startHash(SHA256)
    running.update(utf8('a'))
    running.update(utf8('bc'))
    expect(toHex(running.digest())).toBe(abc)
    expect(hashOf(SHA384, utf8('abc')).value).toHaveLength(48)
  })

  it('with a key are RFC 4231’s', () => {
    const [key, data] = [utf8('Jefe'), utf8('what do ya want for nothing?')]
    expect(toHex(hmacOf(HMAC_SHA256, key, data).value)).toBe(
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    )
    expect(toHex(hmacOf(HMAC_SHA384, key, data).value)).toMatch(/^af45d2e376484031617f78d2b58a6b1b/)
  })

  it('are written with their type, and read', () => {
    const hash = hashOf(SHA384, utf8(''))
    expect(decodeAs(Hash, encodeAs(Hash, hash), 'hash').value).toEqual(new Uint8Array(hash.value))
    const hmac = hmacOf(HMAC_SHA256, utf8('k'), utf8(''))
    expect(toHex(encodeAs(HMac, hmac))).toMatch(/^82055820/)
  })

  it('are the same if type and bytes are', () => {
    const one = hashOf(SHA256, utf8('a'))
    expect(sameHash(one, hashOf(SHA256, utf8('a')))).toBe(true)
    expect(sameHash(one, hashOf(SHA256, utf8('b')))).toBe(false)
    expect(sameHash(one, { type: HMAC_SHA256, value: one.value })).toBe(false)
    expect(sameHash(one, { type: SHA256, value: fromHex('00') })).toBe(false)
  })

  it('have the strength of an HMAC', () => {
    expect([hashTypeOf(HMAC_SHA256), hashTypeOf(HMAC_SHA384)]).toEqual([SHA256, SHA384])
  })

  it('are refused of another type or length', () => {
    const digest = new Uint8Array(32)
    for (const bad of [[5, digest], [SHA384, digest], [SHA256, new Uint8Array(31)], [SHA256]]) {
      expect(() => decodeAs(Hash, encode(bad), 'hash')).toThrow(/hash/)
    }
    expect(() => decodeAs(HMac, encode([SHA256, digest]), 'hmac')).toThrow(/hmac/)
    expect(() => decodeAs(HMac, encode([6, digest]), 'hmac')).toThrow(/48 bytes/)
  })
})

import { describe, expect, it } from 'vitest'
import { EMPTY, concat, fromHex, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { CIPHERS } from '../../../../protocol/crypto/kex/suites.ts'
import { openMessage, sealMessage } from '../../../../protocol/crypto/kex/tunnel.ts'
import { type Tunnel, openFrom, sealInto, startTunnel } from '../../../../protocol/to2/tunnel.ts'
import { seededRandom } from '../../../support/to2-world.ts'

const GCM = CIPHERS.get(1)!
const CCM = CIPHERS.get(32)!
const key = new Uint8Array(16).fill(7)
const text = utf8('hello')

const nonceOf = (message: Uint8Array, cipher = CCM) => openMessage(cipher, key, message).nonce
const ccmAt = (nonce: string, seen = EMPTY): Tunnel => ({
  cipher: 32,
  key,
  nextNonce: fromHex(nonce),
  seen,
})

describe('the tunnel, counted nonces', () => {
  it.each([
    ['owner', 0x80],
    ['device', 0],
  ] as const)('begins anywhere in the half of the %s', (party, bit) => {
    for (let seed = 0; seed < 20; seed++) {
      const { nextNonce } = startTunnel(CCM, key, party, seededRandom(`${seed}`))
      expect(nextNonce).toHaveLength(7)
      expect((nextNonce[0] ?? 0) & 0x80).toBe(bit)
    }
  })

  it('counts up by one for every message', () => {
    const first = sealInto(ccmAt('800000000000ff'), text, seededRandom(''))
    const second = sealInto(first.tunnel, text, seededRandom(''))
    expect(toHex(nonceOf(first.message))).toBe('800000000000ff')
    expect(toHex(nonceOf(second.message))).toBe('80000000000100')
  })

  it.each([
    ['ffffffffffffff', '80000000000000'],
    ['7fffffffffffff', '00000000000000'],
  ])('stays in its half past %s', (last, next) => {
    expect(toHex(sealInto(ccmAt(last), text, seededRandom('')).tunnel.nextNonce)).toBe(next)
  })

  it('never sends one that the other party has used', () => {
    const seen = concat(fromHex('80000000000005'), fromHex('80000000000006'))
    const { message, tunnel } = sealInto(ccmAt('80000000000005', seen), text, seededRandom(''))
    expect(toHex(nonceOf(message))).toBe('80000000000007')
    expect(toHex(tunnel.nextNonce)).toBe('80000000000008')
  })
})

describe('the tunnel', () => {
  it('draws the longer nonces afresh', () => {
    const tunnel = startTunnel(GCM, key, 'owner', seededRandom(''))
    const random = seededRandom('nonces')
    const [one, two] = [sealInto(tunnel, text, random), sealInto(tunnel, text, random)]
    expect(toHex(nonceOf(one.message, GCM))).not.toBe(toHex(nonceOf(two.message, GCM)))
  })

  it('gives what was sealed', () => {
    const sealed = sealInto(
      startTunnel(GCM, key, 'device', seededRandom('')),
      text,
      seededRandom(''),
    )
    const owner = startTunnel(GCM, key, 'owner', seededRandom(''))
    expect(toHex(openFrom(owner, sealed.message).plaintext)).toBe(toHex(text))
  })

  it('refuses a message sent once more', () => {
    const message = sealMessage(CCM, key, fromHex('00000000000001'), text)
    const { tunnel } = openFrom(ccmAt('80000000000000'), message)
    expect(() => openFrom(tunnel, message)).toThrow('a nonce used before')
  })

  it('refuses another message under a nonce used before', () => {
    const nonce = fromHex('00000000000001')
    const { tunnel } = openFrom(ccmAt('80000000000000'), sealMessage(CCM, key, nonce, text))
    const other = sealMessage(CCM, key, nonce, utf8('other'))
    expect(() => openFrom(tunnel, other)).toThrow('a nonce used before')
  })

  it('remembers the latest 1024 nonces, and no more', () => {
    let tunnel = ccmAt('80000000000000', new Uint8Array(1023 * 7))
    for (const last of ['01', '02']) {
      const message = sealMessage(CCM, key, fromHex(`000000000000${last}`), text)
      tunnel = openFrom(tunnel, message).tunnel
    }
    expect(tunnel.seen).toHaveLength(1024 * 7)
    expect(toHex(tunnel.seen.subarray(-14))).toBe('0000000000000100000000000002')
  })

  it('refuses a message of another key', () => {
    const message = sealMessage(CCM, new Uint8Array(16), fromHex('00000000000001'), text)
    expect(() => openFrom(ccmAt('80000000000000'), message)).toThrow(
      expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' }),
    )
  })
})

/** Which keys of others are good enough, and where in a token its roles stand. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { valuesOfClaim } from '../../../../src/callers/providers/claim.ts'
import { isFor, readKeySet } from '../../../../src/callers/public-keys.ts'
import { rsaKey } from '../../../support/certificates.ts'
import { programKey } from '../../../support/callers.ts'

const { jwk } = await programKey()
const read = (...keys: unknown[]) => readKeySet({ keys })

describe('a set of public keys', () => {
  it('is kept as what a verifier needs', () => {
    expect(read({ ...jwk, use: 'sig', x5c: ['AAAA'], note: 'x' })).toEqual([jwk])
    const { publicKey } = generateKeyPairSync('ed25519')
    expect(read(publicKey.export({ format: 'jwk' }))).toMatchObject([{ kty: 'OKP' }])
  })

  it('is read without the keys in it that verify nothing', () => {
    const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey
    const odd = generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey
    const dh = generateKeyPairSync('x25519').publicKey
    const others = [weak, odd, dh].map((key) => key.export({ format: 'jwk' }))
    const useless = [{ ...jwk, use: 'enc' }, { kty: 'EC' }, 7, null, { ...jwk, kid: 7 }]
    const long = { ...jwk, kid: 'x'.repeat(257) }
    expect(read(...others, ...useless, long, jwk)).toEqual([jwk])
    expect(() => read(...others)).toThrow('no key that verifies')
  })

  it.each([undefined, null, [], {}, { keys: {} }, 'keys'])('is not %j', (document) => {
    expect(() => readKeySet(document)).toThrow('no list of keys')
  })

  it('has no private key in it, no secret, and not too many', () => {
    const { d } = rsaKey().export({ format: 'jwk' })
    expect(() => read({ ...jwk, d })).toThrow('private key')
    expect(() => read(jwk, { kty: 'oct', k: 'AAAA' })).toThrow('secret')
    expect(() => read(...Array.from({ length: 51 }, () => jwk))).toThrow('more than 50')
  })

  it('is for the algorithms of its keys, and of those for what a key says itself', () => {
    const key = { kty: 'EC', crv: 'P-256' }
    expect(isFor(key, ['ES256'])).toBe(true)
    expect(isFor(key, ['ES384', 'RS256'])).toBe(false)
    expect(isFor({ kty: 'RSA', alg: 'PS256' }, ['PS256'])).toBe(true)
    expect(isFor({ kty: 'RSA', alg: 'PS512' }, ['PS256'])).toBe(false)
    expect(isFor({ kty: 'OKP', crv: 'X25519' }, ['EdDSA'])).toBe(false)
  })
})

describe('a claim', () => {
  it('is found by its name or by a path, the name first', () => {
    const claims = { groups: ['a', 'b'], deep: { er: { roles: ['c'] } }, 'https://x.y/roles': 'd' }
    expect(valuesOfClaim(claims, 'groups')).toEqual(['a', 'b'])
    expect(valuesOfClaim(claims, 'deep.er.roles')).toEqual(['c'])
    expect(valuesOfClaim(claims, 'https://x.y/roles')).toEqual(['d'])
    expect(valuesOfClaim({ 'a.b': 'name', a: { b: 'path' } }, 'a.b')).toEqual(['name'])
  })

  it('is text, or a list of texts, and each counts as a whole', () => {
    expect(valuesOfClaim({ roles: 'some admin' }, 'roles')).toEqual(['some admin'])
    expect(valuesOfClaim({ roles: ['a', 7, null, ['b'], { c: 'd' }] }, 'roles')).toEqual(['a'])
    expect(valuesOfClaim({ roles: 7 }, 'roles')).toEqual([])
  })

  it('is not what every object has', () => {
    expect(valuesOfClaim({}, 'constructor.name')).toEqual([])
    expect(valuesOfClaim({ a: 'x' }, 'a.length')).toEqual([])
    expect(valuesOfClaim({ a: { b: 'x' } }, 'a.constructor.name')).toEqual([])
  })

  it('is read no further than a thousand values', () => {
    const roles = Array.from({ length: 1001 }, (_, i) => String(i))
    expect(valuesOfClaim({ roles }, 'roles')).toHaveLength(1000)
  })
})

import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint } from 'jose'
import { describe, expect, it } from 'vitest'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { adapterFactory } from '../../../../src/tokens/adapter.ts'
import { knownScopes, parseScopes } from '../../../../src/tokens/scopes.ts'
import { signingKeyOf } from '../../../../src/tokens/signing-key.ts'
import { p256 } from '../../../support/pki.ts'

describe('scopes', () => {
  it('are those that exist, each once', () => {
    const names = ['x', 'device:certificate', 'device:whoami', 'device:certificate', 'toString']
    expect(knownScopes(names)).toEqual(['device:whoami', 'device:certificate'])
  })

  it('are separated by spaces', () => {
    expect(parseScopes(' a  b ')).toEqual(['a', 'b'])
    expect(parseScopes(undefined)).toEqual([])
  })
})

describe('the key that signs tokens', () => {
  it('goes by its RFC 7638 thumbprint, and shows no more than its public half', async () => {
    const { kid, publicJwk } = signingKeyOf(signerOf(p256().privateKey))
    expect(kid).toBe(await calculateJwkThumbprint(publicJwk))
    expect(Object.keys(publicJwk).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  it('is of no other kind than P-256', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    expect(() => signingKeyOf(signerOf(privateKey))).toThrow('p384')
  })
})

describe('what the OAuth server keeps', () => {
  const adapter = adapterFactory({
    findDevice: async (id) => (id === 'fdod_a' ? { guid: 'a', scopes: [] } : undefined),
    machines: { findActive: async () => undefined },
    now: () => new Date(),
  })

  it('is nothing: its clients are looked up where they are', async () => {
    expect(await adapter('Client').find('fdod_a')).toMatchObject({
      client_id: 'fdod_a',
      tls_client_auth_san_uri: 'urn:fdo:device:fdod_a',
      grant_types: ['client_credentials'],
    })
    expect(await adapter('Client').find('fdod_b')).toBeUndefined()
    expect(await adapter('Session').find('fdod_a')).toBeUndefined()
    await expect(adapter('Session').upsert('x', {}, 1)).rejects.toThrow('Session')
  })
})

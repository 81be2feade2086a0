import { createECDH } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { keyOfDidKey } from '../../../../protocol/did/did-key.ts'
import { didWebOf, documentUrlOf } from '../../../../protocol/did/did-web.ts'
import { buildDidDocument, readDidDocument } from '../../../../protocol/did/document.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { ecKey, rsaKey } from '../../../support/certificates.ts'

const DID = 'did:web:example.com'
const recipientUrl = 'https://example.com/transfer/in'
const holderUrl = 'https://example.com/transfer/out'

describe('did:web', () => {
  it.each([
    ['did:web:example.com', 'https://example.com/.well-known/did.json'],
    ['did:web:example.com%3A8443', 'https://example.com:8443/.well-known/did.json'],
    ['did:web:example.com:parties:a1', 'https://example.com/parties/a1/did.json'],
    ['did:web:127.0.0.1%3A80:p', 'https://127.0.0.1:80/p/did.json'],
  ])('%s is found at %s', (did, url) => {
    expect(documentUrlOf(did)).toBe(url)
  })

  it('is made of an address', () => {
    expect(didWebOf('https://example.com:8443', ['parties', 'a1'])).toBe(
      'did:web:example.com%3A8443:parties:a1',
    )
    expect(didWebOf('http://example.com/', [])).toBe(DID)
    expect(documentUrlOf(DID, 'http')).toBe('http://example.com/.well-known/did.json')
  })

  it.each([
    'did:key:zabc',
    'did:web:',
    'did:web:user@host',
    'did:web:host/path',
    'did:web:host%2Fpath',
    'did:web:host%3A99999999',
    'did:web:host:..',
    'did:web:host:.well-known',
    'did:web:host::a',
    'did:web:host:a?b',
    'did:web:host:%2e%2e',
    `did:web:${'a'.repeat(2000)}`,
  ])('is not %s', (did) => {
    expect(() => documentUrlOf(did)).toThrow(FdoError)
  })

  it('never leads to another host than it names', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (rest) => {
        try {
          const { host, pathname } = new URL(documentUrlOf(`did:web:example.com${rest}`))
          expect(host).toMatch(/^example\.com/)
          expect(pathname).toMatch(/\/did\.json$/)
        } catch (error) {
          if (!(error instanceof FdoError) && !(error instanceof TypeError)) throw error
        }
      }),
    )
  })
})

describe('did:key', () => {
  it('is the key of a curve', () => {
    for (const [namedCurve, multicodec] of [
      ['P-256', 0x80],
      ['P-384', 0x81],
    ] as const) {
      const privateKey = ecKey(namedCurve)
      const { key } = signerOf(privateKey)
      const ecdh = createECDH(namedCurve === 'P-256' ? 'prime256v1' : 'secp384r1')
      const { d = '' } = privateKey.export({ format: 'jwk' })
      ecdh.setPrivateKey(Buffer.from(d, 'base64url'))
      const point = ecdh.getPublicKey(null, 'compressed')
      const did = `did:key:z${base58(Buffer.concat([Buffer.of(multicodec, 0x24), point]))}`
      expect(keyOfDidKey(did).spki).toEqual(key.spki)
    }
  })

  it('is the example of the did:key draft', () => {
    const key = keyOfDidKey('did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169')
    expect(key.kind).toBe('p256')
  })

  it.each([
    'did:key:',
    'did:key:z',
    'did:key:z0OIl',
    'did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK',
    'did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU216',
    `did:key:zDn${'a'.repeat(500)}`,
  ])('is not %s', (did) => {
    expect(() => keyOfDidKey(did)).toThrow(FdoError)
  })
})

function base58(bytes: Uint8Array): string {
  const alphabet = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let number = BigInt(`0x${Buffer.from(bytes).toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = `${alphabet[Number(number % 58n)]}${text}`
  return text
}

describe('a DID document', () => {
  it.each([
    ['P-256', ecKey()],
    ['P-384', ecKey('P-384')],
    ['RSA', rsaKey()],
  ])('says the key and both addresses: %s', (_, privateKey) => {
    const { key } = signerOf(privateKey)
    const party = { did: DID, key, recipientUrl, holderUrl }
    const read = readDidDocument(buildDidDocument(party), DID)
    expect(read).toMatchObject({ did: DID, recipientUrl, holderUrl })
    expect(read.key.spki).toEqual(key.spki)
  })

  it('says the key in use first, and which are in use no more', () => {
    const [key, further, former] = [ecKey(), rsaKey(), ecKey()].map((one) => signerOf(one).key)
    if (!key || !further || !former) expect.fail()
    const text = buildDidDocument({ did: DID, key, furtherKeys: [further], formerKeys: [former] })
    const document = JSON.parse(text)
    const ids = [1, 2, 3].map((number) => `${DID}#key-${number}`)
    expect(document.verificationMethod.map(({ id }: { id: string }) => id)).toEqual(ids)
    expect(document.verificationMethod[1].publicKeyJwk).toMatchObject({ kty: 'RSA', kid: ids[1] })
    expect(document.authentication).toEqual(ids.slice(0, 1))
    expect(document.assertionMethod).toEqual(ids.slice(0, 2))
    expect(readDidDocument(text, DID).key.spki).toEqual(key.spki)
  })

  const { key } = signerOf(ecKey())
  const whole = JSON.parse(buildDidDocument({ did: DID, key, recipientUrl }))

  it('has the shape go-fdo gives it', () => {
    const id = `${DID}#key-1`
    expect(whole).toMatchObject({
      '@context': [
        'https://www.w3.org/ns/did/v1',
        'https://w3id.org/security/suites/jws-2020/v1',
        'https://fidoalliance.org/ns/fdo/v1',
      ],
      id: DID,
      verificationMethod: [
        {
          id,
          type: 'JsonWebKey2020',
          controller: DID,
          publicKeyJwk: { kty: 'EC', crv: 'P-256', kid: id, use: 'sig' },
        },
      ],
      authentication: [id],
      assertionMethod: [id],
      service: [
        {
          id: `${DID}#voucher-recipient`,
          type: 'FDOVoucherRecipient',
          serviceEndpoint: recipientUrl,
        },
      ],
    })
  })

  it('names the first service of a kind, and need not name any', () => {
    const twice = {
      ...whole,
      service: [...whole.service, { type: 'FDOVoucherRecipient', serviceEndpoint: 'https://b' }],
    }
    expect(readDidDocument(JSON.stringify(twice), DID).recipientUrl).toBe(recipientUrl)
    const none = readDidDocument(JSON.stringify({ ...whole, service: undefined }), DID)
    expect(none).not.toHaveProperty('recipientUrl')
    expect(none).not.toHaveProperty('holderUrl')
  })

  const [method] = whole.verificationMethod
  const withJwk = (publicKeyJwk: unknown) => ({ verificationMethod: [{ ...method, publicKeyJwk }] })
  it.each([
    ['another’s', { id: 'did:web:example.org' }],
    ['without a key', { verificationMethod: [] }],
    ['with a key that is no JWK', { verificationMethod: [{ publicKeyMultibase: 'z' }] }],
    ['with an Ed25519 key', withJwk({ kty: 'OKP', crv: 'Ed25519', x: 'AA' })],
    ['with a point off the curve', withJwk({ ...method.publicKeyJwk, x: 'AAAA' })],
    ['with half a key', withJwk({ kty: 'EC', crv: 'P-256', x: method.publicKeyJwk.x })],
    ['with an endless number', withJwk({ kty: 'RSA', e: 'AQAB', n: 'A'.repeat(9000) })],
    ['with an endpoint that is none', { service: [{ type: 'FDOVoucherHolder' }] }],
    [
      'with an endpoint of another scheme',
      { service: [{ type: 'FDOVoucherRecipient', serviceEndpoint: 'file:///etc/passwd' }] },
    ],
    ['with services that are no list', { service: {} }],
  ])('%s is refused', (_, changes) => {
    expect(() => readDidDocument(JSON.stringify({ ...whole, ...changes }), DID)).toThrow(FdoError)
  })

  it('that is anything else is refused as such', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(() => readDidDocument(text, DID)).toThrow(FdoError)
      }),
    )
  })
})

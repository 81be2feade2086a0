import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { X509CertificateGenerator, cryptoProvider } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../../../protocol/bytes.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import {
  KEY_CERT_SIGN,
  parseCertificate,
  spkiOfCertificate,
} from '../../../../protocol/x509/certificate.ts'
import {
  bitString,
  boolean,
  contextTag,
  der,
  integer,
  octetString,
  oid,
  sequence,
} from '../../../../protocol/x509/der.ts'
import {
  CA_USAGE,
  type CertificateOrder,
  EC,
  EC_384,
  NOT_BEFORE,
  certificateOf,
  ecKey,
  extension,
  nameOf,
  spkiOf,
} from '../../../support/certificates.ts'
import { partsOf, voucherVectors } from '../../../support/vouchers.ts'

const key = ecKey()
const order: CertificateOrder = { key, subject: 'a device' }

describe('a certificate', () => {
  it('is read as node:crypto reads it', () => {
    const encoded = certificateOf({ ...order, isCa: true, pathLength: 3, keyUsage: CA_USAGE })
    const ours = parseCertificate(encoded)
    const theirs = new X509Certificate(encoded)
    expect(toHex(ours.serialNumber)).toBe(theirs.serialNumber.toLowerCase())
    expect(toHex(ours.spki)).toBe(
      theirs.publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
    )
    expect(ours.notBefore).toEqual(new Date(theirs.validFrom))
    expect(ours.notAfter).toEqual(new Date(theirs.validTo))
    expect(ours.isCa).toBe(theirs.ca)
    expect(ours.subject).toEqual(nameOf('a device'))
    expect(ours.pathLength).toBe(3)
    expect(ours.keyUsage! & KEY_CERT_SIGN).toBeTruthy()
    expect(toHex(ours.signatureAlgorithm)).toBe(toHex(EC.identifier))
  })

  it('made by another library is read too', async () => {
    cryptoProvider.set(crypto)
    const algorithm = { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const theirs = await X509CertificateGenerator.createSelfSigned({
      serialNumber: '0badcafe',
      name: `CN=${'x'.repeat(97).slice(0, 64)}, O=Another`,
      notBefore: NOT_BEFORE,
      notAfter: new Date('2051-06-07T08:09:10Z'),
      signingAlgorithm: algorithm,
      keys,
    })
    const ours = parseCertificate(new Uint8Array(theirs.rawData))
    expect(toHex(ours.serialNumber)).toBe('0badcafe')
    expect(ours.notAfter).toEqual(new Date('2051-06-07T08:09:10Z'))
    expect(toHex(ours.spki)).toBe(Buffer.from(theirs.publicKey.rawData).toString('hex'))
    expect(ours.isCa).toBeUndefined()
    expect(ours.keyUsage).toBeUndefined()
  })

  it('may be of version 1', () => {
    const { version, extensions } = parseCertificate(certificateOf({ ...order, version: 1 }))
    expect(version).toBe(1)
    expect(extensions.size).toBe(0)
  })

  it('keeps extensions it does not know', () => {
    const encoded = certificateOf({
      ...order,
      extensions: [extension('1.2.3.4', octetString(Uint8Array.of(9)), false)],
    })
    expect(parseCertificate(encoded).extensions.get('1.2.3.4')).toEqual({
      critical: false,
      value: Uint8Array.of(4, 1, 9),
    })
  })

  it('gives its key without being read in full', () => {
    for (const version of [1, 3]) {
      expect(spkiOfCertificate(certificateOf({ ...order, version }))).toEqual(spkiOf(key))
    }
  })

  it('of go-fdo, every one in the vectors, is read', () => {
    for (const { name } of voucherVectors) {
      for (const encoded of partsOf(name).chain) {
        const ours = parseCertificate(encoded)
        const theirs = new X509Certificate(encoded)
        expect(ours.isCa ?? false).toBe(theirs.ca)
        expect(ours.notAfter).toEqual(new Date(theirs.validTo))
      }
    }
  })
})

describe('a certificate is refused', () => {
  const basic = '2.5.29.19'
  const wrong: [string, Uint8Array][] = [
    ['with bytes after its end', concat(certificateOf(order), Uint8Array.of(0))],
    ['of version 2', certificateOf({ ...order, version: 2 })],
    ['of version 4', certificateOf({ ...order, version: 4 })],
    ['naming two algorithms', certificateOf({ ...order, innerAlgorithm: EC_384.identifier })],
    [
      'with an extension twice',
      certificateOf({
        ...order,
        extensions: [extension('1.2.3', boolean(true)), extension('1.2.3', boolean(true))],
      }),
    ],
    [
      'with something after the path length',
      certificateOf({
        ...order,
        extensions: [extension(basic, sequence(boolean(true), integer(1), integer(2)))],
      }),
    ],
    [
      'with something after the key usage',
      certificateOf({
        ...order,
        extensions: [extension('2.5.29.15', concat(bitString(Uint8Array.of(1)), integer(2)))],
      }),
    ],
    [
      'with three parts to an extension’s name',
      certificateOf({
        ...order,
        extensions: [
          sequence(oid('1.2.3'), boolean(true), octetString(boolean(true)), boolean(true)),
        ],
      }),
    ],
    ['that is something else', sequence(integer(1))],
    ['that is empty', new Uint8Array(0)],
    ['whose parts are of the wrong kind', sequence(integer(1), integer(2), integer(3))],
    [
      'whose version is said twice',
      sequence(
        sequence(der(contextTag(0), integer(2), integer(2))),
        EC.identifier,
        bitString(new Uint8Array(8)),
      ),
    ],
  ]
  for (const [what, encoded] of wrong) {
    it(what, () => {
      expect(() => parseCertificate(encoded)).toThrow(FdoError)
    })
  }
})

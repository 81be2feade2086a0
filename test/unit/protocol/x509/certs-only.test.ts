import { ContentInfo, SignedData } from '@peculiar/asn1-cms'
import { AsnConvert } from '@peculiar/asn1-schema'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { buildCertsOnly, parseCertsOnly } from '../../../../protocol/x509/certs-only.ts'
import { contextTag, der, integer, oid, sequence, setOf } from '../../../../protocol/x509/der.ts'
import { certificatesToPem, fromPem, toPem } from '../../../../protocol/x509/pem.ts'
import { CA_CERTIFICATE, certificateFor } from '../../../support/test-issuer.ts'
import { hostKey } from '../../../support/memory-host.ts'

const malformed = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })
const bytesOf = (structure: unknown) => new Uint8Array(AsnConvert.serialize(structure))
const leaf = await certificateFor(hostKey().spki)

describe('certificates in PKCS#7', () => {
  it('are read as they were written', () => {
    expect(parseCertsOnly(buildCertsOnly([leaf, CA_CERTIFICATE]))).toEqual([leaf, CA_CERTIFICATE])
  })

  it('are what another library takes for them', () => {
    const message = AsnConvert.parse(buildCertsOnly([leaf, CA_CERTIFICATE]), ContentInfo)
    const { certificates, signerInfos } = AsnConvert.parse(message.content, SignedData)
    expect(certificates?.map(({ certificate }) => certificate && bytesOf(certificate))).toEqual([
      leaf,
      CA_CERTIFICATE,
    ])
    expect(signerInfos).toHaveLength(0)
  })

  it('may be followed by revocation lists', () => {
    const signedData = sequence(
      integer(1),
      setOf(),
      sequence(oid('1.2.840.113549.1.7.1')),
      der(contextTag(0), leaf),
      der(contextTag(1)),
      setOf(),
    )
    const message = sequence(oid('1.2.840.113549.1.7.2'), der(contextTag(0), signedData))
    expect(parseCertsOnly(message)).toEqual([leaf])
  })

  it('are refused in anything else', () => {
    const data = sequence(oid('1.2.840.113549.1.7.1'), der(contextTag(0), sequence()))
    for (const other of [leaf, data, buildCertsOnly([]), utf8('x'), new Uint8Array(0)]) {
      expect(() => parseCertsOnly(other)).toThrow(malformed)
    }
  })

  it('are refused without the certificates, or with something after them', () => {
    const without = sequence(integer(1), setOf(), sequence(oid('1.2.840.113549.1.7.1')), setOf())
    const message = sequence(oid('1.2.840.113549.1.7.2'), der(contextTag(0), without))
    expect(() => parseCertsOnly(message)).toThrow(malformed)
    const whole = buildCertsOnly([leaf])
    expect(() => parseCertsOnly(Uint8Array.from([...whole, 0]))).toThrow(malformed)
  })
})

describe('PEM', () => {
  it('is read as it was written, whatever stands around it', () => {
    const pem = `a comment\r\n${certificatesToPem([leaf, CA_CERTIFICATE]).replaceAll('\n', '\r\n')}`
    expect(fromPem(pem)).toEqual([leaf, CA_CERTIFICATE])
  })

  it('has lines of 64 characters', () => {
    const lines = toPem('CERTIFICATE', leaf).split('\n')
    expect(lines.slice(1, -3).every((line) => line.length === 64)).toBe(true)
  })

  it.each([
    '',
    'no block',
    '-----BEGIN CERTIFICATE-----\nAAAA\n',
    '-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n',
    '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END X509 CRL-----\n',
  ])('is nothing in %j', (text) => {
    expect(fromPem(text)).toBeUndefined()
  })
})

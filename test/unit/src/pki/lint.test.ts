import { describe, expect, it } from 'vitest'
import { type Bytes, concat, utf8 } from '../../../../protocol/bytes.ts'
import {
  Tag,
  boolean,
  contextTag,
  der,
  integer,
  namedBits,
  octetString,
  oid,
  primitiveContextTag,
  sequence,
  setOf,
  utf8String,
} from '../../../../protocol/x509/der.ts'
import {
  type TbsFields,
  fixedExtensions,
  keyIdentifier,
  name,
  tbsCertificate,
  validity,
} from '../../../../src/pki/der.ts'
import { type LintContext, findLintFlaw } from '../../../../src/pki/lint.ts'
import { IDEVID, ISSUING_CA, LDEVID, OID, TLS_SERVER } from '../../../../src/pki/profiles.ts'
import { p256 } from '../../../support/pki.ts'

const DAY_MS = 86_400_000
const START = new Date('2026-01-02T03:04:05Z')
const { spki } = p256()
const issuer = {
  subject: name(['commonName', 'An authority']),
  keyId: new Uint8Array(20).fill(7),
  notAfter: new Date(START.getTime() + 1000 * DAY_MS),
}
const context: LintContext = { profile: LDEVID, issuer, spki, deviceId: 'fdod_a' }

const lasting = (days: number) => validity(START, new Date(START.getTime() + days * DAY_MS))

const good: TbsFields = {
  serial: new Uint8Array(16).fill(0x11),
  issuer: issuer.subject,
  validity: lasting(30),
  subject: name(['commonName', 'fdod_a']),
  spki,
  fixedExtensions: fixedExtensions(LDEVID, issuer.keyId),
  alternativeNames: [{ uri: 'urn:fdo:device:fdod_a' }],
}

const lint = (fields: Partial<TbsFields>, changes: Partial<LintContext> = {}) =>
  findLintFlaw(tbsCertificate({ ...good, ...fields }), { ...context, ...changes })

const keyUsage = (value: Bytes, ...critical: Bytes[]) =>
  sequence(oid(OID.keyUsage), ...critical, octetString(value))
const authorityKey = sequence(
  oid(OID.authorityKeyIdentifier),
  octetString(sequence(der(primitiveContextTag(0), issuer.keyId))),
)
const purposes = (...ids: string[]) =>
  sequence(oid(OID.extendedKeyUsage), octetString(sequence(...ids.map((id) => oid(id)))))
const CLIENT = '1.3.6.1.5.5.7.3.2'

describe('lint', () => {
  it('passes what the profile says', () => {
    expect(lint({})).toBeUndefined()
  })

  it.each<[string, Partial<TbsFields>, string]>([
    ['a short serial number', { serial: new Uint8Array(8).fill(1) }, 'serial'],
    ['a long one', { serial: new Uint8Array(21).fill(1) }, 'serial'],
    ['another issuer', { issuer: name(['commonName', 'Another']) }, 'another issuer'],
    ['another key', { spki: p256().spki }, 'another public key'],
    ['a life too long', { validity: lasting(31) }, 'longer life than its profile'],
    ['no life', { validity: lasting(0) }, 'before its beginning'],
    ['another device in the subject', { subject: name(['commonName', 'fdod_b']) }, 'subject'],
    [
      'a subject with more in it',
      { subject: name(['commonName', 'fdod_a'], ['serialNumber', '1']) },
      'subject',
    ],
    ['no subject', { subject: sequence() }, 'no subject'],
    ['an empty attribute', { subject: name(['commonName', '']) }, 'empty or too long'],
    ['a long attribute', { subject: name(['commonName', 'x'.repeat(65)]) }, 'empty or too long'],
    ['no alternative name', { alternativeNames: [] }, '2.5.29.17'],
    ['another device’s', { alternativeNames: [{ uri: 'urn:fdo:device:fdod_b' }] }, '2.5.29.17'],
    [
      'a second alternative name',
      { alternativeNames: [{ uri: 'urn:fdo:device:fdod_a' }, { dns: 'evil.example' }] },
      '2.5.29.17',
    ],
    [
      'the extensions of a CA',
      { fixedExtensions: fixedExtensions(ISSUING_CA, issuer.keyId) },
      '2.5.29.19',
    ],
    [
      'those of a server',
      { fixedExtensions: fixedExtensions(TLS_SERVER, issuer.keyId) },
      '2.5.29.37',
    ],
    [
      'those of a birth certificate',
      { fixedExtensions: fixedExtensions(IDEVID, issuer.keyId) },
      '2.5.29.37',
    ],
    [
      'another authority’s key',
      { fixedExtensions: fixedExtensions(LDEVID, new Uint8Array(20)) },
      '2.5.29.35',
    ],
    [
      'a key usage that is not critical',
      { fixedExtensions: concat(keyUsage(namedBits(1)), authorityKey, purposes(CLIENT)) },
      'critical',
    ],
    [
      'a key usage of more',
      {
        fixedExtensions: concat(
          keyUsage(namedBits(0x21), boolean(true)),
          authorityKey,
          purposes(CLIENT),
        ),
      },
      '2.5.29.15: wrong value',
    ],
    [
      'a purpose more',
      {
        fixedExtensions: concat(
          keyUsage(namedBits(1), boolean(true)),
          authorityKey,
          purposes(CLIENT, '1.3.6.1.5.5.7.3.1'),
        ),
      },
      '2.5.29.37: wrong value',
    ],
    [
      'an extension nobody knows',
      { fixedExtensions: concat(good.fixedExtensions, sequence(oid('1.2.3.4'), octetString())) },
      'no profile',
    ],
    [
      'an extension twice',
      { fixedExtensions: concat(good.fixedExtensions, authorityKey) },
      'twice',
    ],
  ])('finds %s', (_, fields, flaw) => {
    expect(lint(fields)).toContain(flaw)
  })

  it('finds a life that is longer than the issuer’s', () => {
    expect(lint({}, { issuer: { ...issuer, notAfter: START } })).toContain('than its issuer has')
  })

  it('finds a wrong version or algorithm, and bytes that are no certificate', () => {
    const parts = (version: number, algorithm: string) =>
      sequence(
        der(contextTag(0), integer(version)),
        integer(good.serial),
        sequence(oid(algorithm)),
        good.issuer,
        good.validity,
        good.subject,
        good.spki,
      )
    expect(findLintFlaw(parts(0, OID.ecdsaWithSha256), context)).toBe('not version 3')
    expect(findLintFlaw(parts(2, '1.2.840.10045.4.3.3'), context)).toContain('unreadable')
    expect(findLintFlaw(Uint8Array.of(1, 2, 3), context)).toContain('unreadable')
  })

  it('finds a birth certificate without a serialNumber', () => {
    const fields = {
      subject: sequence(setOf(sequence(oid(OID.commonName), utf8String('x')))),
      fixedExtensions: fixedExtensions(IDEVID, issuer.keyId),
      alternativeNames: [],
    }
    expect(lint(fields, { profile: IDEVID, deviceId: undefined })).toBe('no serialNumber')
  })

  it('finds an authority that may have more below it than its profile says', () => {
    const profile = { ...ISSUING_CA, pathLength: 1 }
    const fields = {
      subject: name(['commonName', 'CA']),
      fixedExtensions: fixedExtensions(profile, issuer.keyId),
      alternativeNames: [],
    }
    expect(lint(fields, { profile })).toBeUndefined()
    expect(lint(fields, { profile: ISSUING_CA })).toContain('2.5.29.19: wrong value')
  })

  it('finds a server without a name', () => {
    const fields = {
      subject: name(['commonName', 'host']),
      fixedExtensions: concat(
        fixedExtensions(TLS_SERVER, issuer.keyId),
        sequence(oid(OID.subjectAltName), octetString(sequence())),
      ),
      alternativeNames: [],
    }
    expect(lint(fields, { profile: TLS_SERVER })).toContain('2.5.29.17: wrong value')
  })

  it('finds a key identifier that is another key’s', () => {
    const wrong = sequence(
      oid(OID.subjectKeyIdentifier),
      octetString(octetString(new Uint8Array(20))),
    )
    const right = sequence(
      oid(OID.subjectKeyIdentifier),
      octetString(octetString(keyIdentifier(spki))),
    )
    const tbs = Buffer.from(tbsCertificate(good)).toString('hex')
    const changed = tbs.replace(
      Buffer.from(right).toString('hex'),
      Buffer.from(wrong).toString('hex'),
    )
    expect(changed).not.toBe(tbs)
    expect(findLintFlaw(Buffer.from(changed, 'hex'), context)).toContain('2.5.29.14')
  })

  it('counts characters, not bytes or halves of them', () => {
    const subject = sequence(
      setOf(sequence(oid(OID.commonName), der(Tag.UTF8_STRING, utf8('🔥'.repeat(64))))),
      setOf(sequence(oid(OID.serialNumber), der(Tag.PRINTABLE_STRING, utf8('1')))),
    )
    const fields = {
      subject,
      fixedExtensions: fixedExtensions(IDEVID, issuer.keyId),
      alternativeNames: [],
    }
    expect(lint(fields, { profile: IDEVID, deviceId: undefined })).toBeUndefined()
  })
})

import 'reflect-metadata'
import { Pkcs10CertificateRequestGenerator, cryptoProvider } from '@peculiar/x509'
import { describe, expect, it } from 'vitest'
import { concat } from '../../../../protocol/bytes.ts'
import { parseCsr } from '../../../../protocol/x509/csr.ts'
import { contextTag, der, integer, sequence } from '../../../../protocol/x509/der.ts'
import {
  EC_SHA1,
  RSA,
  csrOf,
  ecKey,
  nameOf,
  rsaKey,
  spkiOf,
} from '../../../support/certificates.ts'

const key = ecKey()

describe('a certification request', () => {
  it('shows its sender’s key and the name it would like', async () => {
    const csr = await parseCsr(csrOf(key))
    expect(csr.spki).toEqual(spkiOf(key))
    expect(csr.subject).toEqual(nameOf('a device'))
    expect(csr.key.kind).toBe('p256')
  })

  it('may be for every kind of key FDO uses', async () => {
    expect((await parseCsr(csrOf(ecKey('P-384')))).key.kind).toBe('p384')
    expect((await parseCsr(csrOf(rsaKey(2048), { algorithm: RSA }))).key.kind).toBe('rsa2048')
    expect((await parseCsr(csrOf(rsaKey(3072), { algorithm: RSA }))).key.kind).toBe('rsa3072')
  })

  it('may leave its attributes out', async () => {
    expect((await parseCsr(csrOf(key, { attributes: [] }))).spki).toEqual(spkiOf(key))
  })

  it('made by another library is read', async () => {
    cryptoProvider.set(crypto)
    const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
    const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
    const theirs = await Pkcs10CertificateRequestGenerator.create({
      name: 'CN=device.go-fdo',
      keys,
      signingAlgorithm: algorithm,
    })
    const csr = await parseCsr(new Uint8Array(theirs.rawData))
    expect(csr.spki).toEqual(new Uint8Array(theirs.publicKey.rawData))
  })
})

describe('a certification request is refused', () => {
  const malformed: [string, Uint8Array][] = [
    ['with bytes after its end, which libraries let through', concat(csrOf(key), Uint8Array.of(0))],
    ['of another version', csrOf(key, { version: 1 })],
    ['with a part too many', csrOf(key, { attributes: [der(contextTag(0)), integer(1)] })],
    ['for a P-521 key', csrOf(ecKey('P-521'))],
    ['for an RSA-4096 key', csrOf(rsaKey(4096), { algorithm: RSA })],
    ['that is none', sequence(integer(1))],
  ]
  for (const [what, encoded] of malformed) {
    it(what, async () => {
      await expect(parseCsr(encoded)).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
    })
  }

  const unsigned: [string, Uint8Array][] = [
    ['signed by another key', csrOf(key, { signer: ecKey() })],
    ['signed with SHA-1', csrOf(key, { algorithm: EC_SHA1 })],
    ['with a signature of another kind', csrOf(key, { signer: rsaKey(), algorithm: RSA })],
  ]
  for (const [what, encoded] of unsigned) {
    it(what, async () => {
      await expect(parseCsr(encoded)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    })
  }
})

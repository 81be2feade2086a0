import 'reflect-metadata'
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  X509Certificate,
} from 'node:crypto'
import * as x509 from '@peculiar/x509'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, equalBytes } from '../../../../protocol/bytes.ts'
import { parseCertificate } from '../../../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../../../protocol/x509/chain.ts'
import { CsrRefusal } from '../../../../protocol/service-info/module.ts'
import { Pki } from '../../../../src/pki/service.ts'
import { type TestPki, addDevices, onboard, openTestPki, p256 } from '../../../support/pki.ts'

const DAY_MS = 86_400_000
const BEARER = { deviceId: 'fdod_abcdefghijklmnopqrstuvwxyz', runId: 'run-1' }

let world: TestPki
beforeEach(async () => {
  world = await openTestPki()
})
afterEach(() => world.database.close())

const csrOf = async (name: string, curve = 'P-256'): Promise<Bytes> => {
  const algorithm = { name: 'ECDSA', namedCurve: curve, hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name,
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'evil.example' }]),
    ],
  })
  return new Uint8Array(request.rawData)
}

describe('a birth certificate', () => {
  const kinds = {
    'P-256': () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    'P-384': () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
    'RSA 2048': () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  }

  it.each(Object.entries(kinds))('certifies a key %s', async (_, make) => {
    const spki = make().publicKey.export({ type: 'spki', format: 'der' })
    const chain = await world.pki.issueDeviceCertificate({ spki, serial: 'S-1', model: 'M-1' })
    const now = world.clock.now()
    expect(await findChainFlaw(chain, { anchors: world.pki.deviceAnchors(), now })).toBeUndefined()
    expect(await findChainFlaw(chain, { anchors: world.pki.trustBundle(), now })).toBeUndefined()
    expect(equalBytes(parseCertificate(chain[0]!).spki, spki)).toBe(true)
  })

  it('names the device as the factory did, and has no end', async () => {
    const birth = { spki: p256().spki, serial: 'abcdef', model: 'Modèl 12345' }
    const [leaf] = await world.pki.issueDeviceCertificate(birth)
    const certificate = new x509.X509Certificate(Buffer.from(leaf!))
    expect(certificate.subject).toBe('CN=Modèl 12345, 2.5.4.5=abcdef')
    expect(certificate.notAfter.toISOString()).toBe('9999-12-31T23:59:59.000Z')
    expect(Buffer.from(leaf!).includes('99991231235959Z')).toBe(true)
    expect(certificate.extensions.map(({ type }) => type).sort()).toEqual([
      '2.5.29.14',
      '2.5.29.15',
      '2.5.29.35',
    ])
  })

  it('is no credential', async () => {
    const { spki } = p256()
    const [leaf] = await world.pki.issueDeviceCertificate({ spki, serial: 'S-1' })
    expect(await world.pki.findActiveCertificate(leaf!)).toBeUndefined()
    // Not even if it were known whose it is.
    const { db } = world.database
    await db.updateTable('certificate').set({ device_id: BEARER.deviceId }).execute()
    expect(await world.pki.findActiveCertificate(leaf!)).toBeUndefined()
  })
})

describe('a credential', () => {
  it('names the proven device whatever the request asks for', async () => {
    const issuer = world.pki.credentialsFor(BEARER)
    const { certificate, intermediates } = await issuer.sign(await csrOf('CN=admin'), false)
    const parsed = new x509.X509Certificate(Buffer.from(certificate))
    expect(parsed.subject).toBe(`CN=${BEARER.deviceId}`)
    const names = parsed.getExtension(x509.SubjectAlternativeNameExtension)!.names.toJSON()
    expect(names).toEqual([{ type: 'url', value: `urn:fdo:device:${BEARER.deviceId}` }])
    const usage = parsed.getExtension(x509.ExtendedKeyUsageExtension)!.usages
    expect(usage).toEqual(['1.3.6.1.5.5.7.3.2'])
    expect(intermediates).toHaveLength(1)
  })

  it('is backdated for slow clocks, and lives 30 days', async () => {
    const { certificate } = await world.pki.issueLdevid(BEARER, p256().spki)
    const { notBefore, notAfter, serialNumber } = parseCertificate(certificate)
    expect(world.clock.now().getTime() - notBefore.getTime()).toBe(300_000)
    expect(notAfter.getTime() - notBefore.getTime()).toBe(30 * DAY_MS)
    expect(serialNumber).toHaveLength(16)
  })

  it('holds with its authorities already at the time floor it sets', async () => {
    const { certificate, intermediates } = await world.pki.issueLdevid(BEARER, p256().spki)
    const { notBefore } = parseCertificate(certificate)
    const options = { anchors: world.pki.trustBundle(), now: notBefore }
    expect(await findChainFlaw([certificate, ...intermediates], options)).toBeUndefined()
  })

  it('can be checked with no more than the certificates that devices are sent', async () => {
    const issuer = world.pki.credentialsFor(BEARER)
    const { certificate } = await issuer.sign(await csrOf('CN=x'), false)
    const [root, ...between] = await issuer.caCertificates()
    const options = { anchors: [root!], now: world.clock.now() }
    expect(await findChainFlaw([certificate, ...between], options)).toBeUndefined()
  })

  it('is refused for a key that is not P-256, as a bad request', async () => {
    const issuer = world.pki.credentialsFor(BEARER)
    await expect(issuer.sign(await csrOf('CN=x', 'P-384'), false)).rejects.toMatchObject({
      name: 'CsrRefusal',
      code: 'BAD_REQUEST',
    })
  })

  it('is refused where the request is not signed by its key', async () => {
    const csr = await csrOf('CN=x')
    csr[csr.length - 1]! ^= 1
    await expect(world.pki.credentialsFor(BEARER).sign(csr, false)).rejects.toThrow(CsrRefusal)
  })

  it('is refused for the key of another device, and renewed for its own', async () => {
    const { spki } = p256()
    await world.pki.issueLdevid(BEARER, spki)
    await expect(
      world.pki.issueLdevid({ deviceId: 'fdod_other', runId: 'run-2' }, spki),
    ).rejects.toMatchObject({ reason: 'key-of-another-device' })
    await world.pki.issueLdevid({ ...BEARER, runId: 'run-2' }, spki)
  })

  it('is had by a device that keeps its key from the party it is sold to, too', async () => {
    await addDevices(world.database, { fdod_a: 'fdop_a', fdod_b: 'fdop_b', fdod_c: 'fdop_b' })
    const { spki } = p256()
    const issue = (deviceId: string) => world.pki.issueLdevid({ deviceId, runId: 'run' }, spki)
    await issue('fdod_a')
    await issue('fdod_b')
    await expect(issue('fdod_c')).rejects.toMatchObject({
      reason: 'key-of-another-device',
      message: expect.not.stringMatching(/[0-9a-f]{32}/),
    })
  })

  it('is refused to a device that is sold or retired while it is onboarded, which ends that', async () => {
    await addDevices(world.database, { [BEARER.deviceId]: 'fdop_a', fdod_b: 'fdop_a' })
    const issuer = world.pki.credentialsFor(BEARER)
    const { db } = world.database
    for (const state of ['retired', 'handed-over'] as const) {
      await db.updateTable('device').set({ state }).where('id', '=', BEARER.deviceId).execute()
      const gone = { code: 'RESOURCE_NOT_FOUND', message: expect.stringContaining('sold') }
      await expect(issuer.generate()).rejects.toMatchObject(gone)
      await expect(issuer.sign(await csrOf('CN=x'), false)).rejects.toMatchObject(gone)
    }
    await world.pki.issueLdevid({ deviceId: 'fdod_b', runId: 'run' }, p256().spki)
    const issued = await db.selectFrom('certificate').select('device_id').execute()
    expect(issued.filter(({ device_id }) => device_id !== null)).toEqual([{ device_id: 'fdod_b' }])
    await db.updateTable('device').set({ state: 'owned' }).execute()
    await issuer.generate()
  })

  it('comes with a key of its own where the device cannot make one, and the key is not kept', async () => {
    const issued = await world.pki.credentialsFor(BEARER).generate()
    const key = createPrivateKey({ key: Buffer.from(issued.pkcs8), format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
    expect(equalBytes(parseCertificate(issued.certificate).spki, spki)).toBe(true)
    const { d } = key.export({ format: 'jwk' })
    const secret = Buffer.from(d!, 'base64url')
    const rows = await world.database.db.selectFrom('certificate').selectAll().execute()
    for (const row of rows) expect(Buffer.from(row.der).includes(secret)).toBe(false)
  })
})

describe('whether a credential is in force', () => {
  it('is not while its run is under way, is once that is done', async () => {
    const { certificate } = await world.pki.issueLdevid(BEARER, p256().spki)
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
    await world.database.commit((tx) => world.pki.activateCertificates(tx, BEARER))
    expect(await world.pki.findActiveCertificate(certificate)).toMatchObject({
      deviceId: BEARER.deviceId,
    })
  })

  it('is not where another of the same run was sent: the process died with this one', async () => {
    const unsent = await world.pki.issueLdevid(BEARER, p256().spki)
    const sent = await world.pki.issueLdevid(BEARER, p256().spki)
    await world.database.commit(async (tx) => {
      await world.pki.credentialSent(tx, BEARER, sent.certificate)
      expect(await world.pki.activateCertificates(tx, BEARER)).toBe(1)
    })
    expect(await world.pki.findActiveCertificate(unsent.certificate)).toBeUndefined()
    expect(await world.pki.findActiveCertificate(sent.certificate)).toBeDefined()
  })

  it('is not where the transaction that ends the run is rolled back', async () => {
    const { certificate } = await world.pki.issueLdevid(BEARER, p256().spki)
    const failing = world.database.commit(async (tx) => {
      await world.pki.activateCertificates(tx, BEARER)
      throw new Error('no')
    })
    await expect(failing).rejects.toThrow('no')
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
  })

  it('is not where its run was broken off, and nobody else loses by that', async () => {
    const { certificate } = await onboard(world, BEARER.deviceId, 'run-0')
    const pending = await world.pki.issueLdevid(BEARER, p256().spki)
    const other = await world.pki.issueLdevid({ ...BEARER, runId: 'run-2' }, p256().spki)
    await world.database.commit((tx) => world.pki.runBrokenOff(tx, BEARER))
    const activate = (runId: string) =>
      world.database.commit((tx) => world.pki.activateCertificates(tx, { ...BEARER, runId }))
    expect(await activate('run-1')).toBe(0)
    expect(await world.pki.findActiveCertificate(pending.certificate)).toBeUndefined()
    expect(await world.pki.findActiveCertificate(certificate)).toBeDefined()
    expect(await activate('run-2')).toBe(1)
    expect(await world.pki.findActiveCertificate(other.certificate)).toBeDefined()
  })

  it('ends when a later run brings another, and not when one brings none', async () => {
    const { certificate } = await onboard(world, BEARER.deviceId, 'run-1')
    const pending = await world.pki.issueLdevid({ ...BEARER, runId: 'broken off' }, p256().spki)
    const activate = (runId: string) =>
      world.database.commit((tx) => world.pki.activateCertificates(tx, { ...BEARER, runId }))
    expect(await activate('without a certificate')).toBe(0)
    expect(await world.pki.findActiveCertificate(certificate)).toBeDefined()
    const later = await onboard(world, BEARER.deviceId, 'run-2')
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
    expect(await world.pki.findActiveCertificate(later.certificate)).toBeDefined()
    expect(await activate('broken off')).toBe(0)
    expect(await world.pki.findActiveCertificate(pending.certificate)).toBeUndefined()
  })

  it('leaves the credentials of other devices alone', async () => {
    const other = await onboard(world, 'fdod_other')
    await onboard(world, BEARER.deviceId)
    expect(await world.pki.findActiveCertificate(other.certificate)).toMatchObject({
      deviceId: 'fdod_other',
    })
  })

  it('ends with its last second, and begins with its first', async () => {
    const { certificate } = await onboard(world, BEARER.deviceId)
    world.clock.advance(30 * DAY_MS - 300_000)
    expect(await world.pki.findActiveCertificate(certificate)).toBeDefined()
    world.clock.advance(1)
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
    world.clock.advance(-30 * DAY_MS - 2)
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
  })

  it('is for nothing that was not issued byte for byte', async () => {
    const { certificate } = await onboard(world, BEARER.deviceId)
    await fc.assert(
      fc.asyncProperty(
        fc.nat(certificate.length - 1),
        fc.integer({ min: 1, max: 255 }),
        async (at, x) => {
          const changed = Uint8Array.from(certificate)
          changed[at]! ^= x
          expect(await world.pki.findActiveCertificate(changed)).toBeUndefined()
        },
      ),
    )
    const elsewhere = await openTestPki()
    const stranger = await onboard(elsewhere, BEARER.deviceId)
    expect(await world.pki.findActiveCertificate(stranger.certificate)).toBeUndefined()
    await elsewhere.database.close()
  })
})

describe('the authorities', () => {
  it('are the same after a restart', async () => {
    const again = await Pki.open(world.services)
    expect(again.trustBundle()).toEqual(world.pki.trustBundle().map((der) => Buffer.from(der)))
    const rows = await world.database.db.selectFrom('certificate').selectAll().execute()
    expect(rows.map(({ profile }) => profile).sort()).toEqual([
      'device-ca',
      'issuing-ca',
      'root-ca',
    ])
  })

  it('are made once, whoever starts at the same moment', async () => {
    world.clock.advance(9.1 * 365 * DAY_MS)
    const [one, other] = await Promise.all([Pki.open(world.services), Pki.open(world.services)])
    expect(equalBytes(other.issuingAuthority()[0]!, one.issuingAuthority()[0]!)).toBe(true)
    const { db } = world.database
    const issuing = db.selectFrom('certificate').where('profile', '=', 'issuing-ca')
    expect(await issuing.selectAll().execute()).toHaveLength(2)
  })

  it('bear names that differ from those of another installation', async () => {
    const other = await openTestPki()
    const [a] = world.pki.trustBundle()
    const [b] = other.pki.trustBundle()
    expect(equalBytes(parseCertificate(a!).subject, parseCertificate(b!).subject)).toBe(false)
    await other.database.close()
  })

  it('that come and go are renewed, with the same key, before what they sign would be cut short', async () => {
    const before = await world.pki.issueLdevid(BEARER, p256().spki)
    world.clock.advance(9.1 * 365 * DAY_MS)
    await world.pki.renewIfDue()
    const after = await world.pki.issueLdevid({ ...BEARER, runId: 'run-2' }, p256().spki)
    const [old, renewed] = [before, after].map(({ intermediates }) =>
      parseCertificate(intermediates[0]!),
    )
    expect(renewed!.notAfter > old!.notAfter).toBe(true)
    expect(equalBytes(renewed!.spki, old!.spki)).toBe(true)
    const { pki } = { pki: await Pki.open(world.services) }
    const again = await pki.issueLdevid({ ...BEARER, runId: 'run-3' }, p256().spki)
    expect(equalBytes(again.intermediates[0]!, after.intermediates[0]!)).toBe(true)
  })

  it('add those of a listener with a foreign certificate to what devices trust', async () => {
    const [foreign] = (await openTestPki()).pki.trustBundle()
    const { pki } = await openTestPki()
    pki.addServerAnchors([foreign!])
    pki.addServerAnchors([foreign!])
    expect(pki.trustBundle()).toHaveLength(2)
    expect(pki.trustBundle()[1]).toBe(foreign)
  })
})

describe('a key that signs vouchers', () => {
  it('is certified once, under the root', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const spki = publicKey.export({ type: 'spki', format: 'der' })
    const chain = await world.pki.certifyVoucherKey(spki)
    expect(await findChainFlaw(chain, { anchors: world.pki.trustBundle() })).toBeUndefined()
    expect(equalBytes(parseCertificate(chain[0]!).spki, spki)).toBe(true)
    const [again] = await world.pki.certifyVoucherKey(spki)
    expect(equalBytes(again!, chain[0]!)).toBe(true)
  })
})

describe('our listener’s certificate', () => {
  it('is good for the names and addresses it is asked for, each once', async () => {
    const hosts = ['localhost', '127.0.0.1', '[::1]', 'fdo.example', 'localhost']
    const { chain, key } = await world.pki.issueServerCertificate(hosts)
    const certificate = new X509Certificate(Buffer.from(chain[0]!))
    expect(certificate.checkHost('localhost')).toBe('localhost')
    expect(certificate.checkHost('fdo.example')).toBe('fdo.example')
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1')
    expect(certificate.checkIP('::1')).toBe('::1')
    expect(certificate.checkHost('evil.example')).toBeUndefined()
    expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true)
    expect(certificate.subjectAltName?.match(/localhost/g)).toHaveLength(1)
  })

  it('is no credential of a device', async () => {
    const { chain } = await world.pki.issueServerCertificate(['localhost'])
    expect(await world.pki.findActiveCertificate(chain[0]!)).toBeUndefined()
  })
})

describe('maintenance', () => {
  it('forgets certificates long after their end, and no others', async () => {
    await onboard(world, BEARER.deviceId)
    const count = async () =>
      (await world.database.db.selectFrom('certificate').selectAll().execute()).length
    world.clock.advance(100 * DAY_MS)
    await world.pki.sweep()
    expect(await count()).toBe(4)
    world.clock.advance(21 * DAY_MS)
    await world.pki.sweep()
    expect(await count()).toBe(3)
  })
})

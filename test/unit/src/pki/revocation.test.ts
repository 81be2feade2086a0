/** Credentials that are over before their end, and the list that tells strangers of them. */
import 'reflect-metadata'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { certificatesToPem } from '../../../../protocol/x509/pem.ts'
import { serialOf } from '../../../../src/pki/der.ts'
import { revocationListTbs, revokedCertificate } from '../../../../src/pki/revocation/encoding.ts'
import { type RevocationReason, revokeCredentials } from '../../../../src/pki/revocation/revoke.ts'
import { listOver } from '../../../../src/pki/revocation/store.ts'
import { Pki } from '../../../../src/pki/service.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { type TestPki, onboard, openTestPki, p256 } from '../../../support/pki.ts'
import { plansOf } from '../../../support/query-plan.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

let world: TestPki
beforeEach(async () => {
  world = await openTestPki()
})
afterEach(() => world.database.close())

const revoke = (deviceId: string, reason: RevocationReason = 'handed-over') => {
  const at = world.clock.now().toISOString()
  return world.database.commit((tx) => revokeCredentials(tx, { deviceId, reason, at }))
}
const listed = async (pki: Pki = world.pki) => {
  const list = new x509.X509Crl(Buffer.from(await pki.revocationList()))
  const number = list.getExtension('2.5.29.20')?.value ?? expect.fail()
  return {
    list,
    number: Buffer.from(number).at(-1),
    entries: list.entries.map(({ serialNumber, reason, revocationDate }) => ({
      serialNumber: serialNumber.replace(/^0+/, ''),
      reason,
      at: revocationDate.toISOString(),
    })),
  }
}
const serialIn = (certificate: Uint8Array) => toHex(serialOf(certificate)).replace(/^0+/, '')

describe('a credential that is revoked', () => {
  it('is not in force any more, whether it was or was to be', async () => {
    const { certificate } = await onboard(world, 'fdod_a')
    const bearer = { deviceId: 'fdod_a', runId: 'under way' }
    const underWay = await world.pki.issueLdevid(bearer, p256().spki)
    const other = await onboard(world, 'fdod_b')
    expect((await revoke('fdod_a')).length).toBe(2)
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
    expect(await world.database.commit((tx) => world.pki.activateCertificates(tx, bearer))).toBe(0)
    expect(await world.pki.findActiveCertificate(underWay.certificate)).toBeUndefined()
    expect(await world.pki.findActiveCertificate(other.certificate)).toBeDefined()
  })

  it('stays as it was revoked first, whatever comes after', async () => {
    const { certificate } = await onboard(world, 'fdod_a')
    const [serial] = await revoke('fdod_a')
    world.clock.advance(1000)
    expect(await revoke('fdod_a', 'retired')).toEqual([])
    await onboard(world, 'fdod_a', 'a later run')
    const rows = world.database.db.selectFrom('certificate').selectAll()
    expect(await rows.where('serial', '=', serial ?? '').executeTakeFirst()).toMatchObject({
      status: 'revoked',
      revocation_reason: 'handed-over',
      status_at: new Date(world.clock.now().getTime() - 1000).toISOString(),
    })
    expect(await world.pki.findActiveCertificate(certificate)).toBeUndefined()
  })

  it('is none of those that devices were born with', async () => {
    await world.pki.issueDeviceCertificate({ spki: p256().spki, serial: 'S' })
    await world.database.db.updateTable('certificate').set({ device_id: 'fdod_a' }).execute()
    expect(await revoke('fdod_a')).toEqual([])
  })
})

describe('the list', () => {
  it('is signed by the authority, names it, and is empty at first', async () => {
    const { list, number, entries } = await listed()
    const [issuer] = world.pki.issuingAuthority()
    const authority = new x509.X509Certificate(Buffer.from(issuer ?? expect.fail()))
    expect(await list.verify({ publicKey: authority })).toBe(true)
    expect(list.issuer).toBe(authority.subject)
    expect([number, entries]).toEqual([1, []])
    expect(list.nextUpdate?.getTime()).toBe(list.thisUpdate.getTime() + DAY_MS)
  })

  it('has at once what is revoked, and why, and what a later run has replaced', async () => {
    await listed()
    const [sold, retired, replaced] = [
      await onboard(world, 'fdod_a'),
      await onboard(world, 'fdod_b'),
      await onboard(world, 'fdod_c', 'run 1'),
    ]
    expect((await listed()).number).toBe(1)
    await revoke('fdod_a')
    await revoke('fdod_b', 'retired')
    await onboard(world, 'fdod_c', 'run 2')
    const { number, entries } = await listed()
    expect(number).toBe(2)
    const at = world.clock.now().toISOString()
    expect(entries).toHaveLength(3)
    expect(entries).toEqual(
      expect.arrayContaining([
        { serialNumber: serialIn(sold.certificate), reason: 3, at },
        { serialNumber: serialIn(retired.certificate), reason: 5, at },
        { serialNumber: serialIn(replaced.certificate), reason: 4, at },
      ]),
    )
  })

  it('has at once what a run brought that was broken off, and is not made anew for others', async () => {
    const bearer = { deviceId: 'fdod_a', runId: 'run' }
    const breakOff = () => world.database.commit((tx) => world.pki.runBrokenOff(tx, bearer))
    await listed()
    await breakOff()
    expect((await listed()).number).toBe(1)
    const { certificate } = await world.pki.issueLdevid(bearer, p256().spki)
    await breakOff()
    const { number, entries } = await listed()
    const at = world.clock.now().toISOString()
    expect([number, entries]).toEqual([2, [{ serialNumber: serialIn(certificate), reason: 4, at }]])
  })

  it('is the same for all who ask, until half of its time is over', async () => {
    const first = await world.pki.revocationList()
    const known = await world.pki.revocationList()
    expect(toHex(known)).toBe(toHex(first))
    const other = await Pki.open(world.services)
    expect(toHex(await other.revocationList())).toBe(toHex(first))
    world.clock.advance(12 * HOUR_MS - 1)
    const kept = await world.pki.revocationList()
    expect(toHex(kept)).toBe(toHex(first))
    // PostgreSQL tells of a change of ours a moment later, and it is read once more.
    if (!isOnPostgres) expect(kept).toBe(known)
    world.clock.advance(1)
    const [here, there] = await Promise.all([world.pki.revocationList(), other.revocationList()])
    expect(toHex(here)).toBe(toHex(there))
    expect(toHex(here)).not.toBe(toHex(first))
    expect((await listed()).number).toBe(2)
  })

  it('has what was revoked by another process', async () => {
    await listed()
    const { certificate } = await onboard(world, 'fdod_a')
    const other = await Pki.open(world.services)
    await revoke('fdod_a')
    for (const pki of [other, world.pki]) {
      expect((await listed(pki)).entries.map(({ serialNumber }) => serialNumber)).toEqual([
        serialIn(certificate),
      ])
    }
  })

  it('lacks nothing that is revoked while it is being made', async () => {
    const signer = await world.services.keys.signer('issuing-ca', 'p256')
    await onboard(world, 'fdod_a')
    let revoked: Promise<unknown> | undefined
    const keys = {
      signer: async (purpose: string) => ({
        ...(purpose === 'issuing-ca' ? signer : await world.services.keys.signer(purpose, 'p256')),
        async sign(data: Uint8Array) {
          await (revoked ??= revoke('fdod_a'))
          return signer.sign(data)
        },
      }),
    }
    const busy = await Pki.open({ ...world.services, keys })
    expect((await listed(busy)).entries).toEqual([])
    expect((await listed(busy)).entries).toHaveLength(1)
    expect((await listed(busy)).number).toBe(2)
  })

  it('is made anew by another key of the authority', async () => {
    await listed()
    await world.database.db.updateTable('revocation_list').set({ key: 'another' }).execute()
    expect((await listed(await Pki.open(world.services))).number).toBe(2)
  })

  it('names a certificate once more after it has ended, and then no longer', async () => {
    await onboard(world, 'fdod_a')
    await revoke('fdod_a')
    world.clock.advance(30 * DAY_MS)
    expect((await listed()).entries).toHaveLength(1)
    world.clock.advance(DAY_MS)
    expect((await listed()).entries).toHaveLength(0)
  })

  it('waits a minute before it is made anew where it is long', async () => {
    await listed()
    await onboard(world, 'fdod_a')
    await world.database.db
      .updateTable('revocation_list')
      .set({ der: new Uint8Array(64 * 1024 + 1) })
      .execute()
    await revoke('fdod_a')
    expect(await world.pki.revocationList()).toHaveLength(64 * 1024 + 1)
    world.clock.advance(60_000)
    expect((await listed()).entries).toHaveLength(1)
  })

  // PostgreSQL’s plans go by how much there is, and here is little.
  it.skipIf(isOnPostgres)('is found by index', async () => {
    const look = () => listOver.all(world.database.db, { since: '' })
    const [plan] = await plansOf(world.database.db, 'certificate', look)
    expect(plan).toMatch(/SEARCH .* INDEX certificate_over/)
  })

  it('takes more certificates than a function has arguments', () => {
    const entry = { serial: '7f'.repeat(16), at: new Date(0), reason: 'retired' } as const
    const issuer = { subject: new Uint8Array([0x30, 0]), keyId: new Uint8Array(20) }
    const fields = { issuer, number: 1, thisUpdate: new Date(0), nextUpdate: new Date(1) }
    const tbs = revocationListTbs({
      ...fields,
      entries: Array(130_000).fill(revokedCertificate(entry)),
    })
    expect(tbs.length).toBeGreaterThan(130_000 * 40)
  })
})

const hasOpenssl = (() => {
  try {
    return execFileSync('openssl', ['version']).length > 0
  } catch {
    return false // It is not here.
  }
})()
if (!hasOpenssl) console.warn('no openssl on this machine: its opinion of our list is not asked')

it.skipIf(!hasOpenssl)('is believed by openssl, which then refuses the credential', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'crl-'))
  const { chain } = await onboard(world, 'fdod_a')
  const files = { ca: join(folder, 'ca'), leaf: join(folder, 'leaf'), crl: join(folder, 'crl') }
  const trusted = [...world.pki.trustBundle(), ...world.pki.issuingAuthority()]
  writeFileSync(files.ca, certificatesToPem(trusted))
  writeFileSync(files.leaf, certificatesToPem(chain.slice(0, 1)))
  const verify = async () => {
    const der = await world.pki.revocationList()
    const pem = execFileSync('openssl', ['crl', '-inform', 'der'], { input: der })
    writeFileSync(files.crl, pem)
    const at = String(world.clock.now().getTime() / 1000)
    const how = ['verify', '-crl_check', '-x509_strict', '-attime', at, '-CAfile', files.ca]
    const args = [...how, '-CRLfile', files.crl, files.leaf]
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })
  }
  expect(await verify()).toContain('OK')
  await revoke('fdod_a')
  await expect(verify()).rejects.toThrow('certificate revoked')
  rmSync(folder, { recursive: true })
})

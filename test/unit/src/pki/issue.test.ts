import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EMPTY } from '../../../../protocol/bytes.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import { integer, sequence } from '../../../../protocol/x509/der.ts'
import { certificatesToPem, toPem } from '../../../../protocol/x509/pem.ts'
import { ServerCertificate } from '../../../../src/pki/server-certificate.ts'
import { isAsDrafted, issueCertificate } from '../../../../src/pki/issue.ts'
import { name, signedCertificate } from '../../../../src/pki/der.ts'
import { LDEVID, NO_END } from '../../../../src/pki/profiles.ts'
import { Pki } from '../../../../src/pki/service.ts'
import { type TestPki, memoryKeys, openTestPki, p256 } from '../../../support/pki.ts'

const DAY_MS = 86_400_000

let world: TestPki
beforeEach(async () => {
  world = await openTestPki()
})
afterEach(() => world.database.close())

const serials = async () =>
  (await world.database.db.selectFrom('certificate').select('serial').execute()).length
const bearer = { deviceId: 'fdod_a', runId: 'run' }

describe('issuing', () => {
  it('draws serial numbers of 127 random bits that always fill 16 bytes', async () => {
    const draws = [new Uint8Array(16), new Uint8Array(16).fill(0xff)]
    const services = { ...world.services, randomBytes: () => draws.shift()! }
    const pki = await Pki.open(services)
    await pki.issueLdevid(bearer, p256().spki)
    const rows = await world.database.db.selectFrom('certificate').select('serial').execute()
    expect(rows.map(({ serial }) => serial)).toContain(`7f${'ff'.repeat(15)}`)
    expect(draws).toHaveLength(0)
  })

  it('signs nothing under a serial number that is taken', async () => {
    const signed: unknown[] = []
    const { keys } = world.services
    const counting = {
      async signer(purpose: string): Promise<Signer> {
        const signer = await keys.signer(purpose, 'p256')
        return { ...signer, sign: (data) => (signed.push(data), signer.sign(data)) }
      },
    }
    const randomBytes = () => new Uint8Array(16).fill(0x33)
    const pki = await Pki.open({ ...world.services, keys: counting, randomBytes })
    await pki.issueLdevid(bearer, p256().spki)
    await expect(pki.issueLdevid(bearer, p256().spki)).rejects.toThrow()
    expect(signed).toHaveLength(1)
  })

  it('keeps no record of what could not be signed', async () => {
    const { signer } = world.services.keys
    const before = await serials()
    const broken = async (sign: Signer['sign']) => ({
      ...world.services,
      keys: { signer: async (purpose: string) => ({ ...(await signer(purpose, 'p256')), sign }) },
    })
    const failing = await Pki.open(await broken(() => Promise.reject(new Error('no HSM'))))
    await expect(failing.issueLdevid(bearer, p256().spki)).rejects.toThrow('no HSM')
    const short = await Pki.open(await broken(() => new Uint8Array(63)))
    await expect(short.issueLdevid(bearer, p256().spki)).rejects.toThrow('what came back signed')
    expect(await serials()).toBe(before)
  })

  it('takes nothing for issued but the very bytes that were linted', async () => {
    const signer = await world.services.keys.signer('issuing-ca', 'p256')
    const issuer = { subject: EMPTY, keyId: EMPTY, notAfter: NO_END, signer }
    const order = { issuer, profile: LDEVID }
    const [tbs, other] = [sequence(integer(1)), sequence(integer(2))]
    const signature = await signer.sign(tbs)
    expect(isAsDrafted(signedCertificate(tbs, signature), tbs, signature, order)).toBe(true)
    expect(isAsDrafted(signedCertificate(other, signature), tbs, signature, order)).toBe(false)
  })

  it('verifies what an authority is certified with', async () => {
    const keys = memoryKeys()
    const other = memoryKeys()
    const forging = {
      async signer(purpose: string): Promise<Signer> {
        const wrong = await other.signer(purpose)
        return { ...(await keys.signer(purpose)), sign: (data) => wrong.sign(data) }
      },
    }
    await expect(openTestPki({ keys: forging })).rejects.toThrow('what came back signed')
  })

  it('signs nothing that does not pass lint', async () => {
    const signer = await world.services.keys.signer('issuing-ca', 'p256')
    const issuer = {
      subject: name(['commonName', 'X']),
      keyId: new Uint8Array(20),
      notAfter: NO_END,
      signer,
    }
    const order = {
      profile: LDEVID,
      issuer,
      subject: name(['commonName', 'y']),
      ...p256(),
      ...bearer,
    }
    await expect(issueCertificate(world.services, order)).rejects.toThrow('not fit to be signed')
    expect(await serials()).toBe(3)
  })
})

const openssl = (...args: string[]): string => {
  try {
    return execFileSync('openssl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'absent'
    throw error
  }
}
const hasOpenssl = openssl('version') !== 'absent'
if (!hasOpenssl)
  console.warn('no openssl on this machine: its opinion of our certificates is not asked')

describe.skipIf(!hasOpenssl)('openssl, strict', () => {
  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'pki-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const verify = async (chain: readonly Uint8Array[], purpose: string) => {
    const [leaf, ...others] = chain
    const files = {
      root: join(folder, 'root'),
      others: join(folder, 'others'),
      leaf: join(folder, 'leaf'),
    }
    writeFileSync(files.root, certificatesToPem(world.pki.trustBundle()))
    writeFileSync(files.others, certificatesToPem(others))
    writeFileSync(files.leaf, toPem('CERTIFICATE', leaf!))
    return openssl(
      ...['verify', '-x509_strict', '-check_ss_sig', '-purpose', purpose],
      ...['-attime', String(world.clock.now().getTime() / 1000)],
      ...['-CAfile', files.root, '-untrusted', files.others, files.leaf],
    )
  }

  it('accepts credentials as clients, servers as servers, and birth certificates', async () => {
    const { certificate, intermediates } = await world.pki.issueLdevid(bearer, p256().spki)
    expect(await verify([certificate, ...intermediates], 'sslclient')).toContain('OK')
    const server = await world.pki.issueServerCertificate(['localhost', '::1'])
    expect(await verify(server.chain, 'sslserver')).toContain('OK')
    const birth = { spki: p256().spki, serial: 'S', model: 'M' }
    expect(await verify(await world.pki.issueDeviceCertificate(birth), 'any')).toContain('OK')
  })

  it('refuses a credential as a server, and a server as a client', async () => {
    const { certificate, intermediates } = await world.pki.issueLdevid(bearer, p256().spki)
    await expect(verify([certificate, ...intermediates], 'sslserver')).rejects.toThrow()
    const server = await world.pki.issueServerCertificate(['localhost'])
    await expect(verify(server.chain, 'sslclient')).rejects.toThrow()
  })
})

describe('the listener’s certificate', () => {
  it('is renewed when a third of its life is left, and again after a failure', async () => {
    const waiting: (() => void)[] = []
    const sleep = () => new Promise<void>((wake) => waiting.push(wake))
    const held = new ServerCertificate(world.pki, { now: () => world.clock.now(), sleep }, ['a.b'])
    const first = await held.issue()
    const used: string[] = []
    const failures: unknown[] = []
    const stop = new AbortController()
    const kept = held.keepFresh(
      ({ cert }) => used.push(cert),
      (error) => failures.push(error),
      stop.signal,
    )
    const look = async () => {
      waiting.shift()?.()
      await vi.waitFor(() => expect(waiting).toHaveLength(1), 10_000)
    }
    world.clock.advance(59 * DAY_MS)
    await look()
    expect(used).toHaveLength(0)

    world.clock.advance(DAY_MS)
    const { issueServerCertificate } = world.pki
    world.pki.issueServerCertificate = () => Promise.reject(new Error('busy'))
    await look()
    expect(failures).toHaveLength(1)
    world.pki.issueServerCertificate = issueServerCertificate
    await look()
    expect(used).toHaveLength(1)
    expect(used[0]).not.toBe(first.cert)
    await look()
    expect(used).toHaveLength(1)

    stop.abort()
    waiting.shift()?.()
    await kept
  })
})

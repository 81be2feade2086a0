import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromPem } from '../../../../protocol/x509/pem.ts'
import { createApp } from '../../../../src/http/app.ts'
import type { Principal } from '../../../../src/http/authenticate.ts'
import { permissionsOf } from '../../../../src/http/permissions.ts'
import { silentLog } from '../../../../src/log.ts'
import { authorityRoutes, certificateRoutes } from '../../../../src/pki/routes.ts'
import { listCertificates } from '../../../../src/pki/store.ts'
import { type TestPki, addDevices, onboard, openTestPki, p256 } from '../../../support/pki.ts'
import { revokeCredentials } from '../../../../src/pki/revocation/revoke.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { plansOf } from '../../../support/query-plan.ts'

let world: TestPki
beforeEach(async () => {
  world = await openTestPki()
})
afterEach(() => world.database.close())

const appFor = (scope: string) => {
  const permissions = permissionsOf([scope]) ?? new Set()
  const principal: Principal = {
    id: 'fdot_1',
    name: 'test',
    kind: 'token',
    party: HOME_PARTY,
    permissions,
  }
  return createApp({
    log: silentLog,
    clock: world.clock,
    trustedProxies: { addresses: [] },
    findPrincipal: async () => principal,
    isReady: async () => true,
    metrics: { text: async () => '' },
    routes: certificateRoutes(world.database),
    others: [authorityRoutes(world.pki)],
  })
}

const list = async (query: string, scope = 'certificate:read') => {
  const headers = { authorization: 'Bearer x' }
  const answer = await appFor(scope).request(`/api/v1/certificates${query}`, { headers })
  const body = (await answer.json()) as { items: Record<string, string>[]; next: string | null }
  return { status: answer.status, body }
}

describe('GET /api/v1/certificates', () => {
  it('lists what was issued, page after page', async () => {
    await onboard(world, 'fdod_a')
    await onboard(world, 'fdod_b')
    const first = await list('?limit=3')
    expect(first.body.items).toHaveLength(3)
    const second = await list(`?limit=3&cursor=${first.body.next}`)
    expect(second.body).toMatchObject({ next: null })
    const serials = [...first.body.items, ...second.body.items].map(({ serial }) => serial)
    expect(new Set(serials).size).toBe(5)
    expect(serials).toEqual(serials.toSorted())
  })

  it('lists those of a device, or of a status', async () => {
    await onboard(world, 'fdod_a', 'run 1')
    await onboard(world, 'fdod_a', 'run 2')
    await world.pki.issueLdevid({ deviceId: 'fdod_b', runId: 'run 3' }, p256().spki)
    const of = async (query: string) =>
      (await list(query)).body.items.map(({ device_id, status }) => [device_id, status])
    expect((await of('?device_id=fdod_a')).sort()).toEqual([
      ['fdod_a', 'active'],
      ['fdod_a', 'superseded'],
    ])
    expect(await of('?status=pending')).toEqual([['fdod_b', 'pending']])
    expect((await list('?status=unheard')).status).toBe(400)
  })

  it('lists those of the own party, and looks at no others', async () => {
    const { db } = world.database
    await addDevices(world.database, { fdod_a: 'fdop_a', fdod_b: 'fdop_b' })
    await onboard(world, 'fdod_a')
    await onboard(world, 'fdod_b')
    const of = async (party: string) =>
      (await listCertificates(db, { party, limit: 9 })).map(({ device_id }) => device_id)
    expect(await of('fdop_a')).toEqual(['fdod_a'])
    expect(await of(HOME_PARTY)).toEqual([null, null, null])
    if (isOnPostgres) return
    const plans = await plansOf(db, 'certificate', () => of('fdop_a'))
    expect(plans).toEqual([expect.stringMatching(/^SEARCH .* INDEX certificate_party .party=..$/)])
  })

  it('says when and why one was revoked', async () => {
    await onboard(world, 'fdod_a')
    await onboard(world, 'fdod_b')
    const at = world.clock.now().toISOString()
    const revocation = { deviceId: 'fdod_a', reason: 'retired', at } as const
    await world.database.commit((tx) => revokeCredentials(tx, revocation))
    expect((await list('?status=revoked')).body.items).toMatchObject([
      { device_id: 'fdod_a', revoked_at: at, revocation_reason: 'retired' },
    ])
    const [other] = (await list('?device_id=fdod_b')).body.items
    expect(other).toMatchObject({ status: 'active', revoked_at: null, revocation_reason: null })
    expect(other).not.toHaveProperty('status_at')
  })

  it('needs the permission', async () => {
    expect((await list('', 'device:read')).status).toBe(403)
  })
})

describe('the certificates of the authority', () => {
  it.each([
    ['ca.pem', () => world.pki.trustBundle()],
    ['device-ca.pem', () => world.pki.deviceAnchors()],
    ['issuing-ca.pem', () => world.pki.issuingAuthority()],
  ])('are there for anyone: %s', async (name, expected) => {
    const answer = await appFor('read').request(`/.well-known/firstlight/${name}`)
    expect(answer.headers.get('content-type')).toBe('application/x-pem-file')
    const digest = (der: Uint8Array) => createHash('sha256').update(der).digest('hex')
    expect(fromPem(await answer.text())!.map(digest)).toEqual(expected().map(digest))
  })

  it('have the list of what is over beside them, the same until something is', async () => {
    const fetched = async () => {
      const answer = await appFor('read').request('/.well-known/firstlight/issuing-ca.crl')
      expect(answer.headers.get('content-type')).toBe('application/pkix-crl')
      return Buffer.from(await answer.arrayBuffer()).toString('hex')
    }
    const first = await fetched()
    expect(first).toBe(Buffer.from(await world.pki.revocationList()).toString('hex'))
    expect(await fetched()).toBe(first)
  })
})

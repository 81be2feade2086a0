import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { describeRendezvousInfo } from '../../../../protocol/types/rendezvous-text.ts'
import { describeTo2Addresses } from '../../../../protocol/types/to2-address.ts'
import { AuditLog } from '../../../../src/audit/log.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { createApp } from '../../../../src/http/app.ts'
import { permissionsOf } from '../../../../src/http/permissions.ts'
import { silentLog } from '../../../../src/log.ts'
import { addressSettings, warnOfDefaults } from '../../../../src/settings/addresses.ts'
import { addressRoutes } from '../../../../src/settings/routes.ts'

const clock = new FakeClock()
const audit = new AuditLog({ clock })
const ADMIN = { party: HOME_PARTY, id: 'fdoa_1' }
let database: Database
let publicUrl: string
beforeEach(async () => {
  database = await openDatabase(':memory:')
  publicUrl = 'http://127.0.0.1:8080'
})
afterEach(() => database.close())

function settings(hasRendezvous = true) {
  return addressSettings({ database, clock, audit, publicUrl: () => publicUrl, hasRendezvous })
}

describe('the addresses devices are told', () => {
  it.each([
    ['http://127.0.0.1:8080', { ip: '127.0.0.1' }, 8080, 'http'],
    ['https://fdo.example', { dns: 'fdo.example' }, 443, 'https'],
    ['http://fdo.example', { dns: 'fdo.example' }, 80, 'http'],
    ['http://[2001:db8::1]:81', { ip: '2001:db8::1' }, 81, 'http'],
  ])('are those of %s, unless set otherwise', async (url, host, port, protocol) => {
    publicUrl = url
    const { rendezvousInfo, ownerAddresses } = settings()
    const { value: info } = await rendezvousInfo.value(HOME_PARTY)
    expect(describeRendezvousInfo(info)).toEqual([
      { ...host, dev_port: port, owner_port: port, protocol },
    ])
    expect(describeTo2Addresses(await ownerAddresses.value(HOME_PARTY))).toEqual([
      { ...host, port, protocol },
    ])
  })

  it('hold for every instance as soon as they are changed in one', async () => {
    const [one, other] = [settings().ownerAddresses, settings().ownerAddresses]
    await other.value(HOME_PARTY)
    for (const port of [1, 2]) {
      await one.replace(ADMIN, [{ dns: 'new.example', port, protocol: 'http' }])
      expect(await other.value(HOME_PARTY)).toMatchObject([{ dns: 'new.example', port }])
    }
  })

  it('are not told to those that are onboarded where nobody would answer them there', async () => {
    const of = async (hasRendezvous: boolean) => {
      const { rendezvousInfo, rendezvousInfoOfOwned, rendezvousHint } = settings(hasRendezvous)
      const value = await rendezvousInfoOfOwned.value(HOME_PARTY)
      const hint = rendezvousHint(await rendezvousInfo.current(HOME_PARTY))
      return [value && describeRendezvousInfo(value.value).length, hint]
    }
    expect(await of(true)).toEqual([1, null])
    expect(await of(false)).toEqual([
      undefined,
      expect.stringContaining('no rendezvous answers at this service'),
    ])
    await settings().rendezvousInfo.replace({ party: HOME_PARTY, id: 'fdoa_1' }, [
      { dns: 'a.test' },
      { dns: 'b.test' },
    ])
    expect(await of(true)).toEqual([2, null])
    expect(await of(false)).toEqual([2, null])
  })

  it('are warned of in the log as the service starts, where they lead nowhere', async () => {
    const said: string[] = []
    const note = (_: object, text: string) => said.push(text)
    const log = { ...silentLog, warn: note, error: note } as unknown as typeof silentLog
    await warnOfDefaults(settings(true), log)
    expect(said).toEqual([])
    await warnOfDefaults(settings(false), log)
    expect(said).toEqual([expect.stringContaining('set where they are to look')])
    publicUrl = 'no URL'
    await warnOfDefaults(settings(false), log)
    expect(said.at(-1)).toBe('the rendezvous info could not be read')
  })

  it('are left as they are by what is none, and nobody is told', async () => {
    const { rendezvousInfo } = settings()
    let changes = 0
    rendezvousInfo.onChange(() => changes++)
    await expect(rendezvousInfo.replace(ADMIN, [])).rejects.toMatchObject({ name: 'FdoError' })
    await expect(rendezvousInfo.replace(ADMIN, [{ dev_port: 1 }])).rejects.toThrow('dns or ip')
    expect((await rendezvousInfo.current(HOME_PARTY)).isDefault).toBe(true)
    expect(changes).toBe(0)
    await rendezvousInfo.replace(ADMIN, [{ dns: 'rv.example' }])
    expect(changes).toBe(1)
  })
})

describe('/api/v1/rendezvous-info and /api/v1/owner-addresses', () => {
  function call(method: string, path: string, body?: unknown, scope = 'admin') {
    const permissions = permissionsOf([scope])!
    const app = createApp({
      log: silentLog,
      clock,
      trustedProxies: { addresses: [] },
      isReady: async () => true,
      metrics: { text: async () => '' },
      routes: addressRoutes(settings()),
      others: [],
      findPrincipal: async () => ({
        id: 'tok_1',
        name: 'test',
        kind: 'token',
        party: HOME_PARTY,
        permissions,
      }),
    })
    const headers = { authorization: 'Bearer x', 'content-type': 'application/json' }
    const init = body === undefined ? {} : { body: JSON.stringify(body) }
    return app.request(`/api/v1${path}`, { method, headers, ...init })
  }

  it('show what holds, and take something else', async () => {
    expect(await (await call('GET', '/rendezvous-info')).json()).toEqual({
      directives: [{ ip: '127.0.0.1', dev_port: 8080, owner_port: 8080, protocol: 'http' }],
      is_default: true,
      hint: null,
    })
    const directives = [
      { dns: 'rv.example', delay_seconds: 5 },
      { ip: '192.0.2.1', bypass: true },
    ]
    const put = await call('PUT', '/rendezvous-info', { directives })
    expect([put.status, await put.json()]).toEqual([
      200,
      { directives, is_default: false, hint: null },
    ])

    const addresses = [{ dns: 'owner.example', port: 443, protocol: 'https' }]
    await call('PUT', '/owner-addresses', { addresses })
    expect(await (await call('GET', '/owner-addresses')).json()).toEqual({
      addresses,
      is_default: false,
    })
  })

  it.each([
    ['/rendezvous-info', { directives: [] }],
    ['/rendezvous-info', { directives: [{ dev_port: 80 }] }],
    ['/rendezvous-info', { directives: [{ dns: 'x', port: 80 }] }],
    ['/rendezvous-info', { directives: [{ ip: '1.2.3' }] }],
    ['/rendezvous-info', [{ dns: 'x' }]],
    ['/owner-addresses', { addresses: [{ port: 80, protocol: 'http' }] }],
    ['/owner-addresses', { addresses: [{ dns: 'x', port: 0, protocol: 'http' }] }],
    ['/owner-addresses', { addresses: [{ dns: 'x/y', port: 80, protocol: 'http' }] }],
    ['/owner-addresses', { addresses: [{ dns: 'x', port: 80, protocol: 'gopher' }] }],
  ])('refuse for %s: %j', async (path, body) => {
    const refused = await call('PUT', path, body)
    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ code: 'invalid-request' })
    expect(await (await call('GET', path)).json()).toMatchObject({ is_default: true })
  })

  it('want a permission each to read and to write', async () => {
    expect((await call('GET', '/rendezvous-info', undefined, 'owner-address:read')).status).toBe(
      403,
    )
    const put = await call('PUT', '/rendezvous-info', { directives: [{ dns: 'x' }] }, 'read')
    expect(put.status).toBe(403)
  })
})

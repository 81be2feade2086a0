/** An owner and a rendezvous in services of their own, over HTTP, as two organisations run them. */
import { HOME_PARTY } from '../../src/database/tables.ts'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { type Voucher, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { manufactureDevice } from '../../src/simulator/manufacture.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'
import { firstlight, until } from '../support/programs.ts'
import { registerAt } from '../support/registering.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const DAY_MS = 86_400_000

const folder = mkdtempSync(join(tmpdir(), 'public-rendezvous-'))
let rv: TestService
let owner: TestService

beforeAll(async () => {
  rv = await startTestService({ FIRSTLIGHT_ROLES: 'rendezvous', FIRSTLIGHT_TRUST: 'any' })
  owner = await startTestService({ FIRSTLIGHT_ROLES: 'manufacturer,owner' })
}, PATIENCE_MS)
afterAll(async () => {
  await owner.remove()
  await rv.remove()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

interface Server {
  readonly url: string
  readonly state: string
  readonly last_error: string | null
  readonly expires_at: string | null
}

/** A new device, whose voucher names these places; gives its GUID. */
async function make(name: string, ...directives: object[]): Promise<string> {
  const set = await owner.api('PUT', '/api/v1/rendezvous-info', { json: { directives } })
  expect(set.status).toBe(200)
  return manufactureDevice({
    transport: fdoTransport(owner.service.http!),
    credentialPath: join(folder, name),
    key: 'p256',
    ownerKey: 'p256',
    encoding: 'x509',
    serial: name,
    model: 'test',
  })
}

const at = (url: string) => {
  const { hostname: ip, port, protocol } = new URL(url)
  const number = Number(port)
  return { ip, dev_port: number, owner_port: number, protocol: protocol.slice(0, -1) }
}

async function serversOf(guid: string): Promise<readonly Server[]> {
  const { json } = await owner.api('GET', `/api/v1/devices/${guid}`)
  return (json as { to0: { servers: readonly Server[] } }).to0.servers
}

/** Once it is so at the first of them. */
async function untilServer(guid: string, isSo: (server: Server) => boolean): Promise<Server> {
  let server: Server | undefined
  await until(`the rendezvous of ${guid}`, async () => {
    server = (await serversOf(guid))[0]
    return server !== undefined && isSo(server)
  })
  return server!
}

const registration = async (guid: string) =>
  (await rv.api('GET', `/api/v1/registrations/${guid}`)).json as Record<string, unknown>

const register = (voucher: Voucher, signer: Signer, waitSeconds = 3600) =>
  registerAt(rv.service.http!, { voucher, signer, waitSeconds })

describe('two organisations', { timeout: PATIENCE_MS }, () => {
  it('meet: registered for a month, seen on both sides, renewed when asked for', async () => {
    const guid = await make('meet', at(rv.service.http!))
    const server = await untilServer(guid, ({ state }) => state === 'registered')
    expect(server).toMatchObject({ url: rv.service.http, last_error: null })
    const days = (Date.parse(server.expires_at!) - Date.now()) / DAY_MS
    expect(Math.round(days)).toBe(30)
    const before = await registration(guid)
    expect(before).toMatchObject({ state: 'live', entries: 1 })

    await rv.api('DELETE', `/api/v1/registrations/${guid}`)
    expect(await registration(guid)).toMatchObject({ state: 'ended' })
    const asked = await owner.api('POST', `/api/v1/devices/${guid}/register`)
    expect(asked.status).toBe(202)
    await until('it is back', async () => (await registration(guid))['state'] === 'live')
    const none = await owner.api('POST', `/api/v1/devices/${'0'.repeat(32)}/register`)
    expect(none.status).toBe(404)
  })

  it('part for good: what is deleted or retired is withdrawn there, unasked', async () => {
    for (const [name, method, pathOf] of [
      ['deleted', 'DELETE', (guid: string) => `/api/v1/vouchers/${guid}`],
      ['retired', 'POST', (guid: string) => `/api/v1/devices/${guid}/retire`],
    ] as const) {
      const guid = await make(name, at(rv.service.http!))
      await untilServer(guid, ({ state }) => state === 'registered')
      expect(await registration(guid)).toMatchObject({ state: 'live' })
      expect((await owner.api(method, pathOf(guid))).status).toBeLessThan(300)
      await until(`${name}: withdrawn`, async () => (await registration(guid))['state'] === 'ended')
      await until('nothing is left to do', async () => (await serversOf(guid)).length === 0)
    }
  })

  it('part: after the sale the seller gets nowhere, whatever has become of the buyer', async () => {
    const guid = await make('part', at(rv.service.http!))
    await untilServer(guid, ({ state }) => state === 'registered')
    const voucherAt = async () => {
      const { body } = await owner.api('GET', `/api/v1/vouchers/${guid}?format=cbor`)
      return parseVoucher(new Uint8Array(body))
    }
    const sellers = await voucherAt()
    const buyer = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const key = join(folder, 'buyer.pem')
    writeFileSync(key, buyer.privateKey.export({ type: 'pkcs8', format: 'pem' }))
    const pem = buyer.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    await owner.api('POST', `/api/v1/vouchers/${guid}/sell`, { json: { to: pem, unproven: true } })
    await register(await voucherAt(), signerOf(buyer.privateKey))
    expect(await registration(guid)).toMatchObject({ state: 'live', entries: 2 })

    const own = ['--rendezvous', rv.service.http!, '--key', key, '--json']
    const found = await firstlight(['registration', 'look-up-own', guid, ...own])
    expect(found).toMatchObject({ status: 0, json: { guid, entries: 2 } })
    const withdrawn = await firstlight(['registration', 'withdraw-own', guid, ...own])
    expect(withdrawn).toMatchObject({ status: 0, json: { guid, withdrawn: true } })
    expect(await registration(guid)).toMatchObject({ state: 'ended', entries: 2 })

    // With the seller's own key, as a thief of its database would have it.
    const { value } = sellers.entries.at(-1)!.payload.publicKey
    const seller = await owner.service.services.keyStore
      .ring(HOME_PARTY)
      .findSigner('owner', value.key.spki)
    await expect(register(sellers, seller!)).rejects.toThrow('INVALID_OWNERSHIP_VOUCHER')
    await register(await voucherAt(), signerOf(buyer.privateKey), 1)
    await until('it has lapsed', async () => (await registration(guid))['state'] === 'ended')
    await expect(register(sellers, seller!)).rejects.toThrow('INVALID_OWNERSHIP_VOUCHER')
    const { json } = await rv.api('GET', '/api/v1/rendezvous-alarms')
    expect(json).toMatchObject({ items: [{ guid, times: 2, entries: 1, source: '127.0.0.1' }] })
    expect(await registration(guid)).toMatchObject({ state: 'ended', entries: 2 })
  })

  it('are not led behind the other by what a voucher names', async () => {
    const metadata = { ip: '169.254.169.254', dev_port: 80, owner_port: 80, protocol: 'http' }
    const guid = await make('led', metadata, { ...metadata, ip: '10.0.0.1' }, at(rv.service.http!))
    const { last_error } = await untilServer(guid, (server) => server.last_error !== null)
    expect(last_error).toMatch(/169\.254\.169\.254 is a link-local address, and not called/)
    await until('the last is registered', async () => {
      const states = (await serversOf(guid)).map(({ state }) => state)
      return states.join() === 'failing,failing,registered'
    })
  })

  it('see to their own from the command line', async () => {
    const FIRSTLIGHT_URL = rv.service.http!
    const asked = (...args: string[]) =>
      firstlight(['registration', ...args, '--json'], {
        FIRSTLIGHT_URL,
        FIRSTLIGHT_TOKEN: rv.adminToken,
      })
    const guid = await make('line', at(rv.service.http!))
    await untilServer(guid, ({ state }) => state === 'registered')
    const list = await asked('list', '--state', 'live')
    expect(list.json).toContainEqual(expect.objectContaining({ guid, state: 'live' }))
    expect((await asked('withdraw', guid)).json).toEqual({
      guid,
      withdrawn: true,
      forgotten: false,
    })
    expect((await asked('withdraw', guid, '--forget')).json).toMatchObject({ forgotten: true })
    expect(await asked('withdraw', guid)).toMatchObject({ status: 3 })
    expect(await asked('withdraw', 'x')).toMatchObject({ status: 2 })
    const alarms = (await asked('alarms')).json as { guid: string }[]
    expect(await asked('dismiss', alarms[0]!.guid)).toMatchObject({ status: 0 })
    expect((await asked('alarms')).json).toEqual([])

    // As it is printed, and put back with a change.
    const policy = (await asked('policy')).json as Record<string, unknown>
    const file = join(folder, 'policy.json')
    writeFileSync(file, JSON.stringify({ ...policy, anyone: false }))
    expect((await asked('policy', '--set', file)).json).toMatchObject({ anyone: false })
    const again = await firstlight(['device', 'register', guid, '--json'], {
      FIRSTLIGHT_URL: owner.service.http!,
      FIRSTLIGHT_TOKEN: owner.adminToken,
    })
    expect(again).toMatchObject({ status: 0, json: { guid } })
    const refused = await untilServer(guid, (server) => server.last_error !== null)
    expect(refused.last_error).toMatch('INVALID_OWNERSHIP_VOUCHER')
  })
})

/**
 * The database server of two instances is taken away while devices onboard, vouchers are pushed and
 * webhooks delivered, and comes back: all of it goes on, and nobody had to do anything.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import type { FdoTransport } from '../../protocol/converse.ts'
import { PeerRefusal } from '../../protocol/error-message.ts'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { ServiceBusy, httpTransport } from '../../src/fdo/client.ts'
import {
  type FleetDevice,
  makeFleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from '../../src/fleet/device.ts'
import { isOnPostgres } from '../support/database.ts'
import { expectOneOnboarding } from '../support/faulty-world.ts'
import { call } from '../support/listening.ts'
import { manyVouchers } from '../support/many-vouchers.ts'
import { PostgresServer } from '../support/postgres-server.ts'
import { MAIN, ServeProcess, firstlight, freePort, until } from '../support/programs.ts'
import { api, callAt, listAt, ownerKeyOf } from '../support/served.ts'

/** Starts of real processes, on a machine that may be busy. */
const PATIENCE_MS = 300_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const
/** Longer than what was broken off is tried again, and than leases last. */
const AWAY_MS = 12_000

let folder: string
let postgres: PostgresServer
let instances: readonly [ServeProcess, ServeProcess]
let buyer: ServeProcess
let receiver: Server
/** By the ids of what they were told, how often. */
const heard = new Map<string, number>()

beforeAll(async () => {
  if (!isOnPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'firstlight-outage-'))
  postgres = await PostgresServer.make()
  receiver = createServer((request, response) => {
    const id = String(request.headers['webhook-id'])
    heard.set(id, (heard.get(id) ?? 0) + 1)
    request.resume().on('end', () => response.end())
  })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
  // Not the database that other tests are given.
  const serve = (...settings: string[]) => ['env', ...settings, process.execPath, MAIN, 'serve']
  const onServer = serve(`DATABASE_URL=${postgres.url}`)
  const [port, other] = [await freePort(), await freePort()]
  const variables = { FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${port}`, FIRSTLIGHT_TRUST: 'any' }
  const shared = join(folder, 'seller')
  instances = [
    new ServeProcess(shared, port, variables, onServer),
    new ServeProcess(shared, other, variables, onServer),
  ]
  const inFile = serve('-u', 'DATABASE_URL')
  const atBuyer = { FIRSTLIGHT_TRUST: 'any', FIRSTLIGHT_ROLES: 'owner' }
  buyer = new ServeProcess(join(folder, 'buyer'), await freePort(), atBuyer, inFile)
  await instances[0].start()
  await Promise.all([instances[1].start(), buyer.start()])
}, PATIENCE_MS)
afterAll(async () => {
  if (!isOnPostgres) return
  await Promise.all([...instances, buyer].map((one) => one.kill()))
  await postgres.remove()
  receiver.close()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

/** To each of them in turn; whoever is put off comes again with the same message, as it was told to. */
function patientTransport(from: number): FdoTransport {
  let turn = from
  return async (message, authorization) => {
    for (;;) {
      const { send, close } = httpTransport(instances[turn++ % 2]!.url)
      try {
        return await send(message, authorization)
      } catch (error) {
        if (!(error instanceof ServiceBusy)) throw error
        // In a hurry, though.
        await sleep(error.retryAfterMs / 10)
      } finally {
        close()
      }
    }
  }
}

/** A device whose run was forgotten begins anew: the server lost the last half second. */
async function again<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof PeerRefusal)) throw error
      await sleep(200)
    }
  }
}

async function onboarded(serial: string, from: number): Promise<FleetDevice> {
  const transport = patientTransport(from)
  const device = await again(() => makeFleetDevice(serial, transport))
  const surroundings = {
    transportTo: () => transport,
    now: () => new Date(),
    sleep: () => Promise.resolve(),
    note: () => {},
  }
  await again(async () => {
    const redirect = await redirectFleetDevice(device, surroundings)
    await onboardFleetDevice(device, redirect, SUITE, surroundings)
  })
  return device
}

/** Vouchers that wait to be pushed to the buyer; gives their GUIDs. */
async function handedOver(): Promise<readonly string[]> {
  const [seller] = instances
  const [sellers, buyers] = [await ownerKeyOf(seller), await ownerKeyOf(buyer)]
  const { token } = await api<{ token: string }>(buyer, 'POST', '/inbox-tokens', { name: 'Seller' })
  const { push_url } = await api<{ push_url: string }>(buyer, 'GET', '/transfer-profile')
  const toBuyer = { name: 'Buyer', push_url, token, keys: [buyers.pem] }
  const { id: partner } = await api<{ id: string }>(seller, 'POST', '/partners', toBuyer)
  const pems = (await manyVouchers(4, sellers.spki)).map((one) => voucherToPem(one)).join('')
  await callAt(seller, 'POST', '/vouchers', pems, 'application/x-pem-file')
  const vouchers = (await listAt<{ guid: string; origin: string }>(seller, '/vouchers?limit=100'))
    .filter(({ origin }) => origin === 'imported')
    .map(({ guid }) => guid)
  // Nobody takes them yet.
  await buyer.kill()
  await api(seller, 'POST', '/transfers', { partner, vouchers, unproven: true })
  return vouchers
}

async function expectClearAnswers(instance: ServeProcess): Promise<void> {
  const { url } = instance
  const health = (path: string) => call(`${url}/health/${path}`, 'GET', {})
  expect((await health('live')).status).toBe(200)
  expect((await health('ready')).status).toBe(503)
  const managed = await callAt(instance, 'GET', '/devices')
  expect(managed.status).toBe(503)
  expect(JSON.parse(String(managed.body))).toMatchObject({ code: 'unavailable' })
  const message = await call(
    `${url}/fdo/101/msg/30`,
    'POST',
    {},
    Buffer.from('8250'.padEnd(36, '0'), 'hex'),
  )
  for (const { status, headers } of [managed, message]) {
    expect(status).toBe(503)
    expect(Number(headers['retry-after'])).toBeGreaterThan(0)
  }
}

describe.runIf(isOnPostgres)('a database server that goes, and comes back', () => {
  it('costs nobody anything but time', { timeout: PATIENCE_MS }, async () => {
    const [one, other] = instances
    const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`
    const webhook = await api<{ id: string }>(one, 'POST', '/webhooks', { url })
    const guids = await handedOver()
    const fleet = Array.from({ length: 8 }, async (_, i) => {
      await sleep(i * 150)
      return onboarded(`outage-${i}`, i)
    })
    const all = Promise.all(fleet)
    all.catch(() => {})

    await sleep(900)
    await postgres.crash()
    const back = sleep(AWAY_MS)
    await Promise.all(instances.map(expectClearAnswers))
    await buyer.start()
    await back
    await postgres.start()

    for (const { credential } of await all) await expectOneOnboarding(other, credential.guid)
    for (const instance of instances) {
      await until('it is ready', async () => {
        return (await call(`${instance.url}/health/ready`, 'GET', {})).status === 200
      })
    }
    const devices = await listAt<{ serial: string | null }>(one, '/devices?limit=100')
    const made = devices.filter(({ serial }) => serial?.startsWith('outage-'))
    expect(made).toHaveLength(fleet.length)
    const late = await again(() => makeFleetDevice('afterwards', patientTransport(0)))
    await until('what is made is registered', async () => {
      const devices = await listAt<{ guid: string; state: string }>(
        one,
        '/devices?serial=afterwards',
      )
      return devices[0]?.guid === toHex(late.credential.guid) && devices[0].state === 'registered'
    })
    await until('all are pushed', async () => {
      const jobs = await listAt<{ guid: string; state: string }>(one, '/transfers?limit=100')
      return guids.every((guid) =>
        jobs.some((job) => job.guid === guid && job.state === 'delivered'),
      )
    })
    const bought = await listAt<{ guid: string; state: string }>(buyer, '/vouchers?limit=100')
    expect(bought.map(({ guid }) => guid).toSorted()).toEqual(guids.toSorted())
    await until('all is told', async () => {
      const entries = await listAt<{ seq: number; at: string }>(one, '/audit?limit=500')
      const [added] = await listAt<{ seq: number }>(one, `/audit?type=webhook-added&limit=1`)
      const after = entries.filter(({ seq }) => seq > (added?.seq ?? 0))
      return after.length > 0 && after.every(({ seq }) => heard.has(`${webhook.id}_${seq}`))
    })
    const FIRSTLIGHT_TOKEN = readFileSync(join(one.folder, 'admin.token'), 'utf8').trim()
    const caller = { FIRSTLIGHT_URL: one.url, FIRSTLIGHT_TOKEN }
    expect(await firstlight(['audit', 'verify'], caller)).toMatchObject({ status: 0 })
  })
})

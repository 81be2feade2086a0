/** Each instance in turn is told to stop, and started again, while a fleet onboards: nobody notices. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { httpTransport } from '../../src/fdo/client.ts'
import { makeFleetDevice, onboardFleetDevice, redirectFleetDevice } from '../../src/fleet/device.ts'
import { type Balancer, balancer } from '../support/balancer.ts'
import { isOnPostgres, withDatabase } from '../support/database.ts'
import { expectOneOnboarding } from '../support/faulty-world.ts'
import { call } from '../support/listening.ts'
import { ServeProcess, freePort, until } from '../support/programs.ts'

/** Starts of real processes, on a machine that may be busy. */
const PATIENCE_MS = 300_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const
const DRAIN_SECONDS = 1

let folder: string
let instances: readonly ServeProcess[]
let front: Balancer
beforeAll(async () => {
  if (!isOnPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'firstlight-rolling-'))
  await withDatabase({ FIRSTLIGHT_DATA: folder })
  const ports = [await freePort(), await freePort()]
  front = await balancer(ports)
  const variables = {
    FIRSTLIGHT_PUBLIC_URL: front.url,
    FIRSTLIGHT_DRAIN_SECONDS: String(DRAIN_SECONDS),
  }
  instances = ports.map((port) => new ServeProcess(folder, port, variables))
  await Promise.all(instances.map((one) => one.start()))
}, PATIENCE_MS)
afterAll(async () => {
  if (!isOnPostgres) return
  await front.close()
  await Promise.all(instances.map((one) => one.kill()))
  rmSync(folder, { recursive: true })
})

async function list<T>(path: string): Promise<readonly T[]> {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}` }
  const answer = await call(`${front.url}/api/v1${path}`, 'GET', headers)
  expect(answer.status, path).toBe(200)
  return (JSON.parse(String(answer.body)) as { items: T[] }).items
}

/** DI to Done, over connections that are kept; whatever is lost on the way is an error. Gives its GUID. */
async function onboard(serial: string): Promise<Uint8Array> {
  const { send, close } = httpTransport(front.url, { connections: 1 })
  try {
    const device = await makeFleetDevice(serial, send)
    const { guid } = device.credential
    await until('registered', async () => {
      const found = await list<{ state: string }>(`/devices?serial=${serial}`)
      return found[0]?.state === 'registered'
    })
    const surroundings = {
      transportTo: () => send,
      now: () => new Date(),
      sleep: () => Promise.resolve(),
      note: () => {},
    }
    await onboardFleetDevice(
      device,
      await redirectFleetDevice(device, surroundings),
      SUITE,
      surroundings,
    )
    return guid
  } finally {
    close()
  }
}

/** Of three lines together: fewer than a page of a list has. */
const MOST = 150

describe.runIf(isOnPostgres)('a rolling restart', { timeout: PATIENCE_MS }, () => {
  it('drops no onboarding, and leaves no request without an answer', async () => {
    const restarted = new AbortController()
    const guids: Uint8Array[] = []
    const line = async (name: string) => {
      for (let i = 0; i < MOST && !restarted.signal.aborted; i++)
        guids.push(await onboard(`${name}-${i}`))
    }
    const lines = Promise.all(['a', 'b', 'c'].map(line))
    // Where one of them fails the rest is not worth waiting for.
    lines.catch(() => restarted.abort())
    for (const instance of [...instances, ...instances]) {
      if (restarted.signal.aborted) break
      expect(await instance.stop()).toBe(0)
      await instance.start()
    }
    restarted.abort()
    await lines
    expect(front.unanswered).toBe(0)
    expect(guids.length).toBeGreaterThan(4)
    for (const guid of guids) await expectOneOnboarding({ url: front.url, list }, guid)
    expect(await list('/devices?limit=500')).toHaveLength(guids.length)
  })
})

describe.runIf(isOnPostgres)('an instance that is told to stop', { timeout: PATIENCE_MS }, () => {
  it('says so before it takes no more connections, and ends those it has with an answer', async () => {
    const [one] = instances
    const ready = () => call(`${one!.url}/health/ready`, 'GET', {})
    expect((await ready()).status).toBe(200)
    const stopped = one!.stop()
    await until('it says so', async () => (await ready()).status === 503)
    // Everything else is answered as before.
    const { status, headers } = await call(`${one!.url}/health/live`, 'GET', {
      connection: 'keep-alive',
    })
    expect({ status, connection: headers.connection }).toEqual({ status: 200, connection: 'close' })
    expect(await stopped).toBe(0)
    await expect(ready()).rejects.toThrow('ECONNREFUSED')
    await one!.start()
  })
})

/** Two instances of the service on one database: whichever is asked, they are one service. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isOnPostgres, makeEmptyDatabase } from '../support/database.ts'
import {
  BEGINNINGS,
  type Fault,
  NO_FAULT,
  devicesAt,
  expectOneOnboarding,
} from '../support/faulty-world.ts'
import { ServeProcess, freePort } from '../support/programs.ts'

/** Starts of real processes, on a machine that may be busy. */
const PATIENCE_MS = 240_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const

let folder: string
let instances: readonly [ServeProcess, ServeProcess]

beforeEach(async () => {
  if (!isOnPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'firstlight-instances-'))
  await makeEmptyDatabase(folder)
  const [port, other] = [await freePort(), await freePort()]
  // What a balancer in front of both would be known by.
  const variables = { FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${port}` }
  instances = [
    new ServeProcess(folder, port, variables),
    new ServeProcess(folder, other, variables),
  ]
  await Promise.all(instances.map((one) => one.start()))
}, PATIENCE_MS)
afterEach(async () => {
  if (!isOnPostgres) return
  await Promise.all(instances.map((one) => one.kill()))
  rmSync(folder, { recursive: true })
})

describe.runIf(isOnPostgres)('two instances', { timeout: PATIENCE_MS }, () => {
  it('that start at once on an empty database make what must be there once', async () => {
    const [one, other] = instances
    for (const path of ['/groups', '/tokens']) {
      const items = await one.list(path)
      expect(items).toHaveLength(1)
      expect(await other.list(path)).toEqual(items)
    }
    const [keys, known] = await Promise.all(instances.map(ellipticKeys))
    expect(keys).toHaveLength(8)
    expect(known).toEqual(keys)
    expect(readdirSync(folder).toSorted()).toEqual(['admin.token', 'ca.pem', 'master.key'])
    const [bundle, same] = await Promise.all(
      instances.map(async ({ url }) =>
        (await fetch(`${url}/.well-known/firstlight/ca.pem`)).text(),
      ),
    )
    expect(bundle).toContain('BEGIN CERTIFICATE')
    expect(same).toBe(bundle)
  })

  it('answer a device whose every message goes to the other one', async () => {
    const [one, other] = instances
    let turn = 0
    const urls = () => (turn++ % 2 === 0 ? one : other).url
    const devices = devicesAt({
      list: (path) => one.list(path),
      get url() {
        return urls()
      },
    })
    const device = await devices.throughAll(SUITE, NO_FAULT)
    expect(devices.sent.length).toBe(turn)
    await expectOneOnboarding(other, device.credential.guid)
  })

  it('lose nothing when after every message the one at work is killed, and the other asked', async () => {
    let [at, next] = instances
    const devices = devicesAt({
      list: (path) => at.list(path),
      get url() {
        return at.url
      },
    })
    const killedEachTime: Fault = async (send, { number }) => {
      const lost = await send()
      const killed = at
      await killed.kill()
      ;[at, next] = [next, at]
      const answer = await send()
      if (!BEGINNINGS.includes(number)) expect(answer.message).toEqual(lost.message)
      await killed.start()
      return answer
    }
    const device = await devices.throughAll(SUITE, killedEachTime)
    await expectOneOnboarding(at, device.credential.guid)
    expect(await next.list('/devices')).toHaveLength(1)
  })

  it('register what was made, whichever of them has the lease and is killed', async () => {
    for (const [gone, left] of [instances, instances.toReversed()]) {
      await gone!.kill()
      const device = await devicesAt(left!).make(NO_FAULT)
      expect(device.credential.guid).toHaveLength(16)
      await gone!.start()
    }
  })
})

/** RSA keys are still being looked for. */
async function ellipticKeys(instance: ServeProcess): Promise<readonly object[]> {
  const keys = await instance.list<{ type: string }>('/keys')
  return keys.filter(({ type }) => type.startsWith('p'))
}

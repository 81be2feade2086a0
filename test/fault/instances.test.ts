/** Two instances of the service on one database: whichever is asked, they are one service. */
import { randomBytes } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isOnPostgres, makeEmptyDatabase, withDatabase } from '../support/database.ts'
import { onboardAcrossKills } from '../support/across-kills.ts'
import { NO_FAULT, devicesAt, expectOneOnboarding } from '../support/faulty-world.ts'
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
    const { next } = await onboardAcrossKills(instances, SUITE)
    expect(await next.list('/devices')).toHaveLength(1)
  })

  it('send and take files though their disks have nothing in common', async () => {
    const [one] = instances
    const elsewhere = mkdtempSync(join(tmpdir(), 'firstlight-elsewhere-'))
    copyFileSync(join(folder, 'admin.token'), join(elsewhere, 'admin.token'))
    const { DATABASE_URL = '' } = await withDatabase({ FIRSTLIGHT_DATA: folder })
    const variables = {
      ...{ DATABASE_URL, FIRSTLIGHT_PUBLIC_URL: one.url },
      FIRSTLIGHT_MASTER_KEY_FILE: join(folder, 'master.key'),
    }
    const apart = new ServeProcess(elsewhere, await freePort(), variables)
    await apart.start()
    try {
      const bytes = randomBytes(700_000)
      const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
      const authorization = `Bearer ${token}`
      const headers = { authorization, 'content-type': 'application/octet-stream' }
      const brought = { method: 'POST', body: bytes, headers }
      const answer = await fetch(`${one.url}/api/v1/plan-contents`, brought)
      const { ref } = (await answer.json()) as { ref: string }
      const sending = { type: 'file', path: 'big.bin', content: { ref } }
      const taking = { type: 'upload', path: 'big.bin', save_as: 'big', max_bytes: 1 << 20 }
      await apart.put('/plans/default', { steps: [sending, { ...taking, need_sha: true }] })

      let turn = 0
      const devices = devicesAt({
        list: (path) => one.list(path),
        get url() {
          return (turn++ % 2 === 0 ? one : apart).url
        },
      })
      await devices.throughAll(SUITE, NO_FAULT)
      expect(turn).toBeGreaterThan(50)
      const [device] = await one.list<{ id: string }>('/devices')
      for (const at of [one, apart]) {
        const [upload] = await at.list<{ id: number }>(`/devices/${device?.id}/uploads`)
        const sent = await fetch(`${at.url}/api/v1/uploads/${upload?.id}`, {
          headers: { authorization },
        })
        expect(Buffer.from(await sent.arrayBuffer()).equals(bytes)).toBe(true)
      }
      expect(readdirSync(elsewhere).toSorted()).toEqual(['admin.token', 'ca.pem', 'cache'])
    } finally {
      await apart.kill()
      rmSync(elsewhere, { recursive: true })
    }
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

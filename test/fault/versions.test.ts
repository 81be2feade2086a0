/** An upgrade, instance by instance: two versions on one database, either of which may be restarted. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { isOnPostgres } from '../support/database.ts'
import { onboardAcrossKills } from '../support/across-kills.ts'
import { type Listed, NO_FAULT, devicesAt, expectOneOnboarding } from '../support/faulty-world.ts'
import { type NewerProgram, newerProgram } from '../support/newer-program.ts'
import { ServeProcess, freePort, until } from '../support/programs.ts'

/** Starts of real processes, on a machine that may be busy. */
const PATIENCE_MS = 240_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const

/** Every table gets a column, one is new, and one has another index. */
const MORE = `expand({
  async up(db) {
    for (const { name } of await db.introspection.getTables()) {
      if (name === 'kysely_migration' || name === 'kysely_migration_lock') continue
      await db.schema.alterTable(name).addColumn('later', 'text').execute()
    }
    await db.schema.createTable('later').addColumn('name', 'text').execute()
    await db.schema.createIndex('device_later').on('device').column('later').execute()
  },
})`
const LESS = `contract({ async up(db) { await db.schema.dropTable('upload').execute() } }, '9002-less')`

let more: NewerProgram
let less: NewerProgram
let folder: string
const running: ServeProcess[] = []

beforeAll(() => {
  more = newerProgram('9001-more', MORE)
  less = newerProgram('9002-less', LESS)
}, PATIENCE_MS)
afterAll(() => {
  more.remove()
  less.remove()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-versions-'))
})
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.kill()))
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

async function made(program?: NewerProgram, publicPort?: number): Promise<ServeProcess> {
  const port = await freePort()
  const variables = { FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${publicPort ?? port}` }
  const server = new ServeProcess(folder, port, variables, program?.command)
  running.push(server)
  return server
}

/** Whose turn it is, of several that are one service. */
function inTurn(servers: readonly ServeProcess[]): Listed {
  let turn = 0
  return {
    list: (path) => servers[0]!.list(path),
    get url() {
      return servers[turn++ % servers.length]!.url
    },
  }
}

const LISTS = ['/devices', '/vouchers', '/certificates', '/keys', '/audit', '/tokens', '/groups']
const MORE_LISTS = ['/plans', '/webhooks', '/partners', '/parties', '/transfer-rules', '/orders']

/** Nothing is told otherwise by one than by the other, at a moment when nothing comes to it: RSA keys do. */
async function expectSame(one: ServeProcess, other: ServeProcess): Promise<void> {
  for (const path of [...LISTS, ...MORE_LISTS]) {
    let before: unknown
    let told: unknown
    await until(`${path} is still`, async () => {
      before = await one.list(path)
      told = await other.list(path)
      return isDeepStrictEqual(await one.list(path), before)
    })
    expect(told, path).toEqual(before)
  }
}

describe('a version before', { timeout: PATIENCE_MS }, () => {
  it('starts on what a later one has added to, and devices onboard there', async () => {
    const [old, later] = [await made(), await made(more)]
    await old.start()
    const early = await devicesAt(old).make(NO_FAULT)
    expect(await old.stop()).toBe(0)
    await later.start()
    const devices = devicesAt(later)
    await devices.powerUp(early, SUITE, NO_FAULT)
    const next = await devices.make(NO_FAULT)
    expect(await later.stop()).toBe(0)
    await old.start()
    await devicesAt(old).powerUp(next, SUITE, NO_FAULT)
    await expectOneOnboarding(old, next.credential.guid)
    await devicesAt(old).throughAll(SUITE, NO_FAULT)
  })

  it('is not started on what a later one has taken from, and told what to do', async () => {
    const [old, later] = [await made(), await made(less)]
    await old.start()
    await expect(later.start()).rejects.toThrow(/takes away what .* still uses.*: stop that/)
    await devicesAt(old).throughAll(SUITE, NO_FAULT)
    await old.kill()
    await later.start()
    await later.kill()
    await expect(old.start()).rejects.toThrow(/upgraded by a later version \(9002-less, .*run that/)
  })
})

describe.runIf(isOnPostgres)('two versions side by side', { timeout: PATIENCE_MS }, () => {
  it('are one service, whichever gets a message', async () => {
    const old = await made()
    await old.start()
    const early = await devicesAt(old).make(NO_FAULT)
    const later = await made(more)
    await later.start()
    const devices = devicesAt(inTurn([old, later]))
    await devices.powerUp(early, SUITE, NO_FAULT)
    const device = await devices.throughAll(SUITE, NO_FAULT)
    await expectOneOnboarding(later, device.credential.guid)
    await expectSame(old, later)
  })

  it('go on when either is killed, or restarted, after every message', async () => {
    const [old, later] = [await made(), await made(more)]
    await old.start()
    await later.start()
    await onboardAcrossKills([old, later], SUITE)
    await expectSame(old, later)
  })

  it('upgrade under load: devices onboard while the tables change under the old one', async () => {
    const old = await made()
    await old.start()
    const devices = devicesAt(old)
    const fleet = Array.from({ length: 6 }, () => devices.throughAll(SUITE, NO_FAULT))
    const later = await made(more)
    await later.start()
    for (const device of await Promise.all(fleet)) {
      await expectOneOnboarding(later, device.credential.guid)
    }
  })
})

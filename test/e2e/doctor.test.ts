/** An installation is looked over: nothing is found where nothing is wrong, and each fault is. */
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { FakeClock, realClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { openDatabase } from '../../src/database/open.ts'
import { storeLastBackup } from '../../src/operations/backup/store.ts'
import { examine } from '../../src/operations/doctor/examine.ts'
import type { Finding } from '../../src/operations/doctor/finding.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { freePort } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const DAY = 86_400
let folder: string
let world: TestService
let variables: Record<string, string>
/** Of a service that has stopped, to break. */
let stopped: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-doctor-'))
  const data = join(folder, 'data')
  variables = {
    FIRSTLIGHT_PORT: String(await freePort()),
    FIRSTLIGHT_TLS_PORT: String(await freePort()),
  }
  const first = await startTestService({ ...variables }, { folder: data })
  await first.stop()
  stopped = join(folder, 'stopped')
  cpSync(data, stopped, { recursive: true, preserveTimestamps: true })
  world = await startTestService(variables, { folder: data })
}, PATIENCE_MS)
afterAll(async () => {
  await world.stop()
  rmSync(folder, { recursive: true })
})

let broken: string
let files = 0
beforeEach(() => {
  broken = join(folder, 'broken')
  cpSync(stopped, broken, { recursive: true })
  for (const [name, mode] of Object.entries({ '': 0o700, 'master.key': 0o600 })) {
    chmodSync(join(broken, name), mode)
  }
})
afterEach(() => rmSync(broken, { recursive: true }))

const look = (more: Record<string, string> = {}, clock: FakeClock | typeof realClock = realClock) =>
  examine({ config: loadConfig(more), clock, backupSeconds: 7 * DAY })
const running = (more: Record<string, string> = {}) =>
  look({ FIRSTLIGHT_DATA: world.folder, ...variables, ...more })
const atRest = async (more: Record<string, string> = {}, clock?: FakeClock) =>
  look(
    {
      FIRSTLIGHT_DATA: broken,
      FIRSTLIGHT_PORT: String(await freePort()),
      FIRSTLIGHT_TLS_PORT: 'off',
      ...more,
    },
    clock,
  )

/** Who is not let into the data directory. */
async function asStranger<T>(work: () => Promise<T>): Promise<T> {
  const user = process.geteuid?.() ?? 0
  chmodSync(broken, 0)
  if (user === 0) process.seteuid?.('nobody')
  try {
    return await work()
  } finally {
    process.seteuid?.(user)
    chmodSync(broken, 0o700)
  }
}

const of = (found: readonly Finding[], check: string) => found.filter((one) => one.check === check)
const wrong = (found: readonly Finding[]) => found.filter(({ status }) => status === 'problem')

function written(content: string | Buffer): string {
  const path = join(folder, `file-${files++}`)
  writeFileSync(path, content, { mode: 0o600 })
  return path
}

describe('the doctor', { timeout: PATIENCE_MS }, () => {
  it('finds nothing wrong with a service that runs', async () => {
    const found = await running()
    expect(wrong(found)).toEqual([])
    expect(of(found, 'ports')).toHaveLength(2)
    expect(of(found, 'TLS')).toMatchObject([
      { status: 'ok', detail: expect.stringContaining('127.0.0.1') },
    ])
    expect(of(found, 'rendezvous').map(({ status }) => status)).toEqual(['ok', 'ok'])
    expect(of(found, 'keys')).toMatchObject([{ status: 'ok' }])
  })

  it('finds nothing wrong with one that is at rest, or has not been started yet', async () => {
    const found = await atRest()
    expect(wrong(found)).toEqual([])
    expect(of(found, 'ports')).toMatchObject([
      { detail: expect.stringContaining('is free for it') },
    ])
    expect(of(found, 'rendezvous').every(({ status }) => status === 'skipped')).toBe(true)
    expect(wrong(await atRest({ FIRSTLIGHT_DATA: join(folder, 'not-yet') }))).toEqual([])
  })

  it('finds what others may read', async () => {
    chmodSync(broken, 0o755)
    chmodSync(join(broken, 'admin.token'), 0o644)
    const found = of(await atRest(), 'permissions')
    expect(found.map(({ next }) => next)).toEqual([
      `chmod 700 ${broken}`,
      `chmod 600 ${join(broken, 'admin.token')}`,
    ])
  })

  it('takes nothing for absent, or well, that whoever looks may not see', async () => {
    const found = await asStranger(() => atRest())
    expect(wrong(found)).toMatchObject(
      [{ check: 'permissions', detail: /may not look into/ }].map(loosely),
    )
    expect(of(found, 'database')).toMatchObject([{ detail: expect.stringMatching(/is not seen$/) }])
    expect(of(found, 'disk')).toMatchObject([{ status: 'skipped' }])
  })

  it('finds a master key that is another, or gone', async () => {
    writeFileSync(join(broken, 'master.key'), Buffer.alloc(32).toString('base64url'))
    expect(wrong(await atRest())).toMatchObject(
      [{ check: 'keys', detail: /another key/ }].map(loosely),
    )
    rmSync(join(broken, 'master.key'))
    expect(wrong(await atRest())).toMatchObject(
      [{ check: 'keys', detail: /is missing/ }].map(loosely),
    )
  })

  it('finds a damaged database, and leaves it as it is', async () => {
    const file = join(broken, 'firstlight.sqlite')
    const bytes = readFileSync(file)
    bytes.fill(0xff, 4096, 8 * 4096)
    writeFileSync(file, bytes)
    expect(wrong(await atRest())).toMatchObject([{ check: 'database' }])
    expect(readFileSync(file).equals(bytes)).toBe(true)
  })

  it('finds a server that does not answer, where the database is on one', async () => {
    const DATABASE_URL = `postgres://nobody@127.0.0.1:${await freePort()}/none`
    const [database] = of(await atRest({ DATABASE_URL }), 'database')
    expect(database).toMatchObject({
      status: 'problem',
      next: expect.stringContaining('DATABASE_URL'),
    })
  })

  it('tells a database of an earlier version from one of a later', async () => {
    const sqlite = new SQLite(join(broken, 'firstlight.sqlite'))
    sqlite.exec(`update kysely_migration set name = '9999-later' where name = '0002-plan-change'`)
    expect(wrong(await atRest())).toMatchObject(
      [{ check: 'database', detail: /later version/ }].map(loosely),
    )
    sqlite.exec(`delete from kysely_migration where name = '9999-later'`)
    const found = await atRest()
    expect(of(found, 'database')).toMatchObject(
      [{ status: 'warning', detail: /0002-plan-change/ }].map(loosely),
    )
    expect(wrong(found)).toEqual([])
    // One that this version can go on with.
    sqlite.exec(`insert into kysely_migration values ('0002-plan-change', ''), ('9999-later', '')`)
    expect(of(await atRest(), 'database')).toMatchObject(
      [{ status: 'ok', detail: /a later version that lets this one run/ }].map(loosely),
    )
    sqlite.exec(`delete from kysely_migration where name = '9999-later'`)
    sqlite.exec(`delete from kysely_migration where name = '0002-plan-change'`)
    sqlite.close()
  })

  it('finds a clock that was set back', async () => {
    const found = await atRest({}, new FakeClock('2020-01-01T00:00:00Z'))
    expect(of(found, 'clock')).toMatchObject(
      [{ status: 'problem', detail: /it stands before/ }].map(loosely),
    )
  })

  it('finds a back-up that is too old', async () => {
    const database = await openDatabase(join(broken, 'firstlight.sqlite'))
    const ago = (days: number) => new Date(Date.now() - days * DAY * 1000).toISOString()
    await database.commit((tx) => storeLastBackup(tx, ago(8)))
    expect(wrong(await atRest())).toMatchObject([{ check: 'back-up' }])
    await database.commit((tx) => storeLastBackup(tx, ago(6)))
    expect(wrong(await atRest())).toEqual([])
    await database.close()
  })

  it('finds another program at our port, and a port that is not ours to have', async () => {
    const other = createServer((_, answer) => answer.writeHead(404).end())
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const port = String((other.address() as AddressInfo).port)
    const found = await atRest({ FIRSTLIGHT_PORT: port })
    other.close()
    expect(of(found, 'ports')).toMatchObject(
      [{ status: 'problem', detail: /another program/ }].map(loosely),
    )
    const elsewhere = await atRest({ FIRSTLIGHT_HOST: '192.0.2.1' })
    expect(of(elsewhere, 'ports')).toMatchObject([{ status: 'problem' }])
  })

  it('finds a public URL that nobody can resolve, and one that leads nowhere but here', async () => {
    const nowhere = await atRest({ FIRSTLIGHT_PUBLIC_URL: 'http://no-such-host.invalid' })
    expect(of(nowhere, 'public URL')).toMatchObject(
      [{ status: 'problem', detail: /resolve/ }].map(loosely),
    )
    const found = await atRest({
      FIRSTLIGHT_HOST: '0.0.0.0',
      FIRSTLIGHT_PUBLIC_URL: 'http://localhost:1',
    })
    expect(of(found, 'public URL')).toMatchObject(
      [{ status: 'problem', detail: /no device/ }].map(loosely),
    )
    const wrongPort = await running({ FIRSTLIGHT_PUBLIC_URL: 'http://localhost:1' })
    expect(of(wrongPort, 'public URL')).toMatchObject([{ status: 'warning' }])
  })

  const infoFor = (port: number) =>
    JSON.stringify([{ ip: '127.0.0.1', dev_port: port, owner_port: port, protocol: 'http' }])

  /** Devices made here are told to look there. */
  function sendDevicesTo(port: number, party = 'fdop_home'): void {
    const sqlite = new SQLite(join(broken, 'firstlight.sqlite'))
    sqlite
      .prepare(`insert into setting values (?, 'rendezvous-info', ?, 1, '')`)
      .run(party, infoFor(port))
    sqlite.close()
  }

  it.each([
    ['manufacturer,owner', 'problem'],
    ['owner', 'warning'],
  ])('finds that nobody said where devices of %s look: a %s', async (roles, status) => {
    const found = of(await atRest({ FIRSTLIGHT_ROLES: roles }), 'rendezvous')
    const next = expect.stringContaining('setting rendezvous-info --set')
    expect(found).toMatchObject([{ status, next }])
  })

  it('finds a rendezvous that does not answer', async () => {
    sendDevicesTo(await freePort())
    expect(wrong(await atRest()).map(({ check }) => check)).toEqual(['rendezvous', 'rendezvous'])
  })

  it('finds one that another party sends its devices to', async () => {
    const port = await freePort()
    sendDevicesTo(port, 'fdop_other')
    const found = wrong(await atRest()).map(({ detail }) => /:(\d+)/.exec(detail)?.[1])
    expect(found).toEqual([String(port), String(port)])
  })

  it('finds that the clock is not that of the rendezvous', async () => {
    sendDevicesTo(Number(variables['FIRSTLIGHT_PORT']))
    expect(wrong(await atRest())).toEqual([])
    const ahead = new FakeClock(new Date(Date.now() + 7_200_000))
    const [found] = wrong(await atRest({}, ahead)).filter(({ check }) => check === 'clock')
    expect(found?.detail).toMatch(/^7\d\d\d s ahead of http:\/\/127\.0\.0\.1:/)
  })

  it('finds certificates that have ended, or are none, and pairs that do not fit', async () => {
    const key = ecKey()
    const pem = (notAfter: Date) =>
      certificatesToPem([certificateOf({ key, subject: 'ca', notAfter })])
    const ended = written(pem(new Date('2026-01-02T00:00:00Z')))
    const soon = written(pem(new Date(Date.now() + 10 * DAY * 1000)))
    const none = written('nothing')
    const trust = async (file: string) => of(await atRest({ FIRSTLIGHT_TRUST: file }), 'trust')
    expect(await trust(ended)).toMatchObject([{ status: 'problem' }])
    expect(await trust(soon)).toMatchObject([{ status: 'warning' }])
    expect(await trust(none)).toMatchObject([{ status: 'problem' }])
    expect(await trust('any')).toMatchObject([{ status: 'warning' }])
    const another = written(ecKey().export({ type: 'pkcs8', format: 'pem' }))
    const pair = await atRest({ FIRSTLIGHT_TLS_CERT: soon, FIRSTLIGHT_TLS_KEY: another })
    expect(of(pair, 'trust')).toMatchObject(
      [{ status: 'warning' }, { status: 'problem', detail: /do not fit/ }].map(loosely),
    )
  })

  it('finds that the files of the certificate hold another than is shown', async () => {
    const key = ecKey()
    const FIRSTLIGHT_TLS_CERT = written(certificatesToPem([certificateOf({ key, subject: 'new' })]))
    const FIRSTLIGHT_TLS_KEY = written(key.export({ type: 'pkcs8', format: 'pem' }))
    const found = await running({ FIRSTLIGHT_TLS_CERT, FIRSTLIGHT_TLS_KEY })
    expect(of(found, 'TLS')).toMatchObject(
      [{ status: 'problem', detail: /another certificate/ }].map(loosely),
    )
  })
})

/** Expressions that the text has to match. */
function loosely(finding: Partial<Record<keyof Finding, string | RegExp>>) {
  const { detail, ...rest } = finding
  return { ...rest, ...(detail instanceof RegExp && { detail: expect.stringMatching(detail) }) }
}

/** What PostgreSQL does otherwise: many transactions at once, and connections that are lost. */
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { loadConfig } from '../../../../src/config.ts'
import { type Executor, afterCommit } from '../../../../src/database/connection.ts'
import { isConflict } from '../../../../src/database/portable.ts'
import { DatabaseInUse } from '../../../../src/database/in-use.ts'
import { openDatabase as openAnywhere } from '../../../../src/database/open.ts'
import { migrations } from '../../../../src/database/migrations/index.ts'
import { postgresInspection } from '../../../../src/database/postgres/inspect.ts'
import { statement } from '../../../../src/database/statement.ts'
import {
  type Database,
  isOnPostgres,
  openDatabase,
  withDatabase,
} from '../../../support/database.ts'
import { startService } from '../../../../src/main.ts'
import { PATIENCE_MS, startTestService } from '../../../support/service.ts'

const FOLDER = `/postgres-test/${process.pid}`
let url: string
let database: Database
let other: Database

beforeEach(async () => {
  if (!isOnPostgres) return
  url = (await withDatabase({ FIRSTLIGHT_DATA: FOLDER })).DATABASE_URL ?? ''
  database = await openDatabase(`${FOLDER}/firstlight.sqlite`)
  other = await openDatabase(`${FOLDER}/firstlight.sqlite`)
  await database.db.deleteFrom('setting').execute()
})
afterEach(async () => {
  if (isOnPostgres) await Promise.all([database.close(), other.close()])
})

const aSetting = (name: string, value = '') => {
  return { party: HOME_PARTY, name, value, version: 1, updated_at: '' }
}
const put = (tx: Executor, name: string, value = '') =>
  tx.insertInto('setting').values(aSetting(name, value)).execute()
const list = statement((db, _: object) =>
  db.selectFrom('setting').select(['name', 'value']).orderBy('name'),
)
const names = async () => (await list.all(database.db, {})).map(({ name }) => name)

const until = async (isSo: () => boolean | Promise<boolean>) => {
  await vi.waitFor(async () => expect(await isSo()).toBe(true), { timeout: 10_000, interval: 5 })
}

/** Ends every connection of these databases but our own, as a server that restarts does. */
async function breakConnections(): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
     where datname = current_database() and pid <> pg_backend_pid()`,
  )
  await client.end()
}

/** One after the other by hand: resolves `reached` when somebody waits at it. */
function gate() {
  let open = () => {}
  let reach = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  const reached = new Promise<void>((resolve) => (reach = resolve))
  const pass = () => {
    reach()
    return opened
  }
  return { open: () => open(), reached, pass }
}

describe.runIf(isOnPostgres)('commit', () => {
  it('runs again where another came between, and its effects follow once', async () => {
    const between = gate()
    const seen: number[] = []
    let effects = 0
    const counting = database.commit(async (tx) => {
      const before = await list.all(tx, {})
      seen.push(before.length)
      afterCommit(tx, () => effects++)
      if (seen.length === 1) await between.pass()
      await put(tx, `a${before.length}`)
    })
    await between.reached
    await other.commit(async (tx) => {
      const before = await list.all(tx, {})
      await put(tx, `b${before.length}`)
    })
    between.open()
    await counting
    expect(seen).toEqual([0, 1])
    expect(await names()).toEqual(['a1', 'b0'])
    expect(effects).toBe(1)
  })

  it('never lets two of those that look and then write miss each other', async () => {
    const add = (one: Database) =>
      one.commit(async (tx) => {
        const rows = await list.all(tx, {})
        await put(tx, `n${String(rows.length).padStart(2, '0')}`)
      })
    await Promise.all(Array.from({ length: 12 }, (_, i) => add(i % 2 ? database : other)))
    expect(await names()).toEqual(
      Array.from({ length: 12 }, (_, i) => `n${String(i).padStart(2, '0')}`),
    )
  })

  it('says how many wait while all connections are lent', async () => {
    const gates = Array.from({ length: 4 }, gate)
    const lent = gates.map(({ pass }) => database.commit(pass))
    for (const { reached } of gates) await reached
    const kept = Array.from({ length: 3 }, () => list.all(database.db, {}))
    await until(() => database.waiting() === 3)
    for (const { open } of gates) open()
    await Promise.all([...lent, ...kept])
    expect(database.waiting()).toBe(0)
  })

  it('fails where a statement failed, even if its work got over that', async () => {
    const work = database.commit(async (tx) => {
      await put(tx, 'a')
      await put(tx, 'a').catch(() => {})
    })
    await expect(work).rejects.toSatisfy(isConflict)
    expect(await names()).toEqual([])
  })

  it('does again what lost its connection before the end', async () => {
    let runs = 0
    await database.commit(async (tx) => {
      await put(tx, 'a')
      if (++runs === 1) await breakConnections()
      await put(tx, 'b')
    })
    expect(runs).toBe(2)
    expect(await names()).toEqual(['a', 'b'])
  })

  it('says so where the connection is lost while it commits', async () => {
    const real = pg.Client.prototype.query as (...given: unknown[]) => unknown
    const lost = vi.spyOn(pg.Client.prototype, 'query').mockImplementation(function (
      this: pg.Client,
      ...given: unknown[]
    ) {
      if (given[0] === 'commit')
        return Promise.reject(new Error('Connection terminated unexpectedly'))
      return Reflect.apply(real, this, given)
    } as never)
    const work = database.commit((tx) => put(tx, 'a'))
    await expect(work).rejects.toThrow('asked again')
    lost.mockRestore()
  })

  it('gives turns: one begins when the one before has been committed, and sees it', async () => {
    const order: string[] = []
    const turn = (one: Database, name: string) =>
      one.commit(
        async (tx) => {
          const rows = await list.all(tx, {})
          order.push(`${name} ${rows.length}`)
          await put(tx, name)
        },
        { turn: 'test' },
      )
    await Promise.all([turn(database, 'a'), turn(other, 'b'), turn(database, 'c')])
    expect(order.map((text) => text.slice(2)).toSorted()).toEqual(['0', '1', '2'])
    expect(order).toHaveLength(3)
  })
})

describe.runIf(isOnPostgres)('a statement', () => {
  it('that reads is asked again where its connection was lost', async () => {
    await put(database.db, 'a')
    await breakConnections()
    expect(await names()).toEqual(['a'])
    expect(await database.isAlive()).toBe(true)
  })

  it('is prepared anew after another process changed its table', async () => {
    const all = statement((db, _: object) => db.selectFrom('setting').selectAll())
    await put(database.db, 'a')
    await Promise.all(Array.from({ length: 8 }, () => all.all(database.db, {})))
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    await client.query('alter table setting add column later text')
    const rows = await Promise.all(Array.from({ length: 8 }, () => all.all(database.db, {})))
    await client.query('alter table setting drop column later')
    await client.end()
    expect(rows.map((some) => some.length)).toEqual(Array(8).fill(1))
    expect(await database.commit((tx) => all.all(tx, {}))).toHaveLength(1)
  })

  it('keeps text with NUL in it as if that were no Unicode, and finds it', async () => {
    const find = statement((db, p: { name: string }) =>
      db.selectFrom('setting').select('name').where('name', '=', p.name),
    )
    await put(database.db, 'a\0b')
    expect(await names()).toEqual(['a\ufffdb'])
    expect(await find.first(database.db, { name: 'a\0b' })).toEqual({ name: 'a\ufffdb' })
  })

  it('orders and compares text by its bytes', async () => {
    for (const name of ['b', 'B', 'ä', 'a', '_', 'Z']) await put(database.db, name)
    expect(await names()).toEqual(['B', 'Z', '_', 'a', 'b', 'ä'])
    const after = database.db.selectFrom('setting').select('name').where('name', '>', 'Z')
    expect(await after.execute()).toHaveLength(4)
  })
})

describe.runIf(isOnPostgres)('changesOf', () => {
  it('moves on at once with what this process commits, and stays otherwise', async () => {
    const before = database.changesOf('setting')
    expect(database.changesOf('setting')).toBe(before)
    await database.commit((tx) => put(tx, 'a'))
    expect(database.changesOf('setting')).toBeGreaterThan(before)
  })

  it('moves on with what others commit, and only for that table', async () => {
    const before = other.changesOf('setting')
    const plans = other.changesOf('plan')
    await database.commit((tx) => put(tx, 'a'))
    await until(() => other.changesOf('setting') > before)
    expect(other.changesOf('plan')).toBe(plans)
  })

  it('takes nothing for unchanged while it cannot listen, and listens again', async () => {
    await breakConnections()
    await until(() => database.changesOf('setting') !== database.changesOf('setting'))
    await until(() => database.changesOf('setting') === database.changesOf('setting'))
    const before = database.changesOf('setting')
    await other.commit((tx) => put(tx, 'a'))
    await until(() => database.changesOf('setting') > before)
  })
})

describe.runIf(isOnPostgres)('a database that somebody wants alone', () => {
  const alone = () => openAnywhere(url, { alone: true })
  const close = () => Promise.all([database.close(), other.close()])

  it('is not given while anybody has it open, and lets nobody in once it is', async () => {
    await expect(alone()).rejects.toThrow(DatabaseInUse)
    await close()
    const taken = await alone()
    await expect(openAnywhere(url)).rejects.toThrow(DatabaseInUse)
    await expect(alone()).rejects.toThrow(DatabaseInUse)
    await taken.commit((tx) => put(tx, 'a'))
    await taken.close()
    database = await openAnywhere(url)
    other = await openAnywhere(url)
    expect(await names()).toEqual(['a'])
  })

  it('is of no more use to those who were cut off while somebody had it', async () => {
    let taken: Database | undefined
    await until(async () => {
      await breakConnections()
      taken = await alone().catch(() => undefined)
      return taken !== undefined
    })
    await taken?.commit((tx) => put(tx, 'a'))
    await taken?.close()
    await until(async () => !(await database.isAlive()) && !(await other.isAlive()))
    await expect(names()).rejects.toThrow('start it again')
    await expect(other.commit((tx) => put(tx, 'b'))).rejects.toThrow('start it again')
    const again = await openAnywhere(url)
    expect(await list.all(again.db, {})).toMatchObject([{ name: 'a' }])
    await again.close()
  })

  it('goes on with those who lost it for a moment', async () => {
    await breakConnections()
    await until(() => database.changesOf('setting') !== database.changesOf('setting'))
    await until(() => database.changesOf('setting') === database.changesOf('setting'))
    await database.commit((tx) => put(tx, 'a'))
    expect(await names()).toEqual(['a'])
    await expect(alone()).rejects.toThrow(DatabaseInUse)
  })
})

describe('a start', () => {
  const start = (DATABASE_URL: string, folder: string) => {
    const config = loadConfig({ FIRSTLIGHT_DATA: folder, FIRSTLIGHT_LOG: 'silent', DATABASE_URL })
    return startService(config)
  }

  it('is refused where no server answers, without its password', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
    const refused = await start('postgres://fdo:secret@127.0.0.1:1/fdo', folder).catch(String)
    expect(refused).toMatch(/^StartRefused: DATABASE_URL: .*ECONNREFUSED/)
    expect(refused).not.toContain('secret')
    rmSync(folder, { recursive: true })
  })

  it.runIf(isOnPostgres)('is refused by the reason the server gives', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
    const none = new URL(url)
    none.pathname = '/nowhere'
    await expect(start(none.href, folder)).rejects.toThrow('"nowhere" does not exist')
    rmSync(folder, { recursive: true })
  })

  it.runIf(isOnPostgres)(
    'is refused without the master key that the database was used with',
    async () => {
      const { service, folder, stop } = await startTestService()
      expect(service.http).toContain('http')
      await stop()
      rmSync(join(folder, 'master.key'))
      await expect(startTestService({}, { folder })).rejects.toThrow('master.key is missing')
      rmSync(folder, { recursive: true })
    },
    PATIENCE_MS,
  )
})

describe.runIf(isOnPostgres)('a database that is looked at from outside', () => {
  it('tells which migrations it has had, and that nothing is wrong', async () => {
    const inspection = postgresInspection(url)
    expect(await inspection.findFlaw()).toBeUndefined()
    expect(await inspection.migrations()).toEqual(Object.keys(migrations).toSorted())
  })

  it('has had none where no service has been', async () => {
    const nowhere = new URL(url)
    nowhere.searchParams.set('options', '-c search_path=nobody')
    expect(await postgresInspection(nowhere.href).migrations()).toEqual([])
  })
})

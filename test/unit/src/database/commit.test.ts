/** Group commit: many requests, one transaction, each its own outcome. */
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SQLite from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { alongside } from '../../../../src/database/alongside.ts'
import { type Executor, afterCommit } from '../../../../src/database/connection.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import { isConflict } from '../../../../src/database/portable.ts'
import { statement } from '../../../../src/database/statement.ts'

let folder: string
let path: string
let database: Database

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-database-'))
  path = join(folder, 'test.sqlite')
  database = await openDatabase(path)
})
afterEach(async () => {
  await database.close().catch(() => {})
  rmSync(folder, { recursive: true })
})

const put = statement((db, p: { name: string }) =>
  db
    .insertInto('setting')
    .values({ party: HOME_PARTY, name: p.name, value: '', version: 1, updated_at: '' }),
)
const find = statement((db, p: { name: string }) =>
  db.selectFrom('setting').select('name').where('name', '=', p.name),
)
const aSetting = { party: HOME_PARTY, name: 'k', value: '', version: 1, updated_at: '' }
const names = async () => {
  const rows = await database.db.selectFrom('setting').select('name').orderBy('name').execute()
  return rows.map(({ name }) => name)
}
const turn = () => new Promise(setImmediate)

describe('commit', () => {
  it('gives what the work gave, after the commit', async () => {
    expect(await database.commit(async (tx) => put.run(tx, { name: 'a' }))).toBe(1)
    const other = new SQLite(path)
    expect(other.prepare('select name from setting').all()).toEqual([{ name: 'a' }])
    other.close()
  })

  it('brings nothing of one along with what another’s work goes on to commit', async () => {
    let brought = 0
    let later: Promise<unknown> = Promise.resolve()
    const first = alongside(
      async () => void brought++,
      () => database.commit((tx) => put.run(tx, { name: 'a' })),
    )
    // The group was started by the first, whose work has not ended when the other's is done.
    const second = database.commit(async () => {
      later = database.commit((tx) => put.run(tx, { name: 'b' }))
    })
    await Promise.all([first, second])
    await later
    expect([await names(), brought]).toEqual([['a', 'b'], 1])
  })

  it('puts the jobs that wait together into one transaction, in turn', async () => {
    let together = 0
    const seenByOthers: unknown[] = []
    const other = new SQLite(path)
    const job = async (tx: Executor, name: string) => {
      expect(together++).toBe(0)
      await put.run(tx, { name })
      await turn()
      seenByOthers.push(other.prepare('select count(*) as count from setting').get())
      together--
    }
    await Promise.all(['a', 'b', 'c'].map((name) => database.commit((tx) => job(tx, name))))
    expect(seenByOthers).toEqual([{ count: 0 }, { count: 0 }, { count: 0 }])
    expect(await names()).toEqual(['a', 'b', 'c'])
    other.close()
  })

  it('rolls back alone the job that fails', async () => {
    const outcomes = await Promise.allSettled([
      database.commit((tx) => put.run(tx, { name: 'a' })),
      database.commit(async (tx) => {
        await put.run(tx, { name: 'b' })
        throw new Error('no')
      }),
      database.commit((tx) => put.run(tx, { name: 'c' })),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await names()).toEqual(['a', 'c'])
  })

  it('rolls back a job that fails by itself', async () => {
    const work = async (tx: Executor) => {
      await put.run(tx, { name: 'a' })
      throw new Error('no')
    }
    await expect(database.commit(work)).rejects.toThrow('no')
    expect(await names()).toEqual([])
  })

  it('tells a row that exists from other failures', async () => {
    await database.commit((tx) => put.run(tx, { name: 'a' }))
    const again = database.commit((tx) => put.run(tx, { name: 'a' }))
    await expect(again).rejects.toSatisfy(isConflict)
    expect(isConflict(new Error('no'))).toBe(false)
  })

  it('lets readers wait rather than see what may be rolled back', async () => {
    let seen: unknown
    const work = database.commit(async (tx) => {
      await put.run(tx, { name: 'a' })
      const reading = [
        find.first(database.db, { name: 'a' }),
        database.db.selectFrom('setting').select('name').executeTakeFirst(),
      ]
      void Promise.all(reading).then((rows) => (seen = rows))
      await turn()
      expect(seen).toBeUndefined()
      throw new Error('no')
    })
    await expect(work).rejects.toThrow('no')
    await turn()
    expect(seen).toEqual([undefined, undefined])
  })

  it('does what is to follow a job after its commit, and drops that of one that fails', async () => {
    const order: string[] = []
    const job = (name: string, isGood: boolean) =>
      database.commit(async (tx) => {
        afterCommit(tx, () => order.push(`after ${name}`))
        await put.run(tx, { name })
        order.push(name)
        if (!isGood) throw new Error('no')
      })
    const all = [job('a', true), job('b', false), job('c', true)]
    await Promise.allSettled(all)
    expect(order).toEqual(['a', 'b', 'c', 'after a', 'after c'])
    await expect(job('d', false)).rejects.toThrow('no')
    await job('e', true)
    expect(order.slice(5)).toEqual(['d', 'e', 'after e'])
  })

  it('does at once what is to follow no transaction', () => {
    let done = false
    afterCommit(database.db, () => (done = true))
    expect(done).toBe(true)
  })

  it('keeps the order of jobs', async () => {
    const order: number[] = []
    await Promise.all(
      [1, 2, 3].map((number) => database.commit(async () => void order.push(number))),
    )
    expect(order).toEqual([1, 2, 3])
  })

  it('resolves durable jobs, too', async () => {
    const durable = { durable: true }
    const names = Array.from({ length: 20 }, (_, i) => `d${i}`)
    await Promise.all(names.map((name) => database.commit((tx) => put.run(tx, { name }), durable)))
    expect(await find.all(database.db, { name: 'd19' })).toEqual([{ name: 'd19' }])
  })

  it('finishes what waits before it closes', async () => {
    const work = database.commit((tx) => put.run(tx, { name: 'a' }))
    await database.close()
    expect(await work).toBe(1)
  })

  it('waits while another process writes', async () => {
    const other = new SQLite(path)
    other.exec('begin immediate')
    const work = database.commit((tx) => put.run(tx, { name: 'a' }))
    await new Promise((resolve) => setTimeout(resolve, 60))
    other.exec('commit')
    expect(await work).toBe(1)
    other.close()
  })

  it('refuses a transaction that is used after its end', async () => {
    const tx = await database.commit(async (tx) => [tx])
    await expect(put.run(tx[0] as Executor, { name: 'a' })).rejects.toThrow('after its end')
  })

  it('refuses a transaction beside it', async () => {
    const beside = database.db.transaction().execute(async () => {})
    await expect(beside).rejects.toThrow('commit')
  })
})

describe('statement', () => {
  it('binds values where they belong, null and bytes too', async () => {
    const add = statement((db, p: { id: number; at: string; wrapped: Uint8Array }) =>
      db.insertInto('sealing_key').values({ id: p.id, created_at: p.at, wrapped: p.wrapped }),
    )
    const list = statement((db, p: { least: number }) =>
      db.selectFrom('sealing_key').selectAll().where('id', '>=', p.least).orderBy('id').limit(2),
    )
    for (const id of [1, 2, 3, 4]) {
      await add.run(database.db, { id, at: `t${id}`, wrapped: Uint8Array.of(id) })
    }
    const rows = await list.all(database.db, { least: 2 })
    expect(rows.map(({ id, wrapped }) => [id, wrapped[0]])).toEqual([
      [2, 2],
      [3, 3],
    ])
  })

  it('belongs to a database of ours', async () => {
    await expect(find.first({} as Executor, { name: 'a' })).rejects.toThrow('executor')
  })
})

describe('changesOf', () => {
  const drop = statement((db, p: { name: string }) =>
    db.deleteFrom('setting').where('name', '=', p.name).returning('name'),
  )
  const touch = statement((db, p: { name: string }) =>
    db.updateTable('setting').set({ value: 'x' }).where('name', '=', p.name),
  )

  it('moves on with every way to write, and with no way to read', async () => {
    const { db } = database
    const seen = new Set([database.changesOf('setting')])
    const writes = [
      () => put.run(db, { name: 'a' }),
      () => touch.run(db, { name: 'a' }),
      () => drop.first(db, { name: 'a' }),
      () => db.insertInto('setting').values(aSetting).execute(),
      () => db.updateTable('setting').set({ value: 'y' }).execute(),
      () => db.deleteFrom('setting').returning('name').execute(),
    ]
    for (const write of writes) {
      await write()
      seen.add(database.changesOf('setting'))
    }
    expect(seen.size).toBe(1 + writes.length)
    const before = database.changesOf('setting')
    await find.first(db, { name: 'a' })
    await names()
    expect(database.changesOf('setting')).toBe(before)
  })

  it('stays while only other tables are written', async () => {
    const before = database.changesOf('plan')
    await put.run(database.db, { name: 'a' })
    expect(database.changesOf('plan')).toBe(before)
  })

  it('moves on with what another process writes', async () => {
    const before = database.changesOf('setting')
    const other = new SQLite(path)
    other.exec(
      "insert into setting (party, name, value, version, updated_at) values ('p', 'b', '', 1, '')",
    )
    other.close()
    expect(database.changesOf('setting')).not.toBe(before)
  })
})

describe('the file', () => {
  it('can be read by its owner alone, its log as well', async () => {
    const { statSync } = await import('node:fs')
    await database.commit((tx) => put.run(tx, { name: 'a' }))
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o077).toBe(0)
  })

  it('keeps nothing of what was deleted, once the log is emptied', async () => {
    const { readFileSync } = await import('node:fs')
    await database.commit((tx) => put.run(tx, { name: 'a-secret-name' }))
    await database.commit((tx) => tx.deleteFrom('setting').execute())
    await database.emptyLog()
    for (const file of [path, `${path}-wal`]) {
      expect(readFileSync(file).includes('a-secret-name')).toBe(false)
    }
  })

  it('is opened again with what was committed', async () => {
    await database.commit((tx) => put.run(tx, { name: 'a' }))
    await database.close()
    database = await openDatabase(path)
    expect(await names()).toEqual(['a'])
  })
})

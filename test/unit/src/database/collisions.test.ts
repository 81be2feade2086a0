/** Transactions that read where others write: on PostgreSQL, with few rows, almost all collide. */
import { randomUUID } from 'node:crypto'
import { expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { type Database, isOnPostgres, openDatabase } from '../../../support/database.ts'

const FOLDER = `/collisions-test/${process.pid}`
const MANY = 32

/** Looks whether a setting is there and then writes it: how often that was tried. */
async function look(database: Database): Promise<number> {
  const name = randomUUID()
  const row = { party: HOME_PARTY, name, value: '', version: 1, updated_at: '' }
  let attempts = 0
  await database.commit(async (tx) => {
    attempts++
    const there = tx.selectFrom('setting').select('value').where('party', '=', HOME_PARTY)
    await there.where('name', '=', name).execute()
    await there.where('name', '=', randomUUID()).execute()
    await tx.insertInto('setting').values(row).execute()
  })
  return attempts
}

const opened = () => openDatabase(`${FOLDER}/firstlight.sqlite`)

it.runIf(isOnPostgres)(
  'those of one process go through at the third attempt at the latest',
  async () => {
    const database = await opened()
    const attempts = await Promise.all(Array.from({ length: MANY }, () => look(database)))
    const most = Math.max(...attempts)
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(3)
    await database.close()
  },
)

it.runIf(isOnPostgres)('those of several processes go through', async () => {
  const [one, other] = [await opened(), await opened()]
  const all = Array.from({ length: MANY }, (_, i) => look(i % 2 === 0 ? one : other))
  expect(await Promise.all(all)).toHaveLength(MANY)
  await Promise.all([one.close(), other.close()])
})

/** A rotation of the master key is killed at any moment: one key opens everything, always. */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { databasePlace } from '../../src/config.ts'
import { openDatabase } from '../../src/database/open.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { expectKeysOpen } from '../../src/operations/backup/keys.ts'
import { type DataDirectory, dataDirectory } from '../support/data-directory.ts'
import { MAIN } from '../support/programs.ts'

let data: DataDirectory
beforeEach(async () => {
  data = await dataDirectory()
})
afterEach(() => data.remove())

/** Kills it after so long; true if it had ended by itself. */
function rotateFor(ms: number): Promise<boolean> {
  const args = [MAIN, 'master-key', 'rotate', '--data', data.config.dataDir]
  const { databaseUrl } = data.config
  const env = { ...process.env, ...(databaseUrl !== undefined && { DATABASE_URL: databaseUrl }) }
  const child = spawn(process.execPath, args, { stdio: 'ignore', env })
  const timer = setTimeout(() => child.kill('SIGKILL'), ms)
  return new Promise((resolve) => {
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve(code === 0)
    })
  })
}

it('loses nothing, whenever it is killed', async () => {
  // Enough to be in the middle of it at times.
  const { database, sealer } = data
  const at = new Date().toISOString()
  for (let i = 0; i < 2_000; i++) {
    const key = `k${i}`
    const answer = sealer.seal(`idempotency ${JSON.stringify(['p', key])}`, randomBytes(200))
    const request = { principal: 'p', key, party: HOME_PARTY, request_hash: '', runner: 'r' }
    const state = { state: 'done' as const, status: 200, content_type: null, answer }
    await database.db
      .insertInto('idempotency')
      .values({ ...request, ...state, lease_until: at, expires_at: '2099' })
      .execute()
  }
  await data.close()

  // How long it takes, at the least: a machine is busier at one time than at another.
  let whole = 120_000
  const isKilledAfter = async (ms: number) => {
    const began = performance.now()
    const hasEnded = await rotateFor(ms)
    if (hasEnded) whole = Math.min(whole, performance.now() - began)
    return !hasEnded
  }
  expect(await isKilledAfter(whole)).toBe(false)
  let killed = 0
  for (let i = 1; i <= 12; i++) {
    if (await isKilledAfter(whole * (0.4 + 0.05 * i))) killed++
    const again = await openDatabase(databasePlace(data.config))
    await expectKeysOpen({ database: again, clock: data.clock }, data.config.masterKeyFile)
    await again.close()
  }
  expect(killed).toBeGreaterThan(2)
  expect(await rotateFor(120_000)).toBe(true)
}, 300_000)

/** What it costs to show keys: vouchers are counted by rows, while everybody waits. */
import { generateKeyPairSync } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import type { Events } from '../../../../src/events.ts'
import { Keys } from '../../../../src/keys/service.ts'
import { KeyStore } from '../../../../src/secrets/key-store.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'
import { type Database, openDatabase } from '../../../support/database.ts'

const PARTY = 'fdop_a'

let database: Database
let keyStore: KeyStore
let keys: Keys
/** How far was counted, key by key. */
let counted: number[]
/** How many vouchers each key has. */
let held: number
beforeEach(async () => {
  const clock = new FakeClock()
  database = await openDatabase(':memory:')
  keyStore = await KeyStore.open({ database, clock, sealer: new Sealer(new Uint8Array(32)) })
  counted = []
  held = Infinity
  keys = new Keys({
    ...{ keyStore, database, clock },
    audit: { append: async () => {} },
    events: {} as Events,
    parties: { hasRole: async () => true },
    async countVouchers(_db, _key, most) {
      counted.push(most)
      return Math.min(held, most)
    },
    findOrderFor: async () => undefined,
  })
})
afterEach(() => database.close())

/** The first is imported, and the rest are rows like its own: brought one by one they take a minute. */
async function addKeys(count: number) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const file = privateKey.export({ type: 'pkcs8', format: 'der' })
  const { id } = await keyStore.import({ party: PARTY, purpose: 'owner' }, file)
  const keys = database.db.selectFrom('private_key').selectAll().where('id', '=', id)
  const row = await keys.executeTakeFirstOrThrow()
  const like = (i: number) => ({ ...row, id: `${id}${i}`, fingerprint: `${row.fingerprint}${i}` })
  const rest = Array.from({ length: count - 1 }, (_, i) => like(i))
  if (rest.length > 0) await database.db.insertInto('private_key').values(rest).execute()
  await keyStore.read()
}

describe('how many vouchers are with each key', () => {
  it('is counted up to ten thousand where few keys are shown', async () => {
    await addKeys(10)
    const [first] = await keys.list(PARTY, 100)
    await keys.find(PARTY, first?.id ?? expect.fail())
    expect(counted).toEqual(Array(11).fill(10_000))
  })

  it('is told apart from a count that was cut', async () => {
    await addKeys(1)
    held = 9_999
    expect(await keys.list(PARTY, 100)).toMatchObject([{ vouchers: 9_999, isCut: false }])
    held = 10_001
    expect(await keys.list(PARTY, 100)).toMatchObject([{ vouchers: 10_000, isCut: true }])
  })

  it('is counted up to fewer where many are shown, and no less than it says', async () => {
    await addKeys(520)
    await keyStore.ownKey({ party: PARTY, purpose: 'device-ca', kind: 'p256' })
    expect(await keys.list(PARTY, 40)).toHaveLength(40)
    expect(counted.reduce((sum, most) => sum + most)).toBeLessThanOrEqual(100_000)
    expect(Math.min(...counted)).toBeGreaterThanOrEqual(2_500)
    counted.length = 0
    await keys.list(PARTY, 600)
    expect(counted).toEqual(Array(520).fill(200))
  })
})

/** A request with an Idempotency-Key that takes long, on a clock that is moved by hand. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { type Database, openDatabase } from '../../../../src/database/open.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { Idempotency, type KeyedAnswer } from '../../../../src/http/idempotency/service.ts'
import { Sealer } from '../../../../src/secrets/seal.ts'

const sealer = new Sealer(new Uint8Array(32).fill(7))
const ANSWER: KeyedAnswer = { status: 200, contentType: null, body: 'done' }
const REQUEST = {
  principal: {
    ...{ id: 'fdoa_1', name: 'a', kind: 'token' as const, party: HOME_PARTY },
    permissions: new Set<never>(),
  },
  ...{ key: 'k', method: 'POST', target: '/api/v1/vouchers', contentType: '' },
  body: new Uint8Array(0),
}

let clock: FakeClock
let database: Database
beforeEach(async () => {
  clock = new FakeClock()
  database = await openDatabase(':memory:')
})
afterEach(() => database.close())

const leaseEnds = async () => {
  const rows = await database.db.selectFrom('idempotency').select('lease_until').execute()
  return rows[0]?.lease_until
}
const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1000)

/** Lets time pass in steps, with whatever falls due on the way done. */
async function pass(seconds: number, renewed: boolean): Promise<void> {
  for (let i = 0; i < seconds; i += 10) {
    clock.advance(10_000)
    if (renewed) await expect.poll(leaseEnds).toBe(inSeconds(30).toISOString())
    // Whoever sleeps next does so in a later turn.
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** A request under way, and how it is let go. */
async function begun(idempotency: Idempotency) {
  let end = (_answer: KeyedAnswer) => {}
  let runs = 0
  const answer = idempotency.once(REQUEST, () => {
    runs++
    return new Promise((resolve) => (end = resolve))
  })
  await expect.poll(() => runs).toBe(1)
  return { answer, end: () => end(ANSWER) }
}

describe('a request that takes longer than its lease', () => {
  it('is not carried out by a repeat, however long it takes', async () => {
    const first = await begun(new Idempotency({ database, clock, sealer }))
    await pass(120, true)
    const never = async () => expect.fail('carried out twice')
    const again = new Idempotency({ database, clock, sealer }).once(REQUEST, never)
    await expect(again).rejects.toMatchObject({ code: 'in-progress' })
    first.end()
    expect(await first.answer).toEqual(ANSWER)
    expect(await new Idempotency({ database, clock, sealer }).once(REQUEST, never)).toEqual(ANSWER)
  })

  it('holds nothing once it has ended', async () => {
    const first = await begun(new Idempotency({ database, clock, sealer }))
    first.end()
    await first.answer
    const before = await leaseEnds()
    await pass(60, false)
    expect(await leaseEnds()).toBe(before)
  })

  it('is carried out by the repeat where its process died', async () => {
    const dead = await begun(new Idempotency({ database, clock: new FakeClock(), sealer }))
    const call = () =>
      new Idempotency({ database, clock, sealer }).once(REQUEST, async () => ANSWER)
    await pass(20, false)
    await expect(call()).rejects.toMatchObject({ code: 'in-progress' })
    await pass(10, false)
    expect(await call()).toEqual(ANSWER)
    dead.end()
    await dead.answer
  })

  it('that another has taken over renews nothing of what that one holds', async () => {
    const stuck = new FakeClock()
    const slow = await begun(new Idempotency({ database, clock: stuck, sealer }))
    await pass(30, false)
    const other = await begun(new Idempotency({ database, clock, sealer }))
    const before = await leaseEnds()
    stuck.advance(3_600_000)
    await new Promise((resolve) => setImmediate(resolve))
    await database.commit(async () => {})
    expect(await leaseEnds()).toBe(before)
    other.end()
    slow.end()
    await Promise.all([other.answer, slow.answer])
  })

  it('goes on where the database did not answer for a moment', async () => {
    let fails = 1
    const now: Database = {
      ...database,
      commit: (work, options) => {
        if (clock.now() > new FakeClock().now() && fails-- > 0) return Promise.reject(new Error())
        return database.commit(work, options)
      },
    }
    const first = await begun(new Idempotency({ database: now, clock, sealer }))
    await pass(10, false)
    await pass(60, true)
    first.end()
    expect(await first.answer).toEqual(ANSWER)
  })
})

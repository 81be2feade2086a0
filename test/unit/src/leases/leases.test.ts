/** Leases: one holder at a time, who is followed when he stops, dies or is cut off. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { Leases } from '../../../../src/leases/leases.ts'
import { createLog } from '../../../../src/log.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { quiet } from '../../../support/quiet.ts'

const log = createLog('silent')
let database: Database
let clock: FakeClock
let all: Leases[]
beforeEach(async () => {
  database = await openDatabase(':memory:')
  clock = new FakeClock()
  all = []
})
afterEach(async () => {
  await Promise.all(all.map((one) => one.stop()))
  await database.close()
})

const rows = () => database.db.selectFrom('lease').selectAll().orderBy('name').execute()

async function started(own = database, ...names: string[]) {
  const leases = new Leases({ database: own, clock, log })
  all.push(leases)
  const [lease, other] = ['to0', ...names].map((name) => leases.of(name))
  await leases.start()
  return { leases, lease: lease!, other }
}

/** As time goes by, with what is done meanwhile. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 1_000) {
    clock.advance(1_000)
    await quiet()
  }
}

/** As after a kill: what it does no longer reaches the database. */
function mortal() {
  const life = { isOver: false }
  const own = {
    ...database,
    get db() {
      if (life.isOver) throw new Error('cut off')
      return database.db
    },
  }
  return { life, own }
}

describe('a lease', () => {
  it('is held by the first who asks, and by nobody before', async () => {
    const early = new Leases({ database, clock, log }).of('to0')
    expect(early.isHeld).toBe(false)
    const one = await started()
    const other = await started()
    expect([one.lease.isHeld, other.lease.isHeld]).toEqual([true, false])
  })

  it('stays with whoever renews it', async () => {
    const one = await started()
    const other = await started()
    await pass(30_000)
    expect([one.lease.isHeld, other.lease.isHeld]).toEqual([true, false])
    expect(await rows()).toHaveLength(1)
  })

  it('is taken over at once from who has given it up', async () => {
    const one = await started()
    const other = await started()
    const taken = vi.fn()
    other.lease.onTaken(taken)
    await one.leases.stop()
    expect(one.lease.isHeld).toBe(false)
    expect(taken).not.toHaveBeenCalled()
    await pass(4_000)
    expect(other.lease.isHeld).toBe(true)
    expect(taken).toHaveBeenCalledOnce()
  })

  it('is taken over within its time from who is gone, who knows it before', async () => {
    const { life, own } = mortal()
    const one = await started(own)
    const other = await started()
    life.isOver = true
    await pass(5_000)
    expect([one.lease.isHeld, other.lease.isHeld]).toEqual([false, false])
    await pass(3_000)
    expect([one.lease.isHeld, other.lease.isHeld]).toEqual([false, true])
    life.isOver = false
    await pass(4_000)
    expect([one.lease.isHeld, other.lease.isHeld]).toEqual([false, true])
  })

  it('is one of several, each with a holder of its own', async () => {
    const { leases } = await started()
    const { lease, other } = await started(database, 'webhooks')
    expect([lease.isHeld, other?.isHeld]).toEqual([false, true])
    expect(await rows()).toHaveLength(2)
    await leases.stop()
    expect((await rows()).map(({ name }) => name)).toEqual(['webhooks'])
  })
})

it('who cannot give up what it holds stops all the same', async () => {
  const { life, own } = mortal()
  const warn = vi.spyOn(log, 'warn')
  const { leases } = await started(own)
  life.isOver = true
  await leases.stop()
  expect(warn).toHaveBeenCalledOnce()
  life.isOver = false
})

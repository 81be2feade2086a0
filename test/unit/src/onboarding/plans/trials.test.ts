import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settleAll } from '../../../../../src/audit/settle.ts'
import { type Entrance, type Executor, entranceOf } from '../../../../../src/database/connection.ts'
import { HOME_PARTY } from '../../../../../src/database/tables.ts'
import type { PlanDocument } from '../../../../../src/onboarding/plans/document.ts'
import { Trials } from '../../../../../src/onboarding/plans/trials.ts'
import { AuditLog } from '../../../../../src/audit/log.ts'
import { isOnPostgres } from '../../../../support/database.ts'
import { type OnboardingWorld, openOnboardingWorld } from '../../../../support/onboarding-world.ts'

const DOCUMENT: PlanDocument = {
  rollout: { share: 50, max_failed: 3, max_failed_percent: 20, watch: 6 },
  steps: [{ type: 'identity' }],
}
const VERSION = { party: HOME_PARTY, name: 'default', version: 2 }

let world: OnboardingWorld
let trials: Trials
let told: object[]
beforeEach(async () => {
  world = await openOnboardingWorld()
  const { database, clock } = world
  told = []
  const events = { planStopped: (facts: object) => void told.push(facts) }
  trials = new Trials({ database, clock, events, audit: new AuditLog({ clock }) })
  await world.putPlan('default', { steps: [] })
  await world.putPlan('default', DOCUMENT)
})
afterEach(() => world.close())

const runOf = (device: number, run = device) => ({
  deviceId: `fdod_${device}`,
  runId: run.toString(16).padStart(32, '0'),
})
const start = (device: number, run?: number) =>
  world.database.commit((tx) => trials.started(tx, runOf(device, run), VERSION))
const end = (device: number, outcome: 'onboarded' | 'failed', run?: number) =>
  world.database.commit((tx) => trials.ended(tx, runOf(device, run), outcome))
const status = async () => (await world.api('GET', '/plans/default')).json
const rollout = async () => (await world.api('GET', '/plans/default/rollout')).json

describe('a trial', () => {
  it('stops by itself when too many devices have failed, and what held before holds', async () => {
    for (let device = 0; device < 5; device++) {
      await start(device)
      await end(device, device < 3 ? 'onboarded' : 'failed')
    }
    expect(await rollout()).toMatchObject({ state: 'rolling', onboarded: 3, failed: 2, running: 0 })
    await start(5)
    expect((await rollout()).running).toBe(1)
    await end(5, 'failed')
    expect(await status()).toMatchObject({ status: 'stopped', in_force: 1 })
    await settleAll(world.database)
    const audit = await world.database.db
      .selectFrom('audit_entry')
      .select(['by', 'detail'])
      .where('type', '=', 'plan-stopped')
      .execute()
    expect(audit.map(({ by, detail }) => [by, JSON.parse(detail ?? '')])).toEqual([
      ['system', { name: 'default', version: 2, share: 50, failed: 3, onboarded: 3 }],
    ])
    const device = await world.addDevice()
    await world.onboard(device)
    expect(await world.api('GET', `/devices/${(await world.device()).id}/progress`)).toMatchObject({
      json: { plan: { version: 1 } },
    })
  })

  it('goes on while those that fail are few among many', async () => {
    for (let device = 0; device < 20; device++) {
      await start(device)
      await end(device, device < 16 ? 'onboarded' : 'failed')
    }
    // Four of twenty are a fifth; three of nineteen were not.
    expect(await status()).toMatchObject({ status: 'stopped' })
    await world.api('PATCH', '/plans/default/rollout', { state: 'rolling' })
    expect(await rollout()).toMatchObject({ state: 'rolling', onboarded: 0, failed: 0 })
  })

  it('counts a device that fails again and again once', async () => {
    for (let run = 0; run < 9; run++) {
      await start(1, run)
      await end(1, 'failed', run)
    }
    expect(await rollout()).toMatchObject({ failed: 1, state: 'rolling' })
    await start(1, 10)
    expect(await rollout()).toMatchObject({ failed: 1, running: 0 })
    await end(1, 'onboarded', 10)
    expect(await rollout()).toMatchObject({ failed: 0, onboarded: 1 })
  })

  it('counts nothing of runs that were no part of it', async () => {
    await end(1, 'failed')
    await start(2)
    await end(2, 'failed', 77)
    expect(await rollout()).toMatchObject({ failed: 0, running: 1 })
  })

  it('counts a run that just stops as failed, in time', async () => {
    for (let device = 0; device < 3; device++) await start(device)
    world.clock.advance(20 * 60_000)
    await trials.sweep()
    expect(await rollout()).toMatchObject({ failed: 0, running: 3 })
    await world.database.db
      .insertInto('onboarding_progress')
      .values({
        ...{ device_id: 'fdod_0', run_id: runOf(0).runId, message: 68, rounds: 16, received: 0 },
        ...{ step: null, module: null, done: null, total: null },
        updated_at: world.clock.now().toISOString(),
      })
      .execute()
    world.clock.advance(20 * 60_000)
    await trials.sweep()
    expect(await rollout()).toMatchObject({ failed: 2, running: 1 })
    world.clock.advance(20 * 60_000)
    await trials.sweep()
    expect(await status()).toMatchObject({ status: 'stopped' })
  })

  it('holds for good at a hundred per cent, once as many as it says are through', async () => {
    for (let device = 0; device < 6; device++) {
      await start(device)
      await end(device, 'onboarded')
    }
    await trials.sweep()
    expect(await status()).toMatchObject({ status: 'rolling-out' })
    await world.api('PATCH', '/plans/default/rollout', { share: 100 })
    await trials.sweep()
    expect(await status()).toMatchObject({ status: 'in-force', in_force: 2, trial: null })
    const left = await world.database.db.selectFrom('plan_outcome').selectAll().execute()
    expect(left).toEqual([])
  })

  it('is found out by a sweep, where two ended at once', async () => {
    const { db } = world.database
    for (let device = 0; device < 3; device++) await start(device)
    await db.updateTable('plan_outcome').set({ outcome: 'failed' }).execute()
    expect(await status()).toMatchObject({ status: 'rolling-out' })
    await trials.sweep()
    expect(await status()).toMatchObject({ status: 'stopped' })
  })
})

describe('a device on trial', () => {
  it('is counted by its TO2, well or not', async () => {
    await world.putPlan('default', {
      rollout: { share: 100 },
      steps: [{ type: 'wget', url: 'http://nowhere.test/x', required: true }],
    })
    const device = await world.addDevice()
    await expect(world.onboard(device)).rejects.toThrow()
    expect(await rollout()).toMatchObject({ version: 3, failed: 1, onboarded: 0 })
    await world.putPlan('default', { rollout: { share: 100 }, steps: [{ type: 'identity' }] })
    await world.onboard(device)
    expect(await rollout()).toMatchObject({ version: 4, failed: 0, onboarded: 1 })
  })

  it('is told of as stopped once it is, however often it was about to be', async () => {
    for (let device = 0; device < 3; device++) await start(device)
    for (let device = 0; device < 2; device++) await end(device, 'failed')
    const last = async (tx: Executor) => trials.ended(tx, runOf(2), 'failed')
    const dies = world.database.commit(async (tx) => {
      await last(tx)
      throw new Error('died')
    })
    await expect(dies).rejects.toThrow('died')
    expect(told).toEqual([])
    await world.database.commit(last)
    const facts = { party: HOME_PARTY, plan: 'default', version: 2, failed: 3, onboarded: 0 }
    expect(told).toEqual([facts])
  })

  it('is counted with the end of its run, or not at all', async () => {
    await start(1)
    const dies = world.database.commit(async (tx) => {
      await trials.ended(tx, runOf(1), 'failed')
      throw new Error('died')
    })
    await expect(dies).rejects.toThrow('died')
    expect(await rollout()).toMatchObject({ failed: 0, running: 1 })
    await end(1, 'failed')
    await end(1, 'failed')
    expect(await rollout()).toMatchObject({ failed: 1, running: 0 })
  })
})

describe.skipIf(isOnPostgres)('a plan of one party', () => {
  const asked: string[] = []
  beforeEach(async () => {
    await world.removePlan('default')
    listenTo(world.database.db)
    await world.database.commit(async (tx) => listenTo(tx))
  })
  function listenTo(executor: Executor): void {
    const entrance = entranceOf(executor)
    for (const way of ['all', 'first', 'run'] as const) {
      const carryOut = entrance[way].bind(entrance) as Entrance['all']
      const heard: Entrance['all'] = (statement, values) => {
        asked.push(statement.sql)
        return carryOut(statement, values)
      }
      Object.assign(entrance, { [way]: heard })
    }
  }

  /** The statements of one TO2, by how often. */
  async function statementsOf(byte: number): Promise<Record<string, number>> {
    const device = await world.addDevice(byte)
    asked.length = 0
    await world.onboard(device)
    const counts: Record<string, number> = {}
    for (const sql of asked) counts[sql] = (counts[sql] ?? 0) + 1
    return counts
  }

  it('costs the devices of others no statement, nor does what is not tried', async () => {
    await statementsOf(0xb1)
    const before = await statementsOf(0xb2)
    const document: PlanDocument = { rollout: {}, steps: [] }
    const other = { party: 'fdop_other', name: 'default', by: 'x', document }
    await world.onboarding.plans.put(other)
    // It is read once.
    await statementsOf(0xb3)
    expect(await statementsOf(0xb4)).toEqual(before)
    const touched = Object.keys(before).filter((sql) =>
      /plan|onboarding_progress|step_output|upload/.test(sql),
    )
    expect(touched).toEqual([expect.stringContaining('update "upload" set "is_kept"')])
  })
})

/** A voucher deleted, had back, or forgotten. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { plansOf } from '../../../support/query-plan.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'
import { settleAll } from '../../../../src/audit/settle.ts'

const TESTER = { id: 'tok_1', party: HOME_PARTY }
const DAY_MS = 24 * 3_600_000
const one = await makeVoucher(partsOf(), { header: { guid: guid(0xa1) } })
const another = await makeVoucher(partsOf(), { header: { guid: guid(0xa2) } })

let world: VoucherWorld
beforeEach(async () => {
  world = await openVoucherWorld()
  await world.desk.import([one.bytes], TESTER)
  await world.desk.delete(guidText(0xa1), TESTER)
})
afterEach(() => world.database.close())

const restore = (byte: number) => world.desk.restore(guidText(byte), TESTER)
const logged = async () => {
  await settleAll(world.database)
  const entries = world.database.db.selectFrom('audit_entry').select('type').orderBy('seq')
  return (await entries.execute()).map(({ type }) => type)
}

describe('a deleted voucher', () => {
  it('is not there, is not served, and cannot be deleted once more', async () => {
    await expect(world.desk.find(HOME_PARTY, guidText(0xa1))).rejects.toThrow('no voucher')
    expect(await world.voucherStates()).toEqual({})
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    await expect(world.desk.delete(guidText(0xa1), TESTER)).rejects.toThrow('no voucher')
    const deleted = await world.call('/vouchers?state=deleted')
    expect(deleted.json.items).toMatchObject([{ guid: guidText(0xa1) }])
  })

  it('is as it was once it is restored, and registered again', async () => {
    expect(await restore(0xa1)).toMatchObject({ state: 'held', entries: 1 })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeDefined()
    expect(world.watched.slice(-2)).toEqual(['released a1a1', 'held a1a1 by 1'])
    expect(await logged()).toEqual(['voucher-imported', 'voucher-deleted', 'voucher-restored'])
    await expect(restore(0xa1)).rejects.toThrow('no voucher')
  })

  it('stays deleted where its device has another by now', async () => {
    await world.desk.import([another.bytes], TESTER)
    await expect(restore(0xa1)).rejects.toMatchObject({ code: 'conflict' })
    await world.desk.delete(guidText(0xa2), TESTER)
    expect(await restore(0xa1)).toMatchObject({ state: 'held' })
  })

  it('may be brought again, but not what onboarding has replaced', async () => {
    expect(await world.desk.import([one.bytes], TESTER)).toMatchObject([{ ok: true }])
    const { deviceId } = (await world.vouchers.findServable(guid(0xa1))) ?? expect.fail()
    const replacement = await makeVoucher(partsOf(), { sales: 0, header: { guid: guid(0xb1) } })
    await world.database.commit(async (tx) => {
      await world.devices.moveDevice(tx, { id: deviceId, move: 'onboarding' })
      await world.vouchers.replaceAfterTo2(tx, {
        ...{ guid: guid(0xa1), deviceId, revision: '3' },
        replacement: { guid: guid(0xb1), voucher: replacement.bytes },
      })
    })
    await world.desk.delete(guidText(0xa1), TESTER)
    expect(await world.desk.import([one.bytes], TESTER)).toMatchObject([
      { ok: false, check: 'already-onboarded' },
    ])
    expect(await restore(0xa1)).toMatchObject({ state: 'replaced' })
  })

  it('is forgotten after a month', async () => {
    world.clock.advance(29 * DAY_MS)
    await world.vouchers.retireStale()
    expect((await world.call('/vouchers?state=deleted')).json.items).toHaveLength(1)
    world.clock.advance(2 * DAY_MS)
    await world.vouchers.retireStale()
    expect((await world.call('/vouchers?state=deleted')).json.items).toEqual([])
    await expect(restore(0xa1)).rejects.toThrow('no voucher')
  })

  it.skipIf(isOnPostgres)(
    'is looked for by index, as what is retired is: every minute, among millions',
    async () => {
      const { db } = world.database
      const plans = await plansOf(db, 'voucher', () => world.vouchers.retireStale())
      expect(plans).toHaveLength(2)
      expect(plans[0] + plans[1]!).not.toContain('SCAN')
      expect(plans.filter((plan) => /INDEX voucher_replaced/.test(plan))).toHaveLength(1)
      expect(plans.filter((plan) => /INDEX voucher_deleted/.test(plan))).toHaveLength(1)
    },
  )

  it('is restored over the API by who may delete', async () => {
    const call = { method: 'POST' }
    world.allow('read')
    expect((await world.call(`/vouchers/${guidText(0xa1)}/restore`, call)).status).toBe(403)
    world.allow('voucher:delete')
    const { status, json } = await world.call(`/vouchers/${guidText(0xa1)}/restore`, call)
    expect([status, json.state]).toEqual([200, 'held'])
  })
})

describe('vouchers', () => {
  it('are found by serial number and by when they came', async () => {
    await world.make(another, 'SN-7')
    const found = async (query: string) =>
      (await world.call(`/vouchers?${query}`)).json.items.map((item: { guid: string }) => item.guid)
    expect(await found('serial=SN-7')).toEqual([guidText(0xa2)])
    expect(await found('serial=SN-8')).toEqual([])
    const now = world.clock.now().toISOString()
    expect(await found(`since=${now}`)).toEqual([guidText(0xa2)])
    expect(await found(`until=${now}`)).toEqual([])
    expect((await world.call('/vouchers?since=yesterday')).status).toBe(400)
  })
})

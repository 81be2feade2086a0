/** What a key is still needed for, and what is not taken in once it is gone. */
import { describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { countOwned } from '../../../../src/vouchers/owned/store.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { plansOf } from '../../../support/query-plan.ts'
import { someVouchers } from '../../../support/transfer-world.ts'
import { openVoucherWorld } from '../../../support/voucher-world.ts'

const TESTER = { id: 'test', party: HOME_PARTY }

describe('the vouchers with a key', () => {
  it('are counted by index, the deleted ones too, and no further than asked', async () => {
    const world = await openVoucherWorld()
    const vouchers = await someVouchers(4)
    await world.desk.import(
      vouchers.map(({ bytes }) => bytes),
      TESTER,
    )
    const rows = await world.desk.list({ party: HOME_PARTY, limit: 9 })
    const [{ owner_key: ownerKey, guid } = expect.fail(), other = expect.fail()] = rows
    const count = (party: string, most: number) =>
      countOwned(world.database.db, { party, ownerKey, most })
    expect(await count(HOME_PARTY, 9)).toBe(4)
    expect(await count(HOME_PARTY, 3)).toBe(3)
    expect(await count('fdop_other', 9)).toBe(0)
    await world.desk.delete(guid, TESTER)
    expect(await count(HOME_PARTY, 9)).toBe(4)
    await world.database.db
      .updateTable('voucher')
      .set({ state: 'used' })
      .where('guid', '=', other.guid)
      .execute()
    expect(await count(HOME_PARTY, 9)).toBe(3)
    // PostgreSQL’s plans go by how much there is, and here is little.
    if (isOnPostgres) return
    const plans = await plansOf(world.database.db, 'voucher', () => count(HOME_PARTY, 9))
    expect(plans.join()).toMatch(/COVERING INDEX voucher_owned \(party=\? AND owner_key=\?/)
  })

  it('are not taken in where the key was removed while they were looked at', async () => {
    const world = await openVoucherWorld()
    const [voucher = expect.fail()] = await someVouchers(1)
    const { services } = world.ledger
    Object.assign(services, { hasOwnerKey: async () => false })
    expect(await world.desk.import([voucher.bytes], TESTER)).toMatchObject([
      { ok: false, check: 'owner-key-not-ours' },
    ])
    expect(await world.desk.list({ party: HOME_PARTY, limit: 9 })).toEqual([])
  })
})

/** What a line brings is held against what other parties of the installation have. */
import { describe, expect, it } from 'vitest'
import type { Voucher } from '../../../../protocol/voucher/voucher.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { isRefusal } from '../../../../src/vouchers/admission.ts'
import { BroughtVouchers } from '../../../../src/vouchers/brought.ts'
import { guid, openVoucherWorld } from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf, sell } from '../../../support/vouchers.ts'

const parts = partsOf()
const header = { guid: guid(0x11) }

/** What somebody has, and what another party's line brings, sold to the key of `holders`. */
async function bring(ours: Voucher, theirs: Voucher, holders?: readonly string[]) {
  const world = await openVoucherWorld({ ...(holders && { holders }) })
  const imported = await world.desk.import([ours.bytes], { id: 'test', party: HOME_PARTY })
  expect(imported).toMatchObject([{ ok: true }])
  const brought = new BroughtVouchers(world.ledger)
  const genuine = await brought.verify('fdop_other', theirs.bytes)
  if (isRefusal(genuine)) return expect.fail(genuine.detail)
  return world.database.commit((tx) => brought.admit(tx, genuine))
}

describe('what a line brings', () => {
  it('is news where another party has the same voucher', async () => {
    const voucher = await makeVoucher(parts, { header })
    expect(await bring(voucher, voucher)).toBe('new')
  })

  it('may not claim the GUID of another party’s device', async () => {
    const ours = await makeVoucher(parts, { header })
    const theirs = await makeVoucher(parts, { header: { ...header, deviceInfo: 'another' } })
    expect(await bring(ours, theirs)).toMatchObject({ check: 'voucher-differs' })
  })

  it('may not leave out to whom the device was sold on, where that lets it have it', async () => {
    const once = await makeVoucher(parts, { header })
    const further = await sell(parts, await sell(parts, once, 2), 3)
    const refusal = { check: 'voucher-truncated' }
    expect(await bring(further, once, ['fdop_other'])).toMatchObject(refusal)
  })

  it('is counted where its buyer has had it another way, and has sold it on', async () => {
    const once = await makeVoucher(parts, { header })
    const further = await sell(parts, await sell(parts, once, 2), 3)
    expect(await bring(further, once)).toBe('new')
  })
})

/** Several parties of one installation, and vouchers of one device: the last owner answers it. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Voucher } from '../../../../protocol/voucher/voucher.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf, sell } from '../../../support/vouchers.ts'

const parts = partsOf()
const other = partsOf('p256-x5chain-devP256')
const SELLER = { id: 'tok_1', party: HOME_PARTY }
const BUYER = { id: 'tok_2', party: 'fdop_buyer' }
const header = { guid: guid(0xa1) }

let world: VoucherWorld
let first: Voucher
let sold: Voucher
beforeEach(async () => {
  world = await openVoucherWorld({
    owners: [...parts.signers, ...other.signers],
    holders: ['fdop_buyer'],
  })
  for (const { party } of [BUYER])
    await world.database.commit((tx) => world.devices.openFor(tx, party))
  first = await makeVoucher(parts, { header })
  sold = await sell(parts, first, 2)
})
afterEach(() => world.database.close())

async function bring({ bytes }: Pick<Voucher, 'bytes'>, by = SELLER, from?: 'other') {
  const [imported] = from ? [] : await world.desk.import([bytes], by)
  const result = imported ?? (await world.desk.admit(bytes, by))
  return result.ok ? 'ok' : result.check
}
const served = async () => (await world.vouchers.findServable(guid(0xa1)))?.party

describe('a device that one party of an installation sold to another', () => {
  it('is answered by the buyer, whose voucher is the longer', async () => {
    expect(await bring(first)).toBe('ok')
    expect(await served()).toBe(HOME_PARTY)
    expect(await bring(sold, BUYER)).toBe('ok')
    expect(await served()).toBe('fdop_buyer')
    expect(await world.vouchers.findServableOf(HOME_PARTY, guid(0xa1))).toMatchObject({
      party: HOME_PARTY,
    })
  })

  it('cannot be had back by what leaves the sale out', async () => {
    await bring(sold, BUYER)
    expect(await bring(first)).toBe('voucher-truncated')
    const fork = await sell(parts, await sell(parts, first, 1), 3)
    expect(await bring(fork)).toBe('voucher-differs')
    expect(await served()).toBe('fdop_buyer')
  })

  it('nor after the seller has deleted its own', async () => {
    await bring(first)
    await world.desk.sell(SELLER, {
      guid: guidText(0xa1),
      to: parts.publicKeys[2]!,
      receiver: 'fdop_buyer',
    })
    expect(await served()).toBe('fdop_buyer')
    await world.desk.delete(guidText(0xa1), SELLER)
    const fork = await sell(parts, await sell(parts, first, 1), 3)
    expect(await bring(fork)).toBe('voucher-differs')
    expect(await bring(first)).toBe('voucher-truncated')
    expect(await served()).toBe('fdop_buyer')
  })

  it('cannot be taken by a voucher of another origin', async () => {
    await bring(first)
    const forged = await makeVoucher(parts, {
      header: { ...header, deviceInfo: 'forged' },
      sales: 3,
    })
    expect(await bring(forged, BUYER)).toBe('voucher-differs')
    expect(await served()).toBe(HOME_PARTY)
  })

  it('is nobody’s by its old voucher once it has been onboarded', async () => {
    await bring(first)
    const { deviceId } = (await world.vouchers.findServable(guid(0xa1))) ?? expect.fail()
    const replacement = await makeVoucher(parts, { sales: 0, header: { guid: guid(0xb1) } })
    await world.database.commit(async (tx) => {
      await world.devices.moveDevice(tx, { id: deviceId, move: 'onboarding' })
      await world.vouchers.replaceAfterTo2(tx, {
        ...{ guid: guid(0xa1), deviceId, revision: '1' },
        replacement: { guid: guid(0xb1), voucher: replacement.bytes },
      })
    })
    expect(await bring(sold, BUYER)).toBe('already-onboarded')
  })
})

describe('a voucher that somebody else brings', () => {
  const replacing = async (from?: 'other') => {
    await bring(first)
    const again = await makeVoucher(
      { ...parts, header: other.header, signers: other.signers, publicKeys: other.publicKeys },
      { header: { guid: guid(0xa2), deviceCertChainHash: parts.header.deviceCertChainHash } },
    )
    return bring(again, SELLER, from)
  }

  it('does not take the place of another maker’s', async () => {
    expect(await replacing('other')).toBe('voucher-differs')
    expect(await served()).toBe(HOME_PARTY)
  })

  it('does where the party brings it itself', async () => {
    expect(await replacing()).toBe('ok')
    expect(await served()).toBeUndefined()
  })

  it('does where it is of the same maker', async () => {
    await bring(first)
    const again = await makeVoucher(parts, { header: { guid: guid(0xa2) } })
    expect(await bring(again, SELLER, 'other')).toBe('ok')
  })
})

/** Vouchers whose entries are signed as the draft of go-fdo has it, from import to resale. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { findVoucherFlaw, verifyVoucher } from '../../../../protocol/voucher/verify.ts'
import { type Voucher, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf, sell } from '../../../support/vouchers.ts'

const parts = partsOf()
const [, , buyer] = parts.publicKeys
const ACTOR = { id: 'tok_1', party: HOME_PARTY }
const tagged = await makeVoucher(parts, { header: { guid: guid(0xa1) }, entryStyle: 'tagged' })

let world: VoucherWorld
beforeEach(async () => {
  world = await openVoucherWorld()
})
afterEach(() => world.database.close())

async function take({ bytes }: Pick<Voucher, 'bytes'>) {
  const [result] = await world.desk.import([bytes], ACTOR)
  return result ?? expect.fail()
}

const styleOf = async (voucher: Voucher) => verifyVoucher(voucher, { entryStyle: 'either' })
const voucherNow = async (byte: number) => world.desk.find(HOME_PARTY, guidText(byte))

describe('a voucher whose entries are tagged', () => {
  it('is taken in as it is, served, and shown as such', async () => {
    expect(await take(tagged)).toMatchObject({ ok: true, check: null })
    const served = await world.vouchers.findServable(guid(0xa1))
    expect(served?.voucher.bytes).toEqual(tagged.bytes)
    const { json } = await world.call(`/vouchers/${guidText(0xa1)}`)
    expect(json).toMatchObject({ entries: 1, entry_style: 'tagged' })
    expect((await world.call('/vouchers')).json.items).toMatchObject([{ entry_style: 'tagged' }])
  })

  it('is extended as it is signed already', async () => {
    await take(tagged)
    await world.desk.sell(ACTOR, { guid: guidText(0xa1), to: buyer ?? expect.fail() })
    const { cbor, state, entry_style } = await voucherNow(0xa1)
    const sold = parseVoucher(cbor)
    expect([state, entry_style, sold.entries.length]).toEqual(['handed-over', 'tagged', 2])
    expect(await styleOf(sold)).toEqual({ entryStyle: 'tagged' })
    expect((await findVoucherFlaw(sold))?.check).toBe('entry-signature')
  })

  it('goes to another party of the installation in the same style', async () => {
    await world.database.close()
    world = await openVoucherWorld({ holders: ['fdop_buyer'], owners: parts.signers })
    await world.database.commit((tx) => world.devices.openFor(tx, 'fdop_buyer'))
    await take(tagged)
    const to = buyer ?? expect.fail()
    await world.desk.sell(ACTOR, { guid: guidText(0xa1), to, receiver: 'fdop_buyer' })
    const row = await world.desk.find('fdop_buyer', guidText(0xa1))
    expect([row.state, row.entry_style, row.entries]).toEqual(['held', 'tagged', 2])
  })

  it('leaves a replacement whose sale the same device can verify', async () => {
    await take(tagged)
    const [device] = await world.devices.list({ party: HOME_PARTY, limit: 1 })
    const { id: deviceId } = device ?? expect.fail()
    const left = await makeVoucher(parts, { sales: 0, header: { guid: guid(0xb2) } })
    const replacement = { guid: guid(0xb2), voucher: left.bytes }
    await world.database.commit(async (tx) => {
      await world.devices.moveDevice(tx, { id: deviceId, move: 'onboarding' })
      const run = { guid: guid(0xa1), deviceId, revision: '1', replacement }
      await world.vouchers.replaceAfterTo2(tx, run)
    })
    expect((await voucherNow(0xb2)).entry_style).toBe('tagged')
  })

  it('that comes again in the other style is another voucher', async () => {
    await take(tagged)
    const plain = await makeVoucher(parts, { header: { guid: guid(0xa1) } })
    expect(await take(plain)).toMatchObject({ ok: false, check: 'voucher-differs' })
    await world.desk.delete(guidText(0xa1), ACTOR)
    expect(await take(plain)).toMatchObject({ ok: true })
    expect((await voucherNow(0xa1)).entry_style).toBe('fdo-1.1')
  })
})

describe('a voucher of both styles', () => {
  it.each([
    ['tagged', 'fdo-1.1'],
    ['fdo-1.1', 'tagged'],
  ] as const)('is refused with the reason: %s, then %s', async (first, then) => {
    await world.database.close()
    world = await openVoucherWorld({ owners: parts.signers })
    const header = { guid: guid(0xa1) }
    const begun = await makeVoucher(parts, { header, entryStyle: first })
    expect(await take(await sell(parts, begun, 2, then))).toMatchObject({
      ok: false,
      check: 'entry-style',
      detail: `entry 1 is signed as ${then}, those before it as ${first}`,
    })
    expect(await world.desk.list({ party: HOME_PARTY, limit: 1 })).toEqual([])
  })
})

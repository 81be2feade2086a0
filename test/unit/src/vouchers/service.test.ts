import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { deviceIdOf } from '../../../../src/vouchers/device-id.ts'
import type { DeviceMove } from '../../../../src/devices/service.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  madeOf,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const DAY_MS = 86_400_000

let world: VoucherWorld
beforeEach(async () => {
  world = await openVoucherWorld()
})
afterEach(() => world.database.close())

const voucherOf = (byte: number, sales: number) =>
  makeVoucher(parts, { sales, header: { guid: guid(byte) } })

async function device() {
  const [only, ...more] = await world.devices.list({ party: HOME_PARTY, limit: 10 })
  expect(more).toEqual([])
  return only ?? expect.fail()
}

const history = async () =>
  (await world.devices.history((await device()).id)).map(({ type, state }) => `${type}: ${state}`)

const move = async (by: DeviceMove['move']) => {
  const { id } = await device()
  return world.database.commit((tx) => world.devices.moveDevice(tx, { id, move: by }))
}

async function finish(from: number, to: number | null, revision = '1') {
  const voucher = to === null ? undefined : await voucherOf(to, 0)
  const { id: deviceId } = await device()
  return world.database.commit((tx) =>
    world.vouchers.replaceAfterTo2(tx, {
      guid: guid(from),
      deviceId,
      revision,
      replacement: voucher && to !== null ? { guid: guid(to), voucher: voucher.bytes } : null,
    }),
  )
}

async function onboard(from: number, to: number | null, revision = '1') {
  await move('onboarding')
  return finish(from, to, revision)
}

describe('a voucher made by DI', () => {
  it('that was sold to us is served at once', async () => {
    await world.make(await voucherOf(0xa1, 1))
    expect(await world.vouchers.findServable(guid(0xa1))).toBeDefined()
    expect(await device()).toMatchObject({
      id: deviceIdOf(HOME_PARTY, madeOf(await voucherOf(0xa1, 1)).deviceKey),
      guid: guidText(0xa1),
      serial: 'SN-1',
      model: 'vector-model-1',
      state: 'owned',
    })
    expect(await history()).toEqual(['manufactured: manufactured', 'owned: owned'])
    expect(world.watched).toEqual(['held a1a1 by 1'])
  })

  it('that was sold to somebody else is not ours to serve', async () => {
    await world.make(await voucherOf(0xa1, 2))
    expect(await world.voucherStates()).toEqual({ a1a1: 'handed-over' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(await history()).toEqual(['manufactured: manufactured'])
    expect(world.watched).toEqual([])
  })

  it('that was sold to nobody cannot be served', async () => {
    await world.make(await voucherOf(0xa1, 0))
    expect(await world.voucherStates()).toEqual({ a1a1: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(await device()).toMatchObject({ state: 'manufactured' })
  })
})

describe('DI repeated by the same device key', () => {
  it('supersedes the voucher before', async () => {
    await world.make(await voucherOf(0xa1, 1))
    await world.make(await voucherOf(0xa2, 1))
    expect(await world.voucherStates()).toEqual({ a1a1: 'superseded', a2a2: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(await device()).toMatchObject({ guid: guidText(0xa2), state: 'owned' })
    expect(world.watched).toEqual(['held a1a1 by 1', 'released a1a1', 'held a2a2 by 1'])
    expect((await world.desk.find(HOME_PARTY, guidText(0xa1))).superseded_by).toBe(guidText(0xa2))
  })

  it('supersedes one sold to another party as long as nobody has fetched it', async () => {
    await world.make(await voucherOf(0xa1, 2))
    await world.make(await voucherOf(0xa2, 2))
    await world.desk.export(HOME_PARTY, guidText(0xa2))
    await world.make(await voucherOf(0xa3, 2))
    expect(await world.voucherStates()).toEqual({
      a1a1: 'superseded',
      a2a2: 'handed-over',
      a3a3: 'handed-over',
    })
    expect((await world.desk.find(HOME_PARTY, guidText(0xa2))).superseded_by).toBe(guidText(0xa3))
  })

  it('leaves alone what the device was onboarded by', async () => {
    await world.make(await voucherOf(0xa1, 1))
    await onboard(0xa1, 0xb1)
    await world.make(await voucherOf(0xa2, 1))
    expect(await world.voucherStates()).toEqual({ a1a1: 'left', a2a2: 'held', b1b1: 'left' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(await device()).toMatchObject({ state: 'owned', guid: guidText(0xa2) })
  })

  it('gives a device of another key a voucher beside it', async () => {
    const other = partsOf('p256-cosekey-devP256')
    await world.make(await voucherOf(0xa1, 1))
    await world.make(await makeVoucher(other, { header: { guid: guid(0xa2) } }))
    expect(await world.voucherStates()).toEqual({ a1a1: 'held', a2a2: 'handed-over' })
    expect(await world.devices.findIdBySerial({ party: HOME_PARTY, serial: 'SN-1' })).toBeDefined()
    expect(await world.devices.list({ party: HOME_PARTY, limit: 10 })).toHaveLength(2)
  })
})

describe('a voucher after TO2', () => {
  beforeEach(async () => {
    await world.make(await voucherOf(0xa1, 1))
  })

  it('is replaced, and kept for a device that did not hear of it', async () => {
    await onboard(0xa1, 0xb1)
    expect(await world.voucherStates()).toEqual({ a1a1: 'replaced', b1b1: 'held' })
    expect(await device()).toMatchObject({ guid: guidText(0xb1), state: 'onboarded' })
    expect((await device()).onboarded_at).not.toBeNull()
    const kept = await world.vouchers.findServable(guid(0xa1))
    expect(kept).toMatchObject({ isReplaced: true, revision: '2' })
    expect(await world.vouchers.findDeviceId({ party: HOME_PARTY, guid: guidText(0xa1) })).toBe(
      (await device()).id,
    )
  })

  it('is replaced by the run that ends first', async () => {
    await onboard(0xa1, 0xb1)
    const second = finish(0xa1, 0xb2)
    await expect(second).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    expect(await world.voucherStates()).toEqual({ a1a1: 'replaced', b1b1: 'held' })
  })

  it('is replaced anew where the device comes back with its old GUID', async () => {
    await onboard(0xa1, 0xb1)
    await onboard(0xa1, 0xb2, '2')
    expect(await world.voucherStates()).toEqual({ a1a1: 'replaced', b2b2: 'held' })
    expect(await device()).toMatchObject({ guid: guidText(0xb2) })
    expect((await world.desk.find(HOME_PARTY, guidText(0xa1))).superseded_by).toBe(guidText(0xb2))
  })

  it('stays as it was where the credential is reused', async () => {
    await onboard(0xa1, null)
    expect(await world.voucherStates()).toEqual({ a1a1: 'held' })
    expect(await device()).toMatchObject({ guid: guidText(0xa1), state: 'onboarded' })
    expect((await history()).at(-1)).toBe('onboarded-with-reuse: onboarded')
    await expect(finish(0xa1, null)).rejects.toThrow('another run')
    expect(await world.vouchers.findServable(guid(0xa1))).toMatchObject({ revision: '2' })
  })

  it('is retired when the device shows up under its new GUID', async () => {
    await onboard(0xa1, 0xb1)
    const { id: deviceId } = await device()
    const saw = (seen: string) =>
      world.database.commit((tx) => world.vouchers.sawDevice(tx, { deviceId, guid: seen }))
    await saw(guidText(0xa1))
    expect(await world.voucherStates()).toEqual({ a1a1: 'replaced', b1b1: 'held' })
    await saw(guidText(0xb1))
    expect(await world.voucherStates()).toEqual({ a1a1: 'used', b1b1: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(world.watched.at(-1)).toBe('released a1a1')
  })

  it('is retired after 30 days', async () => {
    await onboard(0xa1, 0xb1)
    world.clock.advance(30 * DAY_MS)
    await world.vouchers.retireStale()
    expect(await world.voucherStates()).toEqual({ a1a1: 'replaced', b1b1: 'held' })
    world.clock.advance(1)
    await world.vouchers.retireStale()
    expect(await world.voucherStates()).toEqual({ a1a1: 'used', b1b1: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
  })

  it('is not replaced by a run that began before DI was repeated', async () => {
    await move('onboarding')
    await world.make(await voucherOf(0xa2, 1))
    await expect(finish(0xa1, 0xb1)).rejects.toThrow('another run')
    expect(await world.voucherStates()).toEqual({ a1a1: 'superseded', a2a2: 'held' })
  })
})

describe('selling a device', () => {
  const buyer = parts.publicKeys[2] ?? expect.fail()

  beforeEach(async () => {
    await world.database.close()
    world = await openVoucherWorld({ owners: [1, 0].map((i) => parts.signers[i] ?? expect.fail()) })
    await world.make(await voucherOf(0xa1, 1))
  })

  it('to another party makes its voucher theirs', async () => {
    const sold = await world.desk.sell(
      { id: 'tok_1', party: HOME_PARTY },
      { guid: guidText(0xa1), to: buyer },
    )
    expect(sold).toMatchObject({ state: 'handed-over', entries: 2 })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(world.watched.at(-1)).toBe('released a1a1')
    expect(await device()).toMatchObject({ state: 'handed-over' })
    await expect(
      world.desk.sell({ id: 'tok_1', party: HOME_PARTY }, { guid: guidText(0xa1), to: buyer }),
    ).rejects.toThrow('handed-over')
  })

  it('after it was onboarded takes the voucher it left out of service, too', async () => {
    await onboard(0xa1, 0xb1)
    await world.desk.sell({ id: 'tok_1', party: HOME_PARTY }, { guid: guidText(0xb1), to: buyer })
    expect(await world.voucherStates()).toEqual({ a1a1: 'left', b1b1: 'handed-over' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
  })

  it('to ourselves makes it ready to be onboarded again', async () => {
    await onboard(0xa1, 0xb1)
    expect(await world.vouchers.findServable(guid(0xb1))).toBeUndefined()
    const [ours] = parts.publicKeys
    await world.desk.sell(
      { id: 'tok_1', party: HOME_PARTY },
      { guid: guidText(0xb1), to: ours ?? expect.fail() },
    )
    expect(await world.vouchers.findServable(guid(0xb1))).toBeDefined()
    expect(await device()).toMatchObject({ state: 'owned' })
    expect(world.watched.at(-1)).toBe('held b1b1 by 1')
  })

  it('with another kind of key is refused and changes nothing', async () => {
    const [other] = partsOf('p384-x509-devP384').publicKeys
    const sale = world.desk.sell(
      { id: 'tok_1', party: HOME_PARTY },
      { guid: guidText(0xa1), to: other ?? expect.fail() },
    )
    await expect(sale).rejects.toMatchObject({
      code: 'check-failed',
      members: { check: 'next-owner-key-type' },
    })
    expect(await world.desk.find(HOME_PARTY, guidText(0xa1))).toMatchObject({
      state: 'held',
      entries: 1,
    })
  })

  it('twice at once sells it once', async () => {
    const sales = await Promise.allSettled([
      world.desk.sell({ id: 'tok_1', party: HOME_PARTY }, { guid: guidText(0xa1), to: buyer }),
      world.desk.sell({ id: 'tok_1', party: HOME_PARTY }, { guid: guidText(0xa1), to: buyer }),
    ])
    expect(sales.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
    expect(await world.desk.find(HOME_PARTY, guidText(0xa1))).toMatchObject({ entries: 2 })
  })

  it('is not possible with keys we do not have', async () => {
    await world.database.close()
    world = await openVoucherWorld({ owners: [] })
    await world.make(await voucherOf(0xa1, 0))
    await expect(
      world.desk.sell({ id: 'tok_1', party: HOME_PARTY }, { guid: guidText(0xa1), to: buyer }),
    ).rejects.toThrow('not in this service')
  })

  it('that nobody bought yet is the manufacturer’s to do', async () => {
    await world.database.close()
    const [manufacturer] = parts.signers
    world = await openVoucherWorld({ manufacturers: [manufacturer ?? expect.fail()] })
    await world.make(await voucherOf(0xa1, 0))
    expect(
      await world.desk.sell(
        { id: 'tok_1', party: HOME_PARTY },
        { guid: guidText(0xa1), to: buyer },
      ),
    ).toMatchObject({
      state: 'handed-over',
    })
  })
})

describe('deleting a voucher', () => {
  it('leaves the device, which cannot onboard by it any more', async () => {
    await world.make(await voucherOf(0xa1, 1))
    await world.desk.delete(guidText(0xa1), { id: 'tok_1', party: HOME_PARTY })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect((await history()).at(-1)).toBe('voucher-deleted: owned')
    expect(world.watched.at(-1)).toBe('released a1a1')
    expect(world.noted.at(-1)).toEqual([
      'voucher-deleted',
      { event: 'voucher-deleted', guid: guidText(0xa1), by: 'tok_1' },
    ])
    await expect(
      world.desk.delete(guidText(0xa1), { id: 'tok_1', party: HOME_PARTY }),
    ).rejects.toThrow('no voucher')
  })
})

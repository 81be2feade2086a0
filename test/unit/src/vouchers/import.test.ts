import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { type Voucher, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf, sell, voucherVectors } from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

const parts = partsOf()
const ours = await makeVoucher(parts, { sales: 1, header: { guid: guid(0xa1) } })

let world: VoucherWorld
afterEach(() => world.database.close())

async function importAll(...vouchers: Pick<Voucher, 'bytes'>[]) {
  return world.desk.import(
    vouchers.map(({ bytes }) => bytes),
    { id: 'tok_1', party: HOME_PARTY },
  )
}

async function checkOf(voucher: Pick<Voucher, 'bytes'>): Promise<string | null> {
  const before = await contents()
  const [result] = await importAll(voucher)
  if (result?.check) expect(await contents()).toEqual(before)
  return result?.ok ? 'ok' : (result?.check ?? expect.fail())
}

async function contents() {
  const { db } = world.database
  return [
    await db.selectFrom('voucher').selectAll().execute(),
    await db.selectFrom('device').selectAll().execute(),
    await db.selectFrom('device_event').selectAll().execute(),
  ]
}

const withGuid = (byte: number, sales = 1) =>
  makeVoucher(parts, { sales, header: { guid: guid(byte) } })

describe('importing a voucher', () => {
  it('makes the device ours and tells whoever registers it', async () => {
    world = await openVoucherWorld()
    expect(await importAll(ours)).toEqual([
      { guid: guidText(0xa1), ok: true, check: null, detail: null },
    ])
    const [device] = await world.devices.list({ party: HOME_PARTY, limit: 10 })
    expect(device).toMatchObject({ guid: guidText(0xa1), state: 'owned', group_name: 'default' })
    expect(world.watched).toEqual(['held a1a1 by 1'])
    expect(world.noted).toEqual([
      ['voucher-imported', expect.objectContaining({ guid: guidText(0xa1), by: 'tok_1' })],
    ])
    const served = await world.vouchers.findServable(guid(0xa1))
    expect(served).toMatchObject({ deviceId: device?.id, revision: '1', isReplaced: false })
    expect(served?.signer.key.spki).toEqual(parts.signers[1]?.key.spki)
  })

  it('again changes nothing', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    const before = await contents()
    expect(await importAll(ours)).toMatchObject([{ ok: true, detail: 'held already' }])
    expect(await contents()).toEqual(before)
  })

  it('after it was removed is served as it comes the second time', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    expect(await world.vouchers.findServable(guid(0xa1))).toBeDefined()
    await world.desk.delete(guidText(0xa1), { id: 'tok_1', party: HOME_PARTY })
    // The owner signs anew each time: the same sale, in other bytes.
    const other = await withGuid(0xa1)
    await importAll(other)
    const served = await world.vouchers.findServable(guid(0xa1))
    expect(toHex(served?.voucher.bytes ?? ours.bytes)).toBe(toHex(other.bytes))
  })

  it('takes in the good ones of many', async () => {
    world = await openVoucherWorld()
    const bad = { bytes: new Uint8Array(3) }
    const results = await importAll(ours, bad, await withGuid(0xa2, 2))
    expect(results.map(({ ok, check }) => (ok ? 'ok' : check))).toEqual([
      'ok',
      'malformed',
      'owner-key-not-ours',
    ])
  })

  it.each(voucherVectors)('of go-fdo, spoilt, changes nothing: $name', async ({ name, bad }) => {
    world = await openVoucherWorld({ owners: partsOf(name).signers })
    for (const { case: flaw, voucher } of bad) {
      const check = await checkOf({ bytes: fromHex(voucher) })
      // The truncated one is genuine; whether it is the latest, only who has the latest can say.
      if (/truncated/.test(flaw)) expect(check).toBe('ok')
      else expect(check, flaw).toMatch(/^(entry-.*|certificate-chain-hash)$/)
    }
  })

  it('refuses one that nobody was sold', async () => {
    world = await openVoucherWorld({ owners: parts.signers })
    expect(await checkOf(await makeVoucher(parts, { sales: 0 }))).toBe('no-entries')
  })

  it('refuses one sold to somebody else', async () => {
    world = await openVoucherWorld({ owners: [] })
    expect(await checkOf(ours)).toBe('owner-key-not-ours')
  })

  it('refuses a device CA that is not trusted, unless any is', async () => {
    world = await openVoucherWorld({ anchors: partsOf('p384-x509-devP384').chain.slice(-1) })
    expect(await checkOf(ours)).toBe('device-ca-not-trusted')
    await world.database.close()
    world = await openVoucherWorld({ anchors: parts.chain.slice(-1) })
    expect(await checkOf(ours)).toBe('ok')
  })

  it('refuses a device certificate that has expired', async () => {
    world = await openVoucherWorld()
    world.clock.advance(80 * 365 * 86_400_000)
    expect(await checkOf(ours)).toBe('certificate-chain')
  })
})

describe('importing a voucher of a GUID we know', () => {
  it('refuses fewer entries than ours has', async () => {
    world = await openVoucherWorld({ owners: parts.signers })
    expect(await checkOf(await withGuid(0xa1, 3))).toBe('ok')
    // Signatures differ from run to run, entries cut off do not.
    const held = (await world.desk.find(HOME_PARTY, guidText(0xa1))).cbor
    const { entries } = parseVoucher(held)
    expect(await checkOf({ bytes: cutTo(held, entries.length - 1) })).toBe('voucher-truncated')
  })

  it('takes in more entries than ours has', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    const longer = await sell(parts, await sell(parts, ours, 2), 3)
    expect(await checkOf(longer)).toBe('ok')
    expect(await world.desk.find(HOME_PARTY, guidText(0xa1))).toMatchObject({
      entries: 3,
      revision: 2,
    })
    const served = await world.vouchers.findServable(guid(0xa1))
    expect(served?.signer.key.spki).toEqual(parts.signers[3]?.key.spki)
  })

  it('refuses one that was sold otherwise', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    expect(await checkOf(await withGuid(0xa1))).toBe('voucher-differs')
    const otherHeader = { guid: guid(0xa1), deviceInfo: 'other' }
    const other = await makeVoucher(parts, { header: otherHeader })
    expect(await checkOf(other)).toBe('voucher-differs')
  })

  it('refuses the GUID of another device', async () => {
    const other = partsOf('p256-cosekey-devP256')
    world = await openVoucherWorld({ owners: [...parts.signers, ...other.signers] })
    await importAll(ours)
    const impostor = await makeVoucher(other, { header: { guid: guid(0xa1) } })
    expect(await checkOf(impostor)).toBe('guid-of-another-device')
  })

  it('refuses one that was used up', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    await onboard(0xa1, 0xb1)
    expect(await checkOf(ours)).toBe('already-onboarded')
    world.clock.advance(31 * 86_400_000)
    await world.vouchers.retireStale()
    expect(await checkOf(ours)).toBe('already-onboarded')
  })

  it('refuses one whose device has been made anew', async () => {
    world = await openVoucherWorld()
    await importAll(ours, await withGuid(0xa2))
    expect(await checkOf(ours)).toBe('superseded')
  })

  it('takes back what was sold only if it was sold back', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    const buyer = parts.publicKeys[2] ?? expect.fail()
    const sold = await world.desk.sell(
      { id: 'tok_1', party: HOME_PARTY },
      { guid: guidText(0xa1), to: buyer },
    )
    expect(sold.state).toBe('handed-over')
    expect(await checkOf(ours)).toBe('voucher-truncated')
    const back = await sell(parts, parseVoucher(sold.cbor), 3)
    expect(await checkOf(back)).toBe('ok')
    expect((await world.desk.find(HOME_PARTY, guidText(0xa1))).state).toBe('held')
  })
})

describe('importing a voucher that DI made here', () => {
  it('for an owner whose key we were given since makes the device ours', async () => {
    world = await openVoucherWorld()
    const sold = await withGuid(0xa1, 2)
    await world.make(sold)
    expect(await checkOf(sold)).toBe('owner-key-not-ours')
    world.owners.push(...parts.signers.slice(2, 3))
    expect(await checkOf(sold)).toBe('ok')
    expect(await world.voucherStates()).toEqual({ a1a1: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeDefined()
    const [device] = await world.devices.list({ party: HOME_PARTY, limit: 1 })
    expect(device).toMatchObject({ state: 'owned', serial: 'SN-1' })
  })
})

describe('importing another voucher of one device', () => {
  it('serves the one that came last, and no other', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    await importAll(await withGuid(0xa2))
    expect(await world.voucherStates()).toEqual({ a1a1: 'superseded', a2a2: 'held' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
    expect(await world.vouchers.findServable(guid(0xa2))).toBeDefined()
    expect(world.watched).toEqual(['held a1a1 by 1', 'released a1a1', 'held a2a2 by 1'])
    const devices = await world.devices.list({ party: HOME_PARTY, limit: 10 })
    expect(devices.map((device) => device.guid)).toEqual([guidText(0xa2)])
  })

  it('leaves alone what an onboarding left, and serves neither of that', async () => {
    world = await openVoucherWorld()
    await importAll(ours)
    await onboard(0xa1, 0xb1)
    expect(await checkOf(await withGuid(0xa2))).toBe('ok')
    expect(await world.voucherStates()).toEqual({ a1a1: 'left', a2a2: 'held', b1b1: 'left' })
    expect(await world.vouchers.findServable(guid(0xa1))).toBeUndefined()
  })

  it('in one request serves the last of them', async () => {
    world = await openVoucherWorld()
    await importAll(ours, await withGuid(0xa2), await withGuid(0xa3))
    expect(await world.voucherStates()).toEqual({
      a1a1: 'superseded',
      a2a2: 'superseded',
      a3a3: 'held',
    })
  })
})

async function onboard(from: number, to: number): Promise<void> {
  const { bytes } = await makeVoucher(parts, { sales: 0, header: { guid: guid(to) } })
  const { deviceId: id } = (await world.vouchers.findServable(guid(from))) ?? expect.fail()
  await world.database.commit(async (tx) => {
    await world.devices.moveDevice(tx, { id, move: 'onboarding' })
    await world.vouchers.replaceAfterTo2(tx, {
      guid: guid(from),
      deviceId: id,
      revision: '1',
      replacement: { guid: guid(to), voucher: bytes },
    })
  })
}

/** The same voucher with its last entries cut off. */
function cutTo(encoded: Uint8Array, count: number): Uint8Array {
  const voucher = parseVoucher(encoded)
  const [first] = voucher.entries
  const all = toHex(encoded)
  const array = all.indexOf(toHex(first?.bytes ?? expect.fail())) - 2
  const kept = voucher.entries.slice(0, count).map(({ bytes }) => toHex(bytes))
  return fromHex(`${all.slice(0, array)}${(0x80 + count).toString(16)}${kept.join('')}`)
}

/** What becomes of a device's credentials and vouchers when it is sold, retired, or made anew. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { settleAll } from '../../../../src/audit/settle.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import {
  type OnboardingWorld,
  guidOf,
  openOnboardingWorld,
} from '../../../support/onboarding-world.ts'
import { guid, guidText } from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const TESTER = { id: 'tok_1', party: HOME_PARTY }
const parts = partsOf()
const [, ownerKey, buyer] = parts.publicKeys

let world: OnboardingWorld
beforeEach(async () => {
  world = await openOnboardingWorld()
  // Keys of the voucher's past are ours; those of who buys are not.
  world.owners.splice(0, world.owners.length, ...parts.signers.slice(0, 2))
})
afterEach(() => world.close())

const certificates = () =>
  world.database.db
    .selectFrom('certificate')
    .select(['status', 'revocation_reason', 'status_at'])
    .where('profile', '=', 'ldevid')
    .execute()
const logged = async () => {
  await settleAll(world.database)
  const entries = await world.database.db
    .selectFrom('audit_entry')
    .select(['type', 'by', 'detail'])
    .orderBy('seq')
    .execute()
  return entries.map(({ type, by, detail }) => [type, by, JSON.parse(detail ?? 'null')] as const)
}
const retire = async () => {
  const { id } = await world.device()
  return world.call(`/devices/${id}/retire`, { method: 'POST' })
}

describe('a device that is sold', () => {
  it('loses its credentials in the transaction of the sale, and the log says why', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    world.clock.advance(1000)
    const sold = guidOf(device.credential)
    await world.desk.sell(TESTER, { guid: sold, to: buyer ?? expect.fail() })
    const status_at = world.clock.now().toISOString()
    expect(await certificates()).toEqual([
      { status: 'revoked', revocation_reason: 'handed-over', status_at },
    ])
    const [serial] = await world.database.db
      .selectFrom('certificate')
      .select('serial')
      .where('profile', '=', 'ldevid')
      .execute()
    expect((await logged()).slice(-2)).toMatchObject([
      ['voucher-handed-over', 'tok_1', {}],
      ['certificate-revoked', 'tok_1', { ...serial, reason: 'handed-over' }],
    ])
  })

  it('keeps them where the sale is undone', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    const alongside = () => Promise.reject(new Error('no'))
    const sale = { guid: guidOf(device.credential), to: buyer ?? expect.fail(), alongside }
    await expect(world.desk.sell(TESTER, sale)).rejects.toThrow('no')
    expect(await certificates()).toMatchObject([{ status: 'active', revocation_reason: null }])
  })

  it('keeps them where it is sold to ourselves', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    const sale = { guid: guidOf(device.credential), to: ownerKey ?? expect.fail() }
    await world.desk.sell(TESTER, sale)
    expect(await certificates()).toMatchObject([{ status: 'active' }])
  })

  it('has nothing to lose before it was onboarded', async () => {
    await world.addDevice()
    await world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer ?? expect.fail() })
    expect((await logged()).map(([type]) => type)).toEqual([
      'voucher-imported',
      'voucher-handed-over',
    ])
  })

  it('does not get them back by coming back', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    const sold = guidOf(device.credential)
    await world.desk.sell(TESTER, { guid: sold, to: buyer ?? expect.fail() })
    world.owners.push(parts.signers[2] ?? expect.fail())
    const { cbor } = await world.desk.find(HOME_PARTY, sold)
    expect(await world.desk.import([cbor], TESTER)).toMatchObject([{ ok: true }])
    expect(await world.device()).toMatchObject({ state: 'owned' })
    expect(await certificates()).toMatchObject([{ status: 'revoked' }])
    await world.onboard({ ...device, credential: { ...device.credential, active: true } })
    expect((await certificates()).map(({ status }) => status).sort()).toEqual(['active', 'revoked'])
  })
})

describe('a device that is made anew', () => {
  it('loses what it got in the life before', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    await world.make(await makeVoucher(parts, { sales: 2, header: { guid: guid(0xc1) } }))
    expect(await certificates()).toMatchObject([
      { status: 'revoked', revocation_reason: 'made-anew' },
    ])
    expect((await logged()).find(([type]) => type === 'certificate-revoked')?.[1]).toBe('system')
  })
})

describe('a device that is retired', () => {
  it('has neither credentials nor vouchers any more, and no tokens', async () => {
    const device = await world.addDevice()
    // Its vouchers go in the order in which they came.
    world.clock.advance(1000)
    await world.onboard(device)
    const { id } = await world.device()
    const { status, json } = await retire()
    expect([status, json.state, json.history.at(-1).type]).toEqual([200, 'retired', 'retired'])
    expect(await certificates()).toMatchObject([
      { status: 'revoked', revocation_reason: 'retired' },
    ])
    expect(await world.voucherStates()).toEqual({})
    expect(await world.devices.findScopes(id)).toBeUndefined()
    expect(world.watched.slice(-2)).toEqual([
      'released a1a1',
      `released ${guidOf(device.credential).slice(0, 4)}`,
    ])
    expect((await logged()).slice(-4)).toMatchObject([
      ['device-retired', 'tok_1', null],
      ['certificate-revoked', 'tok_1', { reason: 'retired' }],
      ['voucher-deleted', 'tok_1', null],
      ['voucher-deleted', 'tok_1', null],
    ])
    await expect(world.onboard(device)).rejects.toMatchObject({ peerError: { code: 6 } })
  })

  it('is retired once, however often it is asked for', async () => {
    await world.addDevice()
    await retire()
    const before = await logged()
    expect(await retire()).toMatchObject({ status: 200, json: { state: 'retired' } })
    expect(await logged()).toEqual(before)
  })

  it('breaks off the run that is under way', async () => {
    const device = await world.addDevice()
    const transport: typeof world.transport = async (message, authorization) => {
      if (message.number === 70) await retire()
      return world.transport(message, authorization)
    }
    await expect(world.onboard(device, { transport })).rejects.toThrow()
    expect(await certificates()).toMatchObject([{ status: 'revoked' }])
    expect(await world.device()).toMatchObject({ state: 'retired' })
  })

  it('is not, where it is somebody else’s, not there, or the caller may not', async () => {
    await world.addDevice()
    world.allow('device:write')
    expect((await retire()).status).toBe(403)
    world.allow('device:retire')
    expect((await world.call('/devices/fdod_none/retire', { method: 'POST' })).status).toBe(404)
    await world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer ?? expect.fail() })
    expect(await retire()).toMatchObject({ status: 409, json: { code: 'conflict' } })
    expect(await world.device()).toMatchObject({ state: 'handed-over' })
  })

  it('comes back with a voucher that is restored, to be onboarded', async () => {
    const device = await world.addDevice()
    await retire()
    await world.desk.restore(guidText(0xa1), TESTER)
    expect(await world.device()).toMatchObject({ state: 'owned' })
    await world.onboard(device)
    expect(await world.device()).toMatchObject({ state: 'onboarded' })
  })

  it('goes back into stock where it was never sold, and what was sold stays so', async () => {
    world.owners.length = 0
    await world.make(await makeVoucher(parts, { sales: 0, header: { guid: guid(0xa1) } }))
    await retire()
    await world.desk.restore(guidText(0xa1), TESTER)
    expect(await world.device()).toMatchObject({ state: 'manufactured' })
    await world.make(await makeVoucher(parts, { sales: 1, header: { guid: guid(0xa2) } }))
    await retire()
    expect(await world.voucherStates()).toMatchObject({ a2a2: 'handed-over' })
  })

  it('leaves the state alone of one that is in service when a voucher is restored', async () => {
    const device = await world.addDevice()
    await world.onboard(device)
    await world.desk.delete(guidOf(device.credential), TESTER)
    await world.desk.restore(guidOf(device.credential), TESTER)
    expect(await world.device()).toMatchObject({ state: 'onboarded' })
  })
})

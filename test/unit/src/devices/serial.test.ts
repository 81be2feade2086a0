/** What a device says its serial number is, where nobody else has said so. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { type OnboardingWorld, openOnboardingWorld } from '../../../support/onboarding-world.ts'
import { guid } from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

let world: OnboardingWorld
beforeEach(async () => {
  world = await openOnboardingWorld()
})
afterEach(() => world.close())

/** Another device of the party has this number, and is there first. */
async function addOther(serial: string | null, party = HOME_PARTY): Promise<void> {
  const [group] = await world.database.db.selectFrom('device_group').selectAll().execute()
  const row = { ...group!, party }
  const groups = world.database.db.insertInto('device_group').values(row)
  await groups.onConflict((same) => same.doNothing()).execute()
  await world.database.db
    .insertInto('device')
    .values({
      ...{ id: 'fdod_other', party, guid: 'b1', serial, model: 'm', group_name: row.name },
      ...{ state: 'owned', last_error: null, created_at: '', updated_at: '', onboarded_at: null },
    })
    .execute()
}
const imported = async () => {
  const rows = await world.devices.list({ party: HOME_PARTY, limit: 9 })
  return rows.find(({ id }) => id !== 'fdod_other') ?? expect.fail()
}
/** As if the device had said this number. */
const say = async (serial: string | null | undefined) => {
  const { id, guid: name } = await imported()
  const detail = { os: 'linux', serial }
  await world.database.commit(async (tx) => {
    await world.devices.moveDevice(tx, { id, move: 'onboarding' })
    if (serial !== undefined) await world.devices.note(tx, id, 'devmod', detail)
    await world.devices.onboarded(tx, { id, guid: name, newGuid: null })
  })
  return (await imported()).serial
}

describe('the serial number of an imported device', () => {
  it('is what it says in TO2, once that is done', async () => {
    const device = await world.addDevice()
    expect((await imported()).serial).toBeNull()
    await world.onboard(device)
    expect((await imported()).serial).toBe('SN-1')
  })

  it('is not that of another device of the party, and the history says whose', async () => {
    const device = await world.addDevice()
    await addOther('SN-1')
    await world.onboard(device)
    const { id, serial } = await imported()
    expect(serial).toBeNull()
    const note = (await world.devices.history(id)).find(
      ({ type }) => type === 'serial-not-recorded',
    )
    expect(JSON.parse(note?.detail ?? '')).toEqual({ serial: 'SN-1', holder: 'fdod_other' })
  })

  it('may be that of a device of another party', async () => {
    const device = await world.addDevice()
    await addOther('SN-1', 'fdop_other')
    await world.onboard(device)
    expect((await imported()).serial).toBe('SN-1')
  })

  it('is none where the device says none, or what is none', async () => {
    await world.addDevice()
    for (const none of [
      undefined,
      null,
      '',
      '  ',
      'a\nb',
      'x'.repeat(513),
      `${'x'.repeat(2000)}…`,
    ]) {
      expect(await say(none)).toBeNull()
    }
    expect(await say(` ${'é'.repeat(256)} `)).toBe('é'.repeat(256))
  })

  it('stays what the factory said, whatever the device says', async () => {
    await world.make(await makeVoucher(partsOf(), { header: { guid: guid(0xa1) } }), 'made-1')
    expect(await say('SN-1')).toBe('made-1')
  })

  it('is what the device says where the factory said an empty one', async () => {
    await world.make(await makeVoucher(partsOf(), { header: { guid: guid(0xa1) } }), '')
    expect(await say('SN-1')).toBe('SN-1')
  })
})

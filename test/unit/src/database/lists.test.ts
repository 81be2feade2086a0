/** Lists among millions of rows: each is read by an index that has it in order. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Executor } from '../../../../src/database/connection.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { deleteGroup, findBySerial, listDevices } from '../../../../src/devices/store.ts'
import { listCertificates, supersedeForgotten } from '../../../../src/pki/store.ts'
import { type VoucherFilter, listVouchers } from '../../../../src/vouchers/store.ts'
import { type Database, isOnPostgres, openDatabase } from '../../../support/database.ts'
import { plansOf } from '../../../support/query-plan.ts'

const AT = '2026-01-01T00:00:00.000Z'
const PAGE = { party: HOME_PARTY, limit: 3 }

let database: Database
beforeEach(async () => {
  database = await openDatabase(':memory:')
})
afterEach(() => database.close())

type Asked = (db: Executor) => Promise<unknown>

const vouchers =
  (filter: Partial<VoucherFilter>): Asked =>
  (db) =>
    listVouchers(db, { ...PAGE, ...filter })
const devices =
  (filter: Partial<Parameters<typeof listDevices>[1]>): Asked =>
  (db) =>
    listDevices(db, { ...PAGE, ...filter })
const certificates =
  (filter: Partial<Parameters<typeof listCertificates>[1]>): Asked =>
  (db) =>
    listCertificates(db, { ...PAGE, ...filter })
const position = { guid: 'a1'.repeat(16), created_at: AT }

/** In the index's own order. */
const IN_ORDER: readonly [what: string, table: string, asked: Asked, plan: RegExp][] = [
  ['all vouchers', 'voucher', vouchers({}), /voucher_party \(party=\?\)/],
  [
    'a later page of them',
    'voucher',
    vouchers({ after: position }),
    /voucher_party \(party=\? AND guid>\?\)/,
  ],
  ['vouchers in a state', 'voucher', vouchers({ state: 'held' }), /voucher_state/],
  ['vouchers of an origin', 'voucher', vouchers({ origin: 'made' }), /voucher_origin/],
  ['vouchers of a model', 'voucher', vouchers({ deviceInfo: 'm' }), /voucher_model/],
  [
    'vouchers since a time',
    'voucher',
    vouchers({ since: AT }),
    /voucher_arrival \(party=\? AND created_at>\?\)/,
  ],
  ['vouchers until a time', 'voucher', vouchers({ until: AT }), /voucher_arrival/],
  [
    'a later page of those',
    'voucher',
    vouchers({ until: AT, after: position }),
    /voucher_arrival \(party=\? AND \(created_at,guid\)>\(\?,\?\)/,
  ],
  ['devices in a state', 'device', devices({ state: 'failed' }), /device_state/],
  ['devices of a model', 'device', devices({ model: 'm' }), /device_model/],
  ['devices of a group', 'device', devices({ group: 'g' }), /device_group_member/],
  ['devices by serial number', 'device', devices({ serial: 's' }), /device_serial/],
  [
    'certificates by status',
    'certificate',
    certificates({ status: 'revoked' }),
    /certificate_status/,
  ],
]

/** Few, and sorted. */
const OF_ONE: readonly [what: string, table: string, asked: Asked, plan: RegExp][] = [
  ['vouchers of a device', 'voucher', vouchers({ deviceId: 'd' }), /voucher_device/],
  [
    'vouchers by serial number',
    'voucher',
    vouchers({ serial: 's', since: AT, state: 'held' }),
    /voucher_device[^]*device_serial/,
  ],
  [
    'certificates of a device',
    'certificate',
    certificates({ deviceId: 'd', status: 'active' }),
    /certificate_device/,
  ],
  [
    'the device of a serial number',
    'device',
    (db) => findBySerial.first(db, { party: HOME_PARTY, serial: 's' }),
    /device_serial/,
  ],
  [
    'the devices of a group that is to go',
    'device',
    (db) => deleteGroup.run(db, { party: HOME_PARTY, name: 'g' }),
    /device_group_member/,
  ],
  [
    'certificates that no run has brought to its device',
    'certificate',
    (db) => supersedeForgotten.run(db, { before: AT, at: AT }),
    /certificate_pending/,
  ],
]

describe.skipIf(isOnPostgres)('lists', () => {
  it.each(IN_ORDER)('of %s are read in order, by index', async (_, table, asked, plan) => {
    const plans = await plansOf(database.db, table, () => asked(database.db))
    expect(plans).toEqual([expect.stringMatching(plan)])
    expect(plans[0]).not.toMatch(/SCAN|TEMP B-TREE/)
  })

  it.each(OF_ONE)('are not gone through for %s', async (_, table, asked, plan) => {
    const plans = await plansOf(database.db, table, () => asked(database.db))
    expect(plans).toEqual([expect.stringMatching(plan)])
    expect(plans[0]).not.toContain('SCAN')
  })
})

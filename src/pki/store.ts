/** The certificates issued here, and how each stands. */
import { sql } from 'kysely'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { CertificateTable } from '../database/tables/pki.ts'

export type CertificateRow = CertificateTable
type Issued = Omit<CertificateRow, 'party' | 'revocation_reason'>

/** Written out, not bound: there are indexes that have such rows only. */
const CREDENTIAL = sql.lit<'ldevid'>('ldevid')
const PENDING = sql.lit<'pending'>('pending')
const MOST_REMOVED = 500

/** The party of a device; the installation's own for what is of no device here. */
function partyOf(db: Executor, deviceId: string | null) {
  const device = db.selectFrom('device').select('party').where('id', '=', deviceId)
  return sql<string>`coalesce(${device}, ${sql.lit(HOME_PARTY)})`
}

/** A serial number is reserved by its row: one that is taken makes this fail. */
export const recordCertificate = statement((db, row: Issued) =>
  db.insertInto('certificate').values({
    serial: row.serial,
    party: partyOf(db, row.device_id),
    profile: row.profile,
    device_id: row.device_id,
    run_id: row.run_id,
    status: row.status,
    spki_hash: row.spki_hash,
    not_before: row.not_before,
    not_after: row.not_after,
    der: row.der,
    created_at: row.created_at,
    status_at: row.status_at,
    revocation_reason: null,
  }),
)

export const storeSigned = statement((db, p: { serial: string; der: Uint8Array; status: Status }) =>
  db
    .updateTable('certificate')
    .set({ der: p.der, status: p.status })
    .where('serial', '=', p.serial),
)

type Status = CertificateRow['status']

type Obstacle = 'key-of-another-device' | 'device-gone'

/**
 * What stands in the way of a credential: another device's certificate for the same key (a device
 * that is sold has one of each party), or that the device is none of the party's any more, since a
 * run of TO2 may be under way when it is sold. Looked for in one query.
 */
export const findObstacle = statement((db, p: { spkiHash: string; deviceId: string }) =>
  db
    .selectFrom('certificate')
    .select(sql.lit<Obstacle>('key-of-another-device').as('obstacle'))
    .where('spki_hash', '=', p.spkiHash)
    .where('profile', '=', CREDENTIAL)
    .where('device_id', '!=', p.deviceId)
    .where('party', '=', partyOf(db, p.deviceId))
    .unionAll(
      db
        .selectFrom('device')
        .select(sql.lit<Obstacle>('device-gone').as('obstacle'))
        .where('id', '=', p.deviceId)
        .where('state', 'in', ['retired', 'handed-over']),
    )
    .limit(1),
)

export const findCertificate = statement((db, p: { serial: string }) =>
  db
    .selectFrom('certificate')
    .select(['profile', 'status', 'device_id', 'not_before', 'not_after', 'der'])
    .where('serial', '=', p.serial),
)

/** The latest certificate of an authority's key. */
export const findAuthority = statement((db, p: { profile: string; spkiHash: string }) =>
  db
    .selectFrom('certificate')
    .select('der')
    .where('spki_hash', '=', p.spkiHash)
    .where('profile', '=', p.profile)
    .where('status', '=', 'active')
    .orderBy('not_after', 'desc')
    .orderBy('created_at', 'desc')
    .limit(1),
)

export const activatePending = statement((db, p: { deviceId: string; runId: string; at: string }) =>
  db
    .updateTable('certificate')
    .set({ status: 'active', status_at: p.at })
    .where('device_id', '=', p.deviceId)
    .where('profile', '=', CREDENTIAL)
    .where('run_id', '=', p.runId)
    .where('status', '=', 'pending'),
)

/** What was issued in the run beside the credential that is sent: an answer that never left. */
export const supersedeUnsent = statement(
  (db, p: { deviceId: string; runId: string; serial: string; at: string }) =>
    db
      .updateTable('certificate')
      .set({ status: 'superseded', status_at: p.at })
      .where('device_id', '=', p.deviceId)
      .where('profile', '=', CREDENTIAL)
      .where('run_id', '=', p.runId)
      .where('serial', '!=', p.serial)
      .where('status', '=', 'pending'),
)

/** What other runs gave the device, in force or never completed. */
export const supersedeOthers = statement((db, p: { deviceId: string; runId: string; at: string }) =>
  db
    .updateTable('certificate')
    .set({ status: 'superseded', status_at: p.at })
    .where('device_id', '=', p.deviceId)
    .where('profile', '=', CREDENTIAL)
    .where('run_id', '!=', p.runId)
    .where('status', 'in', ['active', 'pending']),
)

/** What a run has left that was broken off: the device may have it, and must not use it. */
export const supersedePending = statement(
  (db, p: { deviceId: string; runId: string; at: string }) =>
    db
      .updateTable('certificate')
      .set({ status: 'superseded', status_at: p.at })
      .where('device_id', '=', p.deviceId)
      .where('profile', '=', CREDENTIAL)
      .where('run_id', '=', p.runId)
      .where('status', '=', 'pending'),
)

/** What runs that nobody ended have left: no device has it, or may use it. */
export const supersedeForgotten = statement((db, p: { before: string; at: string }) =>
  db
    .updateTable('certificate')
    .set({ status: 'superseded', status_at: p.at })
    .where('status', '=', PENDING)
    .where('created_at', '<', p.before),
)

/** Credentials that ended long ago, a few at a time. */
export const removeExpired = statement((db, p: { before: string }) =>
  db
    .deleteFrom('certificate')
    .where('serial', 'in', (eb) =>
      eb
        .selectFrom('certificate')
        .select('serial')
        .where('profile', '=', CREDENTIAL)
        .where('not_after', '<', p.before)
        .limit(MOST_REMOVED),
    ),
)

export interface CertificateFilter {
  readonly party: string
  readonly deviceId?: string | undefined
  readonly status?: Status | undefined
  readonly limit: number
  /** The last serial number of the page before. */
  readonly after?: string | undefined
}

/**
 * Ordered by serial number, so that a page stays the same while certificates are issued. Of one device
 * there are few: expressions keep the databases off indexes that are in order, and have all others.
 */
export function listCertificates(db: Executor, filter: CertificateFilter) {
  const isOfOne = filter.deviceId !== undefined
  let query = db
    .selectFrom('certificate')
    .select(['serial', 'profile', 'device_id', 'status', 'not_before', 'not_after', 'created_at'])
    .select(['status_at', 'revocation_reason'])
    .where(isOfOne ? sql<string>`party || ''` : 'party', '=', filter.party)
    .orderBy(isOfOne ? sql<string>`serial || ''` : 'serial')
    .limit(filter.limit)
  if (filter.after !== undefined) query = query.where('serial', '>', filter.after)
  if (filter.deviceId !== undefined) query = query.where('device_id', '=', filter.deviceId)
  if (filter.status !== undefined) query = query.where('status', '=', filter.status)
  return query.execute()
}

/** Attempts of former owners, counted by device and by who tried. */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { RegistrationAlarmTable } from '../../database/tables/rendezvous.ts'

export type AlarmRow = RegistrationAlarmTable
export type Attempt = Pick<AlarmRow, 'guid' | 'owner_key' | 'entries' | 'source'> & {
  readonly at: string
}

const ring = statement((db, p: Attempt) =>
  db
    .insertInto('registration_alarm')
    .values({
      guid: p.guid,
      owner_key: p.owner_key,
      times: 1,
      entries: p.entries,
      source: p.source,
      first_at: p.at,
      last_at: p.at,
    })
    .onConflict((conflict) =>
      conflict.columns(['guid', 'owner_key']).doUpdateSet(({ eb, ref }) => ({
        times: eb(ref('registration_alarm.times'), '+', 1),
        entries: p.entries,
        source: p.source,
        last_at: p.at,
      })),
    ),
)

const listOf = statement((db, p: { guid: string }) =>
  db.selectFrom('registration_alarm').select('owner_key').where('guid', '=', p.guid),
)

/** Of one device: few. */
export const listAlarmsOf = statement((db, p: { guid: string }) =>
  db.selectFrom('registration_alarm').selectAll().where('guid', '=', p.guid).orderBy('owner_key'),
)

export const dismiss = statement((db, p: { guid: string }) =>
  db.deleteFrom('registration_alarm').where('guid', '=', p.guid),
)

/** A former owner may make up any number of buyers: of one device so many are told apart. */
const MOST_OF_ONE = 8
const ALL_OTHERS: Bytes = Buffer.alloc(0)

export async function countAttempt(tx: Executor, attempt: Attempt): Promise<void> {
  const known = await listOf.all(tx, { guid: attempt.guid })
  const isKnown = known.some(({ owner_key }) => Buffer.from(owner_key).equals(attempt.owner_key))
  const owner_key = isKnown || known.length < MOST_OF_ONE ? attempt.owner_key : ALL_OTHERS
  await ring.run(tx, { ...attempt, owner_key })
}

/** Ordered by GUID and key, after the position given. */
export function listAlarms(
  db: Executor,
  page: {
    readonly limit: number
    readonly after?: Pick<AlarmRow, 'guid' | 'owner_key'> | undefined
  },
): Promise<AlarmRow[]> {
  const { limit, after } = page
  let query = db.selectFrom('registration_alarm').selectAll().orderBy('guid').orderBy('owner_key')
  if (after) {
    query = query.where(({ or, and, eb }) =>
      or([
        eb('guid', '>', after.guid),
        and([eb('guid', '=', after.guid), eb('owner_key', '>', after.owner_key)]),
      ]),
    )
  }
  return query.limit(limit).execute()
}

/** How far runs have got, and what the programs of a device's last run have printed. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type { OnboardingProgressTable, StepOutputTable } from '../../database/tables/onboarding.ts'
import type { DeviceEventTable } from '../../database/tables/devices.ts'

export type ProgressRow = OnboardingProgressTable
export type OutputRow = StepOutputTable

export const putProgress = statement((db, row: ProgressRow) =>
  db
    .insertInto('onboarding_progress')
    .values({
      device_id: row.device_id,
      run_id: row.run_id,
      message: row.message,
      rounds: row.rounds,
      received: row.received,
      step: row.step,
      module: row.module,
      done: row.done,
      total: row.total,
      updated_at: row.updated_at,
    })
    .onConflict((conflict) =>
      conflict.column('device_id').doUpdateSet({
        run_id: row.run_id,
        message: row.message,
        rounds: row.rounds,
        received: row.received,
        step: row.step,
        module: row.module,
        done: row.done,
        total: row.total,
        updated_at: row.updated_at,
      }),
    ),
)

export const findProgress = statement((db, p: { deviceId: string }) =>
  db.selectFrom('onboarding_progress').selectAll().where('device_id', '=', p.deviceId),
)

export const dropOldProgress = statement((db, p: { before: string }) =>
  db.deleteFrom('onboarding_progress').where('updated_at', '<', p.before),
)

type OutputName = Pick<OutputRow, 'device_id' | 'run_id' | 'step' | 'stream'>

export const findOutput = statement((db, p: OutputName) =>
  db
    .selectFrom('step_output')
    .selectAll()
    .where('device_id', '=', p.device_id)
    .where('run_id', '=', p.run_id)
    .where('step', '=', p.step)
    .where('stream', '=', p.stream),
)

export const putOutput = statement((db, row: OutputRow) =>
  db
    .insertInto('step_output')
    .values({
      device_id: row.device_id,
      run_id: row.run_id,
      step: row.step,
      stream: row.stream,
      head: row.head,
      tail: row.tail,
      length: row.length,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['device_id', 'run_id', 'step', 'stream'])
        .doUpdateSet({ head: row.head, tail: row.tail, length: row.length }),
    ),
)

/** Only what the last run said is kept. */
export const dropOtherOutputs = statement((db, p: { device_id: string; run_id: string }) =>
  db.deleteFrom('step_output').where('device_id', '=', p.device_id).where('run_id', '!=', p.run_id),
)

export const listOutputs = statement((db, p: { deviceId: string }) =>
  db.selectFrom('step_output').selectAll().where('device_id', '=', p.deviceId),
)

// ---------------------------------------------------------------- what happens, as it happens

export interface PartyEvent extends Pick<DeviceEventTable, 'at' | 'type' | 'state' | 'detail'> {
  readonly seq: number
  readonly device_id: string
  readonly guid: string
}

/** What has happened to the devices of a party, oldest first. */
export function listPartyEvents(
  db: Executor,
  page: {
    readonly party: string
    readonly after: number
    readonly limit: number
  },
): Promise<PartyEvent[]> {
  return db
    .selectFrom('device_event')
    .innerJoin('device', 'device.id', 'device_event.device_id')
    .select(['device_event.seq', 'device_event.device_id', 'device.guid', 'device_event.at'])
    .select(['device_event.type', 'device_event.state', 'device_event.detail'])
    .where('device.party', '=', page.party)
    .where('device_event.seq', '>', page.after)
    .orderBy('device_event.seq')
    .limit(page.limit)
    .execute()
}

/** Of a device, newest first. */
export const listLatestEvents = statement((db, p: { deviceId: string; limit: number }) =>
  db
    .selectFrom('device_event')
    .select(['seq', 'at', 'type', 'state', 'detail'])
    .where('device_id', '=', p.deviceId)
    .orderBy('seq', 'desc')
    .limit(p.limit),
)

export const findLastEvent = statement((db, _: object) =>
  db.selectFrom('device_event').select(({ fn }) => fn.max('seq').as('seq')),
)

export const findLastProgress = statement((db, _: object) =>
  db.selectFrom('onboarding_progress').select(({ fn }) => fn.max('updated_at').as('updated_at')),
)

/** Of runs that say how far they are since then. */
export function listPartyProgress(
  db: Executor,
  page: {
    readonly party: string
    readonly since: string
    readonly limit: number
  },
): Promise<(ProgressRow & { readonly guid: string })[]> {
  return db
    .selectFrom('onboarding_progress')
    .innerJoin('device', 'device.id', 'onboarding_progress.device_id')
    .selectAll('onboarding_progress')
    .select('device.guid')
    .where('device.party', '=', page.party)
    .where('onboarding_progress.updated_at', '>', page.since)
    .orderBy('onboarding_progress.updated_at')
    .limit(page.limit)
    .execute()
}

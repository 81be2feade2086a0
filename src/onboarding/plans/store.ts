/** Plans, their versions, and how devices fare with those on trial. */
import type { Executor } from '../../database/connection.ts'
import { statement } from '../../database/statement.ts'
import type {
  PlanOutcomeTable,
  PlanTable,
  PlanVersionTable,
} from '../../database/tables/onboarding.ts'

export type PlanRow = PlanTable
export type VersionRow = PlanVersionTable

export type PlanName = Pick<PlanRow, 'party' | 'name'>
export type VersionName = Pick<VersionRow, 'party' | 'name' | 'version'>

/** All but the documents. */
export const listHeads = statement((db, _: object) =>
  db
    .selectFrom('plan')
    .select(['party', 'name', 'version', 'created_at', 'updated_at'])
    .select(['stable', 'trial', 'trial_state', 'share'])
    .orderBy('name'),
)
export type Head = Omit<PlanRow, 'document'>

/** Of a party's plans, each as it was put last. */
export const listLatest = statement((db, p: { party: string }) =>
  db
    .selectFrom('plan')
    .innerJoin('plan_version', (join) =>
      join
        .onRef('plan_version.party', '=', 'plan.party')
        .onRef('plan_version.name', '=', 'plan.name'),
    )
    .select(['plan.name', 'plan_version.version', 'plan_version.document'])
    .where('plan.party', '=', p.party)
    .where((eb) =>
      eb.or([
        eb('plan_version.version', '=', eb.ref('plan.version')),
        eb('plan_version.version', '=', eb.ref('plan.stable')),
        eb('plan_version.version', '=', eb.ref('plan.trial')),
      ]),
    ),
)

export const findPlan = statement((db, p: PlanName) =>
  db.selectFrom('plan').selectAll().where('party', '=', p.party).where('name', '=', p.name),
)

export const insertPlan = statement((db, row: PlanRow) =>
  db.insertInto('plan').values({
    party: row.party,
    name: row.name,
    version: row.version,
    document: row.document,
    created_at: row.created_at,
    updated_at: row.updated_at,
    stable: row.stable,
    trial: row.trial,
    trial_state: row.trial_state,
    share: row.share,
  }),
)

/** Nothing happens where another came first: `before` is the version that was read. */
export const updatePlan = statement((db, p: PlanRow & { readonly before: number }) =>
  db
    .updateTable('plan')
    .set({
      version: p.version,
      document: p.document,
      updated_at: p.updated_at,
      stable: p.stable,
      trial: p.trial,
      trial_state: p.trial_state,
      share: p.share,
    })
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where('version', '=', p.before),
)

/** Of a version that is on trial now, and in that state. */
export const moveTrial = statement(
  (
    db,
    p: VersionName & {
      readonly from: 'rolling' | 'stopped'
      readonly to: 'rolling' | 'stopped'
      readonly share: number
    },
  ) =>
    db
      .updateTable('plan')
      .set({ trial_state: p.to, share: p.share })
      .where('party', '=', p.party)
      .where('name', '=', p.name)
      .where('trial', '=', p.version)
      .where('trial_state', '=', p.from),
)

/** A version that has proven itself holds for good; nothing happens where it is not on trial any more. */
export const settleTrial = statement((db, p: VersionName & { readonly document: string }) =>
  db
    .updateTable('plan')
    .set({ stable: p.version, document: p.document, trial: null, trial_state: null })
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where('trial', '=', p.version)
    .where('trial_state', '=', 'rolling'),
)

export const deletePlan = statement((db, p: PlanName) =>
  db.deleteFrom('plan').where('party', '=', p.party).where('name', '=', p.name),
)

// ---------------------------------------------------------------- versions

export const insertVersion = statement((db, row: VersionRow) =>
  db.insertInto('plan_version').values({
    party: row.party,
    name: row.name,
    version: row.version,
    document: row.document,
    created_at: row.created_at,
    created_by: row.created_by,
    approved_at: row.approved_at,
    approved_by: row.approved_by,
  }),
)

export const findVersion = statement((db, p: VersionName) =>
  db
    .selectFrom('plan_version')
    .selectAll()
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where('version', '=', p.version),
)

/** The number to go on from, whether there is a plan of this name now or not. */
export const findLastVersion = statement((db, p: PlanName) =>
  db
    .selectFrom('plan_version')
    .select(({ fn }) => fn.max('version').as('version'))
    .where('party', '=', p.party)
    .where('name', '=', p.name),
)

export const approveVersion = statement(
  (db, p: VersionName & { readonly at: string; readonly by: string }) =>
    db
      .updateTable('plan_version')
      .set({ approved_at: p.at, approved_by: p.by })
      .where('party', '=', p.party)
      .where('name', '=', p.name)
      .where('version', '=', p.version)
      .where('approved_at', 'is', null),
)

/** Newest first. */
export function listVersions(
  db: Executor,
  page: PlanName & { readonly limit: number; readonly before?: number | undefined },
): Promise<VersionRow[]> {
  let query = db
    .selectFrom('plan_version')
    .selectAll()
    .where('party', '=', page.party)
    .where('name', '=', page.name)
    .orderBy('version', 'desc')
    .limit(page.limit)
  if (page.before !== undefined) query = query.where('version', '<', page.before)
  return query.execute()
}

// ---------------------------------------------------------------- trials

type Started = Omit<PlanOutcomeTable, 'outcome'>

/** What became of it before stays until this run has ended, too. */
export const startOutcome = statement((db, row: Started) =>
  db
    .insertInto('plan_outcome')
    .values({
      party: row.party,
      name: row.name,
      version: row.version,
      device_id: row.device_id,
      run_id: row.run_id,
      outcome: null,
      started_at: row.started_at,
    })
    .onConflict((conflict) =>
      conflict
        .columns(['party', 'name', 'version', 'device_id'])
        .doUpdateSet({ run_id: row.run_id, started_at: row.started_at }),
    ),
)

interface Ended {
  readonly device_id: string
  readonly run_id: string
  readonly outcome: 'onboarded' | 'failed'
}

export const endOutcome = statement((db, p: Ended) =>
  db
    .updateTable('plan_outcome')
    .set({ outcome: p.outcome })
    .where('device_id', '=', p.device_id)
    .where('run_id', '=', p.run_id)
    .returning(['party', 'name', 'version']),
)

/** Runs of a trial that nobody has heard of since then. */
export const listLost = statement((db, p: { before: string }) =>
  db
    .selectFrom('plan_outcome')
    .leftJoin('onboarding_progress', (join) =>
      join
        .onRef('onboarding_progress.device_id', '=', 'plan_outcome.device_id')
        .onRef('onboarding_progress.run_id', '=', 'plan_outcome.run_id'),
    )
    .select(['plan_outcome.device_id', 'plan_outcome.run_id'])
    .where('plan_outcome.outcome', 'is', null)
    .where('plan_outcome.started_at', '<', p.before)
    .where((eb) =>
      eb.or([
        eb('onboarding_progress.updated_at', 'is', null),
        eb('onboarding_progress.updated_at', '<', p.before),
      ]),
    )
    .limit(1000),
)

export interface OutcomeCounts {
  readonly onboarded: number
  readonly failed: number
  readonly running: number
}

const countedBy = statement((db, p: VersionName) =>
  db
    .selectFrom('plan_outcome')
    .select(({ fn }) => ['outcome', fn.countAll().as('devices')])
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where('version', '=', p.version)
    .groupBy('outcome'),
)

/** Devices, not runs: one that fails again and again counts once. */
export async function countOutcomes(db: Executor, version: VersionName): Promise<OutcomeCounts> {
  const rows = await countedBy.all(db, version)
  const of = (outcome: string | null) =>
    Number(rows.find((row) => row.outcome === outcome)?.devices ?? 0)
  return { onboarded: of('onboarded'), failed: of('failed'), running: of(null) }
}

/** Begins to count anew. */
export const forgetOutcomes = statement((db, p: VersionName) =>
  db
    .deleteFrom('plan_outcome')
    .where('party', '=', p.party)
    .where('name', '=', p.name)
    .where('version', '=', p.version),
)

export const listTrials = statement((db, _: object) =>
  db.selectFrom('plan').select(['party', 'name', 'trial']).where('trial_state', '=', 'rolling'),
)

/** Of versions that are not on trial any more. */
export const dropStaleOutcomes = statement((db, _: object) =>
  db
    .deleteFrom('plan_outcome')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('plan')
            .select('plan.name')
            .whereRef('plan.party', '=', 'plan_outcome.party')
            .whereRef('plan.name', '=', 'plan_outcome.name')
            .whereRef('plan.trial', '=', 'plan_outcome.version'),
        ),
      ),
    ),
)

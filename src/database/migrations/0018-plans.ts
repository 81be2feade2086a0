/** Plans keep their versions and are tried before they hold; how far a run has got can be seen. */
import { type Kysely, type Migration, sql } from 'kysely'

export const plans: Migration = {
  async up(db: Kysely<unknown>) {
    const { schema } = db
    await schema.alterTable('plan').addColumn('stable', 'integer').execute()
    await schema.alterTable('plan').addColumn('trial', 'integer').execute()
    await schema.alterTable('plan').addColumn('trial_state', 'text').execute()
    await schema
      .alterTable('plan')
      .addColumn('share', 'integer', (column) => column.notNull().defaultTo(100))
      .execute()
    await schema
      .createTable('plan_version')
      .addColumn('party', 'text', (column) => column.notNull())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('version', 'integer', (column) => column.notNull())
      .addColumn('document', 'text', (column) => column.notNull())
      .addColumn('created_at', 'text', (column) => column.notNull())
      .addColumn('created_by', 'text', (column) => column.notNull())
      .addColumn('approved_at', 'text')
      .addColumn('approved_by', 'text')
      .addPrimaryKeyConstraint('plan_version_once', ['party', 'name', 'version'])
      .execute()
    await trials(db)
    await progress(db)
    // What broken-off runs have left is found by it.
    await schema
      .createIndex('certificate_pending')
      .on('certificate')
      .column('created_at')
      .where(sql.ref('status'), '=', sql.lit('pending'))
      .execute()
    // What was in force stays so.
    await sql`
      insert into plan_version (party, name, version, document, created_at, created_by)
      select party, name, version, document, updated_at, 'unknown' from plan
    `.execute(db)
    await sql`update plan set stable = version`.execute(db)
  },
}

async function trials({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('plan_outcome')
    .addColumn('party', 'text', (column) => column.notNull())
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('version', 'integer', (column) => column.notNull())
    .addColumn('device_id', 'text', (column) => column.notNull())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('outcome', 'text')
    .addColumn('started_at', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('plan_outcome_once', ['party', 'name', 'version', 'device_id'])
    .execute()
  await schema
    .createIndex('plan_outcome_device')
    .on('plan_outcome')
    .columns(['device_id', 'run_id'])
    .execute()
}

async function progress({ schema }: Kysely<unknown>): Promise<void> {
  await schema
    .createTable('onboarding_progress')
    .addColumn('device_id', 'text', (column) => column.primaryKey())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('message', 'integer', (column) => column.notNull())
    .addColumn('rounds', 'integer', (column) => column.notNull())
    .addColumn('received', 'bigint', (column) => column.notNull())
    .addColumn('step', 'text')
    .addColumn('module', 'text')
    .addColumn('done', 'bigint')
    .addColumn('total', 'bigint')
    .addColumn('updated_at', 'text', (column) => column.notNull())
    .execute()
  await schema
    .createIndex('onboarding_progress_at')
    .on('onboarding_progress')
    .column('updated_at')
    .execute()
  await schema
    .createTable('step_output')
    .addColumn('device_id', 'text', (column) => column.notNull())
    .addColumn('run_id', 'text', (column) => column.notNull())
    .addColumn('step', 'text', (column) => column.notNull())
    .addColumn('stream', 'text', (column) => column.notNull())
    .addColumn('head', 'blob', (column) => column.notNull())
    .addColumn('tail', 'blob', (column) => column.notNull())
    .addColumn('length', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('step_output_once', ['device_id', 'run_id', 'step', 'stream'])
    .execute()
}

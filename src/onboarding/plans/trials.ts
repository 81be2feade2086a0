/**
 * Versions on trial: how each device fares is written in the transaction that ends its run, so that a
 * process that dies counts nothing twice and forgets nothing. A run that just stops counts as failed.
 */
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import { type Executor, afterCommit } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import { type PlanDocument, type Rollout, rolloutOf } from './document.ts'
import * as store from './store.ts'
import type { OutcomeCounts, VersionName } from './store.ts'

export interface TrialServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'planStopped'>
}

interface RunName {
  readonly deviceId: string
  readonly runId: string
}

/** Longer than a session waits for its next message. */
const LOST_MS = 30 * 60_000
const SYSTEM = 'system'

export class Trials {
  readonly #services: TrialServices

  constructor(services: TrialServices) {
    this.#services = services
  }

  async started(tx: Executor, { deviceId, runId }: RunName, version: VersionName): Promise<void> {
    const started_at = this.#services.clock.now().toISOString()
    const run = { device_id: deviceId, run_id: runId, started_at }
    await store.startOutcome.run(tx, { ...version, ...run })
  }

  /** Nothing happens where the run was not part of a trial. */
  async ended(tx: Executor, run: RunName, outcome: 'onboarded' | 'failed'): Promise<void> {
    const { deviceId: device_id, runId: run_id } = run
    const versions = await store.endOutcome.all(tx, { device_id, run_id, outcome })
    if (outcome === 'onboarded') return
    for (const version of versions) await this.#stopIfDue(tx, version)
  }

  /** From time to time: gives up on runs that just stopped, and lets what has proven itself hold. */
  async sweep(): Promise<void> {
    const { database, clock } = this.#services
    const before = new Date(clock.now().getTime() - LOST_MS).toISOString()
    for (const { device_id: deviceId, run_id: runId } of await store.listLost.all(database.db, {
      before,
    })) {
      await database.commit((tx) => this.ended(tx, { deviceId, runId }, 'failed'))
    }
    for (const { party, name, trial } of await store.listTrials.all(database.db, {})) {
      if (trial === null) continue
      const version = { party, name, version: trial }
      await database.commit(async (tx) => {
        await this.#stopIfDue(tx, version)
        await this.#holdIfDue(tx, version)
      })
    }
    await store.dropStaleOutcomes.run(database.db, {})
  }

  async #stopIfDue(tx: Executor, version: VersionName): Promise<void> {
    const trial = await findTrial(tx, version)
    if (!trial || !isTooMany(trial.counts, trial.rollout)) return
    const { audit, events } = this.#services
    const { share, counts } = trial
    const move = { ...version, from: 'rolling', to: 'stopped', share } as const
    // Another has seen it, too.
    if ((await store.moveTrial.run(tx, move)) === 0) return
    const { party, name: plan } = version
    const { failed, onboarded } = counts
    await audit.append(tx, {
      ...{ party, type: 'plan-stopped', by: SYSTEM, subject: { id: plan } },
      detail: { name: plan, version: version.version, share, failed, onboarded },
    })
    const stopped = { party, plan, version: version.version, failed, onboarded }
    afterCommit(tx, () => events.planStopped(stopped))
  }

  async #holdIfDue(tx: Executor, version: VersionName): Promise<void> {
    const trial = await findTrial(tx, version)
    if (!trial || trial.share < 100) return
    const { counts, rollout, document } = trial
    if (counts.failed + counts.onboarded < rollout.watch) return
    if ((await store.settleTrial.run(tx, { ...version, document })) === 0) return
    await this.#services.audit.append(tx, {
      ...{ party: version.party, type: 'plan-settled', by: SYSTEM, subject: { id: version.name } },
      detail: { name: version.name, version: version.version },
    })
  }
}

/** Undefined where this version is not on trial, or has been stopped. */
async function findTrial(tx: Executor, version: VersionName) {
  const head = await store.findPlan.first(tx, version)
  if (head?.trial !== version.version || head.trial_state !== 'rolling') return undefined
  const row = await store.findVersion.first(tx, version)
  const rollout = row && rolloutOf(JSON.parse(row.document) as PlanDocument)
  if (!rollout) return undefined
  const counts = await store.countOutcomes(tx, version)
  return { share: head.share, document: row.document, rollout, counts }
}

function isTooMany({ failed, onboarded }: OutcomeCounts, rollout: Rollout): boolean {
  const { max_failed, max_failed_percent } = rollout
  return failed >= max_failed && failed * 100 >= max_failed_percent * (failed + onboarded)
}

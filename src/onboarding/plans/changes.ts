/** What becomes of a plan when somebody changes it: within one transaction, with its audit entry. */
import type { AuditLog } from '../../audit/log.ts'
import type { EntryType } from '../../audit/types.ts'
import { mayBeSame } from '../../callers/operator.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import { Problem } from '../../http/problem.ts'
import { type PlanDocument, digestOf, rolloutOf, runsPrograms } from './document.ts'
import { ambiguityOf } from './rules.ts'
import * as store from './store.ts'
import type { PlanName, PlanRow, VersionName, VersionRow } from './store.ts'

export interface Put extends PlanName {
  readonly document: PlanDocument
  /** Who changes it. */
  readonly by: string
  /** Only if that is the version there is. */
  readonly before?: number | undefined
}

export interface Approval extends VersionName {
  readonly by: string
  /** Of the very document that was looked at. */
  readonly digest: string
  /** To begin with, in place of what the plan says. */
  readonly share?: number | undefined
}

export interface RolloutChange extends PlanName {
  readonly by: string
  readonly share?: number | undefined
  readonly state?: 'rolling' | 'stopped' | undefined
}

interface ChangeServices {
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
}

export class PlanChanges {
  readonly #tx: Executor
  readonly #services: ChangeServices

  constructor(tx: Executor, services: ChangeServices) {
    this.#tx = tx
    this.#services = services
  }

  /** Gives the number of the new version. */
  async put({ party, name, document, before, by }: Put): Promise<number> {
    const head = await store.findPlan.first(this.#tx, { party, name })
    const current = head?.version ?? 0
    if (before !== undefined && before !== current) {
      throw new Problem('conflict', `the plan ${name} is at version ${current} by now`)
    }
    await this.#refuseAmbiguity({ party, name }, document)
    // Goes on from where a plan of this name was that has been removed.
    const last = await store.findLastVersion.first(this.#tx, { party, name })
    const version = Number(last?.version ?? 0) + 1
    const at = this.#now()
    const text = JSON.stringify(document)
    const made = { party, name, version, document: text, created_at: at, created_by: by }
    await store.insertVersion.run(this.#tx, { ...made, approved_at: null, approved_by: null })
    const next = headAfter(head, { party, name, version, document, text, at })
    if (head) await this.#update({ ...next, before: head.version })
    else await store.insertPlan.run(this.#tx, next)
    const needs_approval = runsPrograms(document)
    await this.#tell(
      'plan-changed',
      { party, name, by },
      {
        ...{ version, digest: digestOf(text), needs_approval },
      },
    )
    return version
  }

  async approve({ share: asked, digest, by, ...version }: Approval): Promise<void> {
    const { party, name } = version
    const head = await store.findPlan.first(this.#tx, { party, name })
    const row = head && (await store.findVersion.first(this.#tx, version))
    if (!head || !row) throw noVersion(version)
    refuseApproval(head, row, { by, digest })
    const at = this.#now()
    await store.approveVersion.run(this.#tx, { ...version, at, by })
    const rollout = rolloutOf(JSON.parse(row.document) as PlanDocument)
    const share = asked ?? rollout?.share ?? 100
    const next = { ...head, trial: row.version, trial_state: 'rolling' as const, share }
    await this.#update({ ...next, updated_at: at, before: head.version })
    await this.#tell(
      'plan-approved',
      { party, name, by },
      {
        ...{ version: row.version, digest, author: row.created_by, share },
      },
    )
  }

  async changeRollout({ party, name, by, ...change }: RolloutChange) {
    const head = await store.findPlan.first(this.#tx, { party, name })
    if (!head) throw noPlan(name)
    const { trial, trial_state: from } = head
    if (trial === null || from === null) {
      throw new Problem('conflict', `no version of ${name} is on trial`)
    }
    const version = { party, name, version: trial }
    const state = change.state ?? from
    const share = change.share ?? head.share
    if ((await store.moveTrial.run(this.#tx, { ...version, from, to: state, share })) === 0) {
      throw overtaken(name)
    }
    // What has failed led to the stop, and is not counted twice.
    if (from === 'stopped' && state === 'rolling') {
      await store.forgetOutcomes.run(this.#tx, version)
    }
    const moved = { version: trial, share, state }
    const isStopped = from === 'rolling' && state === 'stopped'
    await this.#tell(
      isStopped ? 'plan-stopped' : 'plan-rollout-changed',
      { party, name, by },
      moved,
    )
    return moved
  }

  async remove({ party, name, by }: PlanName & { readonly by: string }): Promise<void> {
    if ((await store.deletePlan.run(this.#tx, { party, name })) === 0) throw noPlan(name)
    await this.#tell('plan-removed', { party, name, by }, {})
  }

  async #update(next: Parameters<typeof store.updatePlan.run>[1]): Promise<void> {
    if ((await store.updatePlan.run(this.#tx, next)) === 0) throw overtaken(next.name)
  }

  /** Two plans for one device, and nothing that says which goes first. */
  async #refuseAmbiguity({ party, name }: PlanName, document: PlanDocument): Promise<void> {
    for (const other of await store.listLatest.all(this.#tx, { party })) {
      if (other.name === name) continue
      const shared = ambiguityOf(document, JSON.parse(other.document) as PlanDocument)
      if (shared === undefined) continue
      throw new Problem(
        'conflict',
        `the plan ${other.name} is for ${shared} already: give one of them a priority`,
      )
    }
  }

  async #tell(
    type: EntryType,
    { party, name, by }: PlanName & { readonly by: string },
    detail: Readonly<Record<string, string | number | boolean>>,
  ): Promise<void> {
    const entry = { party, type, by, subject: { id: name }, detail: { name, ...detail } }
    await this.#services.audit.append(this.#tx, entry)
  }

  #now(): string {
    return this.#services.clock.now().toISOString()
  }
}

interface Made extends VersionName {
  readonly document: PlanDocument
  readonly text: string
  readonly at: string
}

/** What holds once a version is put: it, or what did before, as long as it awaits approval. */
function headAfter(head: PlanRow | undefined, made: Made): PlanRow {
  const { party, name, version, document, text, at } = made
  const before = head ?? {
    ...{ party, name, created_at: at, document: JSON.stringify({ steps: [] }) },
    ...{ stable: null, trial: null, trial_state: null, share: 100 },
  }
  const next = { ...before, version, updated_at: at }
  if (runsPrograms(document)) return next
  const rollout = rolloutOf(document)
  if (rollout) return { ...next, trial: version, trial_state: 'rolling', share: rollout.share }
  return { ...next, document: text, stable: version, trial: null, trial_state: null, share: 100 }
}

function refuseApproval(
  head: PlanRow,
  row: VersionRow,
  { by, digest }: Pick<Approval, 'by' | 'digest'>,
): void {
  const what = `version ${row.version} of ${row.name}`
  if (!runsPrograms(JSON.parse(row.document) as PlanDocument)) {
    throw new Problem('conflict', `${what} runs no programs, and needs no approval`)
  }
  if (row.approved_at !== null) throw new Problem('conflict', `${what} is approved already`)
  if (row.version !== head.version) {
    throw new Problem('conflict', `${what} is not the latest: that is version ${head.version}`)
  }
  if (mayBeSame(row.created_by, by)) {
    throw new Problem('not-permitted', `${what} is your own: somebody else has to approve it`)
  }
  if (digestOf(row.document) !== digest) {
    throw new Problem('conflict', `${what} has another digest: look at it once more`)
  }
}

/** By another process, between reading and writing. */
function overtaken(name: string): Problem {
  return new Problem('conflict', `the plan ${name} has been changed meanwhile`)
}

export function noPlan(name: string): Problem {
  return new Problem('not-found', `there is no plan ${name}`)
}

export function noVersion({ name, version }: VersionName): Problem {
  return new Problem('not-found', `${name} has no version ${version}`)
}

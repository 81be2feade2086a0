/** The plans there are, how they change, and which of them a device gets. */
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import type { Events } from '../../events.ts'
import { Problem } from '../../http/problem.ts'
import type { DeviceTokens } from '../../tokens/device-tokens.ts'
import type { Content, Contents } from '../content.ts'
import {
  type Approval,
  PlanChanges,
  type Put,
  type RolloutChange,
  noPlan,
  noVersion,
} from './changes.ts'
import { DEFAULT_PLAN, type FileStep, type PlanDocument, inlineBytes } from './document.ts'
import { Library } from './library.ts'
import type { DeviceFacts } from './rules.ts'
import { BUILT_IN, type Choice, type Plan, type Verdict } from './shelf.ts'
import * as store from './store.ts'
import type { PlanName, PlanRow, VersionName, VersionRow } from './store.ts'

export interface PlanServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Events
  readonly contents: Contents
  readonly deviceTokens: Pick<DeviceTokens, 'audience'>
}

/** A plan as its administrator sees it: how it was put last, and what of it holds. */
export interface PlanStatus {
  /** Undefined for the built-in one. */
  readonly head: PlanRow | undefined
  readonly latest: VersionRow | undefined
  readonly document: PlanDocument
}

/** The device, as far as it is known before it has been looked up. */
export interface Asking {
  readonly party: string | undefined
  readonly devmod?: Devmod | undefined
  /** Asked only where the party has a plan. */
  facts(): Promise<DeviceFacts>
}

export class Plans {
  readonly #services: PlanServices
  readonly #library: Library

  constructor(services: PlanServices) {
    this.#services = services
    this.#library = new Library(services, (party, document) => this.#contentsOf(party, document))
  }

  /** Looked up anew for each device: a plan may be changed while devices come in. */
  async choose({ party, devmod, facts }: Asking): Promise<Choice> {
    const shelves = await this.#library.shelves()
    const isPlain = shelves.size === 0 || (party !== undefined && !shelves.has(party))
    if (isPlain) return { plan: BUILT_IN, isTrial: false }
    const device = await facts()
    return shelves.get(device.party)?.choose(device, devmod) ?? { plan: BUILT_IN, isTrial: false }
  }

  async explain(device: DeviceFacts, devmod: Devmod | undefined): Promise<readonly Verdict[]> {
    return (await this.#library.shelf(device.party)).explain(device, devmod)
  }

  /**
   * Whether some version is being tried: of this party, or of any where it is not known. True, too,
   * where it would have to be looked up: it is asked within transactions.
   */
  mayHaveTrials(party: string | undefined): boolean {
    return this.#library.mayHaveTrials(party)
  }

  async list(party: string): Promise<readonly PlanStatus[]> {
    const heads = (await this.#library.heads()).filter((head) => head.party === party)
    const found = await Promise.all(heads.map(({ name }) => this.find(party, name)))
    const all = heads.some(({ name }) => name === DEFAULT_PLAN) ? found : [...found, BUILT_IN_ONE]
    return all.toSorted((a, b) => (planNameOf(a) < planNameOf(b) ? -1 : 1))
  }

  /** Throws not-found. */
  async find(party: string, name: string): Promise<PlanStatus> {
    const { db } = this.#services.database
    const head = await store.findPlan.first(db, { party, name })
    if (!head && name === DEFAULT_PLAN) return BUILT_IN_ONE
    const version = head?.version ?? 0
    const latest = head && (await store.findVersion.first(db, { party, name, version }))
    if (!head || !latest) throw noPlan(name)
    return { head, latest, document: JSON.parse(latest.document) as PlanDocument }
  }

  /** Throws not-found. Versions stay when their plan is removed. */
  async findVersion(version: VersionName): Promise<VersionRow> {
    const found = await store.findVersion.first(this.#services.database.db, version)
    if (!found) throw noVersion(version)
    return found
  }

  async findPlan(version: VersionName): Promise<Plan> {
    return this.#library.planOf(await this.findVersion(version))
  }

  /** A plan that nobody has put: for a look at what it would do. Nothing of it is kept. */
  async draft(party: string, document: PlanDocument): Promise<Plan> {
    this.#requireAudiences(document)
    for (const [index, step] of document.steps.entries()) {
      if (step.type !== 'file' || step.content.ref === undefined) continue
      if (!(await this.#services.contents.find(party, step.content.ref))) throw noContent(index)
    }
    return { name: 'draft', version: 0, document, contents: new Map() }
  }

  async versions(page: Parameters<typeof store.listVersions>[1]): Promise<VersionRow[]> {
    return store.listVersions(this.#services.database.db, page)
  }

  /** Makes a plan, or its next version. */
  async put(wanted: Put): Promise<PlanStatus> {
    const { party, name, document, by } = wanted
    this.#requireAudiences(document)
    this.#requireContents(document, await this.#contentsOf(party, document))
    const version = await this.#commit((changes) => changes.put(wanted))
    this.#services.events.planChanged({ party, plan: name, version, by })
    return this.find(party, name)
  }

  /** By somebody else than who wrote it, for the very bytes that were looked at. */
  async approve(approval: Approval): Promise<PlanStatus> {
    const { party, name, version, by } = approval
    await this.#commit((changes) => changes.approve(approval))
    this.#services.events.planApproved({ party, plan: name, version, by })
    return this.find(party, name)
  }

  /** Raises or lowers the share of a trial, stops it, or lets one that was stopped go on. */
  async changeRollout(change: RolloutChange): Promise<void> {
    const { party, name: plan, by } = change
    const moved = await this.#commit((changes) => changes.changeRollout(change))
    this.#services.events.planRolloutChanged({ party, plan, ...moved, by })
  }

  /** Throws not-found. The default plan falls back to the built-in one. */
  async remove(plan: PlanName & { readonly by: string }): Promise<void> {
    await this.#commit((changes) => changes.remove(plan))
    const { party, name, by } = plan
    this.#services.events.planRemoved({ party, plan: name, by })
  }

  #commit<T>(change: (changes: PlanChanges) => Promise<T>): Promise<T> {
    const { database } = this.#services
    const all = (tx: Executor) => change(new PlanChanges(tx, this.#services))
    return database.commit(all, { durable: true })
  }

  /** Whether some plan of the party sends this content, or may yet. */
  async isInUse(party: string, sha384: string): Promise<boolean> {
    const rows = await store.listLatest.all(this.#services.database.db, { party })
    for (const { document } of rows) {
      const contents = await this.#contentsOf(party, JSON.parse(document) as PlanDocument)
      if ([...contents.values()].some((content) => content.sha384 === sha384)) return true
    }
    return false
  }

  /** What is written into the plan is put with all other contents, where devices are sent it from. */
  async #contentsOf(party: string, { steps }: PlanDocument): Promise<ReadonlyMap<number, Content>> {
    const found = new Map<number, Content>()
    for (const [index, step] of steps.entries()) {
      if (step.type !== 'file' || isFilledIn(step)) continue
      const inline = inlineBytes(step.content)
      const { contents } = this.#services
      const content = inline
        ? await contents.put(party, inline)
        : await contents.find(party, step.content.ref ?? '')
      // Gone since: its step fails, the other plans go on.
      if (content) found.set(index, content)
    }
    return found
  }

  /** Of its tokens, as this service is reached now: told from its addresses. */
  #requireAudiences({ steps }: PlanDocument): void {
    const ours = this.#services.deviceTokens.audience()
    for (const [index, step] of steps.entries()) {
      if (step.type !== 'token' || step.audience === undefined || step.audience === ours) continue
      const known =
        ours === undefined ? 'without HTTPS there is no API for devices' : `only ${ours}`
      throw new Problem(
        'invalid-request',
        `steps.${index}.audience: there is no such API: ${known}`,
      )
    }
  }

  #requireContents({ steps }: PlanDocument, contents: ReadonlyMap<number, Content>): void {
    for (const [index, step] of steps.entries()) {
      if (step.type === 'file' && !contents.has(index) && !isFilledIn(step)) throw noContent(index)
    }
  }
}

/** Each device gets its own. */
function isFilledIn({ template, content }: FileStep): boolean {
  return template === true && content.text !== undefined
}

function noContent(index: number): Problem {
  return new Problem('invalid-request', `steps.${index}.content: there is no such content`)
}

const BUILT_IN_ONE: PlanStatus = {
  head: undefined,
  latest: undefined,
  document: BUILT_IN.document,
}

function planNameOf({ head }: PlanStatus): string {
  return head?.name ?? DEFAULT_PLAN
}

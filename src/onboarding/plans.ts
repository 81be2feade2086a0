/** The plans there are, and which of them a device gets: its own, its group's, its model's, or the default. */
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { Problem } from '../http/problem.ts'
import type { Content, ContentStore } from './content.ts'
import {
  type Audience,
  BUILT_IN_PLAN,
  DEFAULT_PLAN,
  type PlanDocument,
  inlineBytes,
} from './plan.ts'
import * as store from './store.ts'
import type { PlanRow } from './store.ts'

export interface PlanServices {
  readonly database: Database
  readonly clock: Clock
  readonly contents: ContentStore
}

/** A plan as it stands; version 0 is the built-in one. */
export interface Plan {
  readonly name: string
  readonly version: number
  readonly document: PlanDocument
  readonly createdAt: string | null
  readonly updatedAt: string | null
  /** Of its file steps, by their place. */
  readonly contents: ReadonlyMap<number, Content>
}

/** What a plan is chosen by, beside the device's id. */
export interface Chosen {
  readonly group: string
  readonly model: string
}

const NOBODY: Chosen = { group: '', model: '' }
const AUDIENCES = ['devices', 'groups', 'models'] as const
type Kind = (typeof AUDIENCES)[number]

interface Shelf {
  readonly plans: ReadonlyMap<string, Plan>
  readonly by: Readonly<Record<Kind, ReadonlyMap<string, Plan>>>
  /** See Database.changesOf. */
  readonly readAt: number
}

export class Plans {
  readonly #services: PlanServices
  #shelf: Shelf | undefined

  constructor(services: PlanServices) {
    this.#services = services
  }

  /**
   * Looked up anew for each device: a plan may be changed while devices come in. `about` is asked
   * only where some plan is for a group or a model.
   */
  async choose(id: string, about: (id: string) => Promise<Chosen>): Promise<Plan> {
    const { by, plans } = await this.#current()
    const own = by.devices.get(id)
    if (own) return own
    const { group, model } = by.groups.size + by.models.size > 0 ? await about(id) : NOBODY
    return by.groups.get(group) ?? by.models.get(model) ?? plans.get(DEFAULT_PLAN) ?? BUILT_IN
  }

  async list(): Promise<readonly Plan[]> {
    const { plans } = await this.#current()
    const all = plans.has(DEFAULT_PLAN) ? [...plans.values()] : [...plans.values(), BUILT_IN]
    return all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Throws not-found. */
  async find(name: string): Promise<Plan> {
    const { plans } = await this.#current()
    const plan = plans.get(name) ?? (name === DEFAULT_PLAN ? BUILT_IN : undefined)
    if (!plan) throw noPlan(name)
    return plan
  }

  /** Makes a plan, or its next version. `before`: only if that is the version there is. */
  async put(name: string, document: PlanDocument, before?: number): Promise<Plan> {
    const contents = await this.#contentsOf(document)
    for (const [index, step] of document.steps.entries()) {
      if (step.type !== 'file' || contents.has(index)) continue
      throw new Problem('invalid-request', `steps.${index}.content: there is no such content`)
    }
    const { database } = this.#services
    await database.commit((tx) => this.#store(tx, name, document, before), { durable: true })
    return this.find(name)
  }

  async #store(
    tx: Executor,
    name: string,
    document: PlanDocument,
    before: number | undefined,
  ): Promise<void> {
    const row = await store.findPlan.first(tx, { name })
    const version = row?.version ?? 0
    if (before !== undefined && before !== version) {
      throw new Problem('conflict', `the plan ${name} is at version ${version} by now`)
    }
    const others = (await store.listPlans.all(tx, {})).filter((other) => other.name !== name)
    refuseOverlap(document, others)
    const at = this.#services.clock.now().toISOString()
    const next = { name, document: JSON.stringify(document), version: version + 1 }
    if (row) await store.updatePlan.run(tx, { ...next, before: version, at })
    else await store.insertPlan.run(tx, { ...next, created_at: at, updated_at: at })
  }

  /** Throws not-found. The default plan falls back to the built-in one. */
  async remove(name: string): Promise<void> {
    const { database } = this.#services
    const removed = await database.commit((tx) => store.deletePlan.run(tx, { name }), {
      durable: true,
    })
    if (removed === 0) throw noPlan(name)
  }

  /** Whether some plan sends this content. */
  async isInUse(ref: string): Promise<boolean> {
    const { plans } = await this.#current()
    const used = [...plans.values()].flatMap(({ contents }) => [...contents.values()])
    return used.some((content) => content.ref === ref)
  }

  async #current(): Promise<Shelf> {
    const { database } = this.#services
    const readAt = database.changesOf('plan')
    if (this.#shelf?.readAt === readAt) return this.#shelf
    const rows = await store.listPlans.all(database.db, {})
    const plans = await Promise.all(rows.map((row) => this.#planOf(row)))
    return (this.#shelf = shelve(plans, readAt))
  }

  async #planOf(row: PlanRow): Promise<Plan> {
    // Written here, and checked before it was.
    const document = JSON.parse(row.document) as PlanDocument
    return {
      name: row.name,
      version: row.version,
      document,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      contents: await this.#contentsOf(document),
    }
  }

  /** What is written into the plan is put with all other contents, where devices are sent it from. */
  async #contentsOf({ steps }: PlanDocument): Promise<ReadonlyMap<number, Content>> {
    const found = new Map<number, Content>()
    for (const [index, step] of steps.entries()) {
      if (step.type !== 'file') continue
      const inline = inlineBytes(step.content)
      const { contents } = this.#services
      const content = inline
        ? await contents.put(inline)
        : await contents.find(step.content.ref ?? '')
      // Gone since: its step fails, the other plans go on.
      if (content) found.set(index, content)
    }
    return found
  }
}

const BUILT_IN: Plan = {
  name: DEFAULT_PLAN,
  version: 0,
  document: BUILT_IN_PLAN,
  createdAt: null,
  updatedAt: null,
  contents: new Map(),
}

function shelve(plans: readonly Plan[], readAt: number): Shelf {
  const by = (kind: Kind) =>
    new Map(
      plans.flatMap((plan) =>
        (plan.document.applies_to?.[kind] ?? []).map((name) => [name, plan] as const),
      ),
    )
  return {
    readAt,
    plans: new Map(plans.map((plan) => [plan.name, plan])),
    by: { devices: by('devices'), groups: by('groups'), models: by('models') },
  }
}

/** Two plans for one device, group or model: nobody could tell which it gets. */
function refuseOverlap({ applies_to }: PlanDocument, others: readonly PlanRow[]): void {
  for (const { name, document } of others) {
    const theirs = (JSON.parse(document) as { applies_to?: Audience }).applies_to
    for (const kind of AUDIENCES) {
      const shared = applies_to?.[kind]?.find((one) => theirs?.[kind]?.includes(one))
      if (shared === undefined) continue
      throw new Problem('conflict', `applies_to.${kind}: the plan ${name} is for ${shared} already`)
    }
  }
}

function noPlan(name: string): Problem {
  return new Problem('not-found', `there is no plan ${name}`)
}

/** The plans there are, and which of them a device gets: its own, its group's, its model's, or the default. */
import type { AuditLog } from '../audit/log.ts'
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
  readonly audit: Pick<AuditLog, 'append'>
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
  readonly party: string
  readonly group: string
  readonly model: string
}

const AUDIENCES = ['devices', 'groups', 'models'] as const
type Kind = (typeof AUDIENCES)[number]

/** The plans of one party. */
interface Shelf {
  readonly plans: ReadonlyMap<string, Plan>
  readonly by: Readonly<Record<Kind, ReadonlyMap<string, Plan>>>
}

const EMPTY_SHELF = shelve([])

export class Plans {
  readonly #services: PlanServices
  #shelves: ReadonlyMap<string, Shelf> = new Map()
  /** See Database.changesOf. */
  #readAt = -1

  constructor(services: PlanServices) {
    this.#services = services
  }

  /**
   * Looked up anew for each device: a plan may be changed while devices come in. `about` is asked
   * only where there is a plan beside the built-in one.
   */
  async choose(id: string, about: (id: string) => Promise<Chosen>): Promise<Plan> {
    const shelves = await this.#current()
    if (shelves.size === 0) return BUILT_IN
    const { party, group, model } = await about(id)
    const { by, plans } = shelves.get(party) ?? EMPTY_SHELF
    const named = by.devices.get(id) ?? by.groups.get(group) ?? by.models.get(model)
    return named ?? plans.get(DEFAULT_PLAN) ?? BUILT_IN
  }

  async list(party: string): Promise<readonly Plan[]> {
    const { plans } = await this.#shelfOf(party)
    const all = plans.has(DEFAULT_PLAN) ? [...plans.values()] : [...plans.values(), BUILT_IN]
    return all.toSorted((a, b) => (a.name < b.name ? -1 : 1))
  }

  /** Throws not-found. */
  async find(party: string, name: string): Promise<Plan> {
    const { plans } = await this.#shelfOf(party)
    const plan = plans.get(name) ?? (name === DEFAULT_PLAN ? BUILT_IN : undefined)
    if (!plan) throw noPlan(name)
    return plan
  }

  /** Makes a plan, or its next version. `before`: only if that is the version there is. */
  async put(
    { party, name, by }: Pick<WantedPlan, 'party' | 'name' | 'by'>,
    document: PlanDocument,
    before?: number,
  ): Promise<Plan> {
    const contents = await this.#contentsOf(party, document)
    for (const [index, step] of document.steps.entries()) {
      if (step.type !== 'file' || contents.has(index)) continue
      throw new Problem('invalid-request', `steps.${index}.content: there is no such content`)
    }
    const { database } = this.#services
    const wanted = { party, name, by, document, before }
    await database.commit((tx) => this.#store(tx, wanted), { durable: true })
    return this.find(party, name)
  }

  async #store(tx: Executor, { party, name, by, document, before }: WantedPlan): Promise<void> {
    const row = await store.findPlan.first(tx, { party, name })
    const version = row?.version ?? 0
    if (before !== undefined && before !== version) {
      throw new Problem('conflict', `the plan ${name} is at version ${version} by now`)
    }
    const others = (await store.listPlans.all(tx, { party })).filter((one) => one.name !== name)
    refuseOverlap(document, others)
    const at = this.#services.clock.now().toISOString()
    const next = { party, name, document: JSON.stringify(document), version: version + 1 }
    if (row) await store.updatePlan.run(tx, { ...next, before: version, at })
    else await store.insertPlan.run(tx, { ...next, created_at: at, updated_at: at })
    const about = { by, subject: { id: name }, detail: { version: next.version } }
    await this.#services.audit.append(tx, { party, type: 'plan-changed', ...about })
  }

  /** Throws not-found. The default plan falls back to the built-in one. */
  async remove(party: string, name: string, by: string): Promise<void> {
    const { database, audit } = this.#services
    const remove = async (tx: Executor) => {
      if ((await store.deletePlan.run(tx, { party, name })) === 0) throw noPlan(name)
      await audit.append(tx, { party, type: 'plan-removed', by, subject: { id: name } })
    }
    await database.commit(remove, { durable: true })
  }

  /** Whether some plan of the party sends this content. */
  async isInUse(party: string, sha384: string): Promise<boolean> {
    const { plans } = await this.#shelfOf(party)
    const used = [...plans.values()].flatMap(({ contents }) => [...contents.values()])
    return used.some((content) => content.sha384 === sha384)
  }

  async #shelfOf(party: string): Promise<Shelf> {
    return (await this.#current()).get(party) ?? EMPTY_SHELF
  }

  async #current(): Promise<ReadonlyMap<string, Shelf>> {
    const { database } = this.#services
    const readAt = database.changesOf('plan')
    if (this.#readAt === readAt) return this.#shelves
    const shelves = new Map<string, Plan[]>()
    for (const row of await store.listAllPlans.all(database.db, {})) {
      const plan = await this.#planOf(row)
      shelves.set(row.party, [...(shelves.get(row.party) ?? []), plan])
    }
    this.#shelves = new Map([...shelves].map(([party, plans]) => [party, shelve(plans)]))
    this.#readAt = readAt
    return this.#shelves
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
      contents: await this.#contentsOf(row.party, document),
    }
  }

  /** What is written into the plan is put with all other contents, where devices are sent it from. */
  async #contentsOf(party: string, { steps }: PlanDocument): Promise<ReadonlyMap<number, Content>> {
    const found = new Map<number, Content>()
    for (const [index, step] of steps.entries()) {
      if (step.type !== 'file') continue
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
}

const BUILT_IN: Plan = {
  name: DEFAULT_PLAN,
  version: 0,
  document: BUILT_IN_PLAN,
  createdAt: null,
  updatedAt: null,
  contents: new Map(),
}

interface WantedPlan extends Pick<PlanRow, 'party' | 'name'> {
  /** Who wants it. */
  readonly by: string
  readonly document: PlanDocument
  readonly before: number | undefined
}

function shelve(plans: readonly Plan[]): Shelf {
  const by = (kind: Kind) =>
    new Map(
      plans.flatMap((plan) =>
        (plan.document.applies_to?.[kind] ?? []).map((name) => [name, plan] as const),
      ),
    )
  return {
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

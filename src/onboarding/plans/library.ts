/** Plans in memory: read again only where some have changed, and no version twice. */
import type { Database } from '../../database/open.ts'
import type { Content } from '../content.ts'
import type { PlanDocument } from './document.ts'
import { type HeldPlan, type Plan, Shelf } from './shelf.ts'
import { type Head, findVersion, listHeads } from './store.ts'

type ContentsOf = (party: string, document: PlanDocument) => Promise<ReadonlyMap<number, Content>>

const EMPTY_SHELF = new Shelf([])

export class Library {
  readonly #database: Database
  readonly #contentsOf: ContentsOf
  #shelves: ReadonlyMap<string, Shelf> = new Map()
  #heads: readonly Head[] = []
  /** Versions never change. */
  #plans = new Map<string, Plan>()
  /** See Database.changesOf. */
  #readAt = -1

  constructor({ database }: { readonly database: Database }, contentsOf: ContentsOf) {
    this.#database = database
    this.#contentsOf = contentsOf
  }

  /** Of the parties that have plans. */
  async shelves(): Promise<ReadonlyMap<string, Shelf>> {
    const readAt = this.#database.changesOf('plan')
    if (this.#readAt === readAt) return this.#shelves
    const heads = await listHeads.all(this.#database.db, {})
    const held = new Map<string, HeldPlan[]>()
    const plans = new Map<string, Plan>()
    for (const head of heads) {
      const one = {
        name: head.name,
        stable: await this.#versionOf(head, head.stable, plans),
        trial: await this.#versionOf(head, head.trial, plans),
        trialState: head.trial_state,
        share: head.share,
      }
      held.set(head.party, [...(held.get(head.party) ?? []), one])
    }
    this.#plans = plans
    this.#heads = heads
    this.#shelves = new Map([...held].map(([party, some]) => [party, new Shelf(some)]))
    this.#readAt = readAt
    return this.#shelves
  }

  mayHaveTrials(party: string | undefined): boolean {
    if (this.#readAt !== this.#database.changesOf('plan')) return true
    if (party !== undefined) return this.#shelves.get(party)?.hasTrials ?? false
    return [...this.#shelves.values()].some(({ hasTrials }) => hasTrials)
  }

  async shelf(party: string): Promise<Shelf> {
    return (await this.shelves()).get(party) ?? EMPTY_SHELF
  }

  async heads(): Promise<readonly Head[]> {
    await this.shelves()
    return this.#heads
  }

  async planOf(row: {
    readonly party: string
    readonly name: string
    readonly version: number
    readonly document: string
  }): Promise<Plan> {
    // Written here, and checked before it was.
    const document = JSON.parse(row.document) as PlanDocument
    const { name, version } = row
    return { name, version, document, contents: await this.#contentsOf(row.party, document) }
  }

  async #versionOf(
    { party, name }: Head,
    version: number | null,
    plans: Map<string, Plan>,
  ): Promise<Plan | undefined> {
    if (version === null) return undefined
    const key = `${party} ${name} ${version}`
    const known = this.#plans.get(key)
    const row = known ?? (await findVersion.first(this.#database.db, { party, name, version }))
    const plan = known ?? (row && 'party' in row ? await this.planOf(row) : undefined)
    if (plan) plans.set(key, plan)
    return plan
  }
}

/**
 * Hands over what rules are about, a slice at a time; what was refused waits, ever longer. A voucher
 * that has just come is looked at by its name: what that costs does not grow with what is held.
 */
import { Alarm } from '../../alarm.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Lease } from '../../leases/leases.ts'
import type { Log } from '../../log.ts'
import type { Receiver } from '../handover/receiver.ts'
import type { Handover, HandoverResult } from '../handover/service.ts'
import type { PartyPort } from '../ports.ts'
import * as store from './store.ts'
import type { RuleRow } from './store.ts'

export interface SweepServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly handover: Pick<Handover, 'hand'>
  readonly parties: Pick<PartyPort, 'isActive'>
  /** Of several processes one makes the rounds; without it this one. */
  readonly lease?: Pick<Lease, 'isHeld'> | undefined
  rules(): Promise<readonly RuleRow[]>
  /** Throws a Problem where there is none any more. */
  receiverOf(rule: RuleRow): Promise<Receiver>
}

const SLICE = 64
/** Names kept in memory for a party. */
const MOST_FRESH = 10_000
const LOOK_AROUND_MS = 60_000
const FIRST_PAUSE_MS = 60_000
const LONGEST_PAUSE_MS = 6 * 3_600_000
/** Who has not been tried by then is not there any more. */
const STALE_MS = 24 * 3_600_000

export class Sweep {
  readonly #services: SweepServices
  readonly #stopped = new AbortController()
  readonly #alarm: Alarm
  readonly #woken = new Set<string>()
  /** By party, the GUIDs of what has come. */
  #fresh = new Map<string, Set<string>>()
  #running: Promise<void> | undefined

  constructor(services: SweepServices) {
    this.#services = services
    this.#alarm = new Alarm(services.clock, this.#stopped.signal)
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  wake(party: string): void {
    this.#woken.add(party)
    this.#alarm.call()
  }

  /** May be called before the voucher is committed: what is not seen yet, a round finds. */
  wakeFor(party: string, guid: string): void {
    const fresh = this.#fresh.get(party) ?? new Set()
    this.#fresh.set(party, fresh.add(guid))
    // So many are looked for together.
    if (fresh.size > MOST_FRESH) {
      this.#fresh.delete(party)
      this.#woken.add(party)
    }
    this.#alarm.call()
  }

  /** Those who were woken at once; everybody each minute, for what other processes took in. */
  async #run(): Promise<void> {
    const { clock, log, lease } = this.#services
    const { signal } = this.#stopped
    let lookedAt = new Date(0)
    while (!signal.aborted) {
      this.#alarm.listen()
      const now = clock.now()
      const isTime = now.getTime() - lookedAt.getTime() >= LOOK_AROUND_MS
      const isRound = isTime && (lease?.isHeld ?? true)
      const parties = new Set(this.#woken)
      this.#woken.clear()
      const fresh = this.#fresh
      this.#fresh = new Map()
      if (isTime) lookedAt = now
      try {
        const isWhole = (party: string) => isRound || parties.has(party)
        await this.#apply(isWhole)
        for (const [party, guids] of fresh) {
          if (!isWhole(party)) await this.#applyTo(party, [...guids])
        }
        if (isRound) await this.#forget(now)
      } catch (err) {
        log.error({ err }, 'vouchers were not handed over by rules')
      }
      this.#alarm.set(new Date(lookedAt.getTime() + LOOK_AROUND_MS))
      await this.#alarm.wait()
    }
  }

  async #apply(isDue: (party: string) => boolean): Promise<void> {
    const rules = await this.#services.rules()
    for (const rule of rules) {
      if (!isDue(rule.party) || !(await this.#isAlive(rule))) continue
      const others = rules.filter(({ party, model }) => party === rule.party && model !== null)
      const noneOf = others.map(({ model }) => model ?? '')
      await this.#applyOne(rule, rule.model ?? { noneOf })
    }
  }

  /** What has come, by the rule that each is about. */
  async #applyTo(party: string, guids: readonly string[]): Promise<void> {
    const { database, rules } = this.#services
    const ours = (await rules()).filter((rule) => rule.party === party)
    if (ours.length === 0) return
    for (let i = 0; i < guids.length; i += SLICE) {
      const named = { party, guids: guids.slice(i, i + SLICE) }
      const due = new Map<RuleRow, string[]>()
      for (const { guid, model } of await store.listFresh(database.db, named)) {
        const rule = ruleFor(ours, model)
        if (rule) due.set(rule, [...(due.get(rule) ?? []), guid])
      }
      for (const [rule, some] of due) await this.#handFresh(rule, some)
    }
  }

  /** Who was refused before waits for its time, whatever is made anew of it. */
  async #handFresh(rule: RuleRow, guids: readonly string[]): Promise<void> {
    const { database, clock } = this.#services
    if (!(await this.#isAlive(rule))) return
    const now = clock.now().toISOString()
    const due: string[] = []
    for (const guid of guids) {
      const refusal = await store.findRefusal.first(database.db, { rule: rule.id, guid })
      if (!refusal || refusal.next_at <= now) due.push(guid)
    }
    const refused = (await this.#hand(rule, due)).filter(({ ok }) => !ok)
    await this.#remember(rule, refused)
    const error = refused.at(-1)?.detail
    if (error !== undefined) await this.#note(rule, error, now)
  }

  async #applyOne(rule: RuleRow, model: store.DueFilter['model']): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now().toISOString()
    let [after, error] = ['', null as string | null]
    while (await this.#isAlive(rule)) {
      const page = { rule: rule.id, party: rule.party, model, now, after, limit: SLICE }
      const guids = await store.listDue(database.db, page)
      if (guids.length === 0) break
      const refused = (await this.#hand(rule, guids)).filter(({ ok }) => !ok)
      await this.#remember(rule, refused)
      error = refused.at(-1)?.detail ?? error
      after = guids.at(-1) ?? after
    }
    await this.#note(rule, error, now)
  }

  /** Looked at before each slice: who removes a rule, or suspends its party, wants nothing more to go. */
  async #isAlive({ id, party }: RuleRow): Promise<boolean> {
    if (this.#stopped.signal.aborted || !(await this.#services.parties.isActive(party)))
      return false
    return (await this.#services.rules()).some((one) => one.id === id)
  }

  async #hand(rule: RuleRow, guids: readonly string[]): Promise<readonly HandoverResult[]> {
    const { handover, receiverOf } = this.#services
    try {
      const giver = { id: rule.id, party: rule.party }
      return await handover.hand(giver, await receiverOf(rule), guids)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      const refusal = { ok: false, check: error.code, detail: error.message, transfer: null }
      return guids.map((guid) => ({ guid, ...refusal }))
    }
  }

  async #remember({ id: rule }: RuleRow, refused: readonly HandoverResult[]): Promise<void> {
    if (refused.length === 0) return
    const { database, clock } = this.#services
    const now = clock.now().getTime()
    await database.commit(async (tx) => {
      for (const { guid } of refused) {
        const before = await store.findRefusal.first(tx, { rule, guid })
        const attempts = (before?.attempts ?? 0) + 1
        const next_at = new Date(now + pauseMs(attempts)).toISOString()
        await store.putRefusal.run(tx, { rule, guid, attempts, next_at })
      }
    })
  }

  /** Shown until nothing waits to be tried again. */
  async #note({ id, last_error }: RuleRow, error: string | null, now: string): Promise<void> {
    const { database, log } = this.#services
    if (error === last_error) return
    if (error === null && (await store.findWaiting.first(database.db, { rule: id, now }))) return
    if (error !== null) log.warn({ rule: id, reason: error }, 'a rule could not be followed')
    await database.commit((tx) => store.setLastError.run(tx, { id, error }))
  }

  async #forget(now: Date): Promise<void> {
    const before = new Date(now.getTime() - STALE_MS).toISOString()
    const { database } = this.#services
    await database.commit((tx) => store.removeStaleRefusals.run(tx, { before }))
  }
}

/** One about this very model, or else the one about all others. */
export function ruleFor(rules: readonly RuleRow[], model: string): RuleRow | undefined {
  return rules.find((one) => one.model === model) ?? rules.find((one) => one.model === null)
}

function pauseMs(attempts: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_PAUSE_MS)
}

/**
 * Brings the entries of each party's log to its webhooks: in order, one at a time, at least once.
 * How far a webhook has got moves on after the answer; who dies between the two sends the same
 * message again, with the same id.
 */
import type { AuditEntry } from '../audit/entry.ts'
import type { AuditLog } from '../audit/log.ts'
import { settleAll } from '../audit/settle.ts'
import { entriesFrom } from '../audit/store.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Lease } from '../leases/leases.ts'
import type { Log } from '../log.ts'
import { headersOf, isWanted, messageOf } from './message.ts'
import { type OutboundCalls, outboundFailureOf } from './outbound.ts'
import { CALL, type Webhooks, isTaken } from './service.ts'
import { type WebhookRow, WebhookStore } from './store.ts'

export interface DeliveriesServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly audit: AuditLog
  readonly webhooks: Pick<Webhooks, 'secretOf'>
  readonly outbound: OutboundCalls
  readonly parties: { isActive(party: string): Promise<boolean> }
  /** Without it there is nobody else to deliver. */
  readonly lease?: Pick<Lease, 'isHeld'> | undefined
  /** From 0 to 1, for the jitter. */
  readonly random: () => number
}

const LOOK_MS = 1_000
const BATCH = 100
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 3_600_000
/** So long without a single success, and a webhook is disabled. */
const PATIENCE_MS = 5 * 86_400_000
const GONE = 410
const STOP_MS = 2_000

export class Deliveries {
  readonly #services: DeliveriesServices
  readonly #store = new WebhookStore()
  /** By webhook: one message at a time each, and a slow one holds up nobody else. */
  readonly #underWay = new Map<string, Promise<void>>()
  #stopped: AbortSignal | undefined

  constructor(services: DeliveriesServices) {
    this.#services = services
  }

  /** Looks for what is to be delivered, until the signal comes. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#services
    this.#stopped = signal
    while (!signal.aborted) {
      await this.begin().catch((err: unknown) => log.error({ err }, 'webhooks: not looked for'))
      // Rejects when the signal comes: nothing is wrong then.
      await clock.sleep(LOOK_MS, signal).catch(() => {})
    }
  }

  /** Begins what is due and not under way; what is for a party that is suspended waits. */
  async begin(): Promise<void> {
    const { database, clock, log, parties } = this.#services
    if (!this.#isOurs()) return
    await settleAll(database)
    for (const row of await this.#store.due(database.db, clock.now().toISOString())) {
      if (!(await parties.isActive(row.party)) || this.#underWay.has(row.id)) continue
      const delivery = this.#catchUp(row)
        .catch((err: unknown) => {
          if (!this.#isStopped()) log.error({ err, webhook: row.id }, 'a webhook was not told')
        })
        .finally(() => this.#underWay.delete(row.id))
      this.#underWay.set(row.id, delivery)
    }
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay.values())
  }

  /** After the signal: what takes longer is sent again after the next start. */
  async stop(): Promise<void> {
    await Promise.race([this.idle(), this.#services.clock.sleep(STOP_MS)])
  }

  async #catchUp(row: WebhookRow): Promise<void> {
    const { database, parties } = this.#services
    for (let cursor = row.cursor; !this.#isStopped();) {
      const page = { from: cursor + 1, limit: BATCH }
      const entries = await entriesFrom(database.db, row.party, page)
      const last = entries.at(-1)
      if (!last) return
      for (const entry of entries) {
        if (this.#isStopped() || !this.#isOurs() || !(await parties.isActive(row.party))) return
        if (isWanted(row, entry) && !(await this.#deliver(row, entry))) return
      }
      if (!isWanted(row, last)) {
        const progress = { id: row.id, revision: row.revision, to: last.seq }
        if (!(await database.commit((tx) => this.#store.move(tx, progress)))) return
      }
      cursor = last.seq
    }
  }

  /** False where this webhook has to wait, or was changed meanwhile. */
  async #deliver(row: WebhookRow, entry: AuditEntry): Promise<boolean> {
    const { database, clock } = this.#services
    const failure = await this.#send(row, entry)
    if (failure) {
      await this.#noteFailure(row, failure)
      return false
    }
    const now = clock.now().toISOString()
    const delivered = { id: row.id, revision: row.revision, to: entry.seq, now }
    return database.commit((tx) => this.#store.noteDelivery(tx, delivered))
  }

  async #send(row: WebhookRow, entry: AuditEntry): Promise<Failure | undefined> {
    const { clock, log, outbound, webhooks } = this.#services
    const message = messageOf(row.id, entry)
    try {
      const headers = headersOf(message, webhooks.secretOf(row), clock.now())
      const { status } = await outbound.request(row.url, {
        ...{ ...CALL, headers, body: message.body, party: row.party },
      })
      if (isTaken(status)) return undefined
      return { reason: `entry ${entry.seq} was answered ${status}`, isFinal: status === GONE }
    } catch (error) {
      const reason = outboundFailureOf(error)
      // A bug of ours must not come back every second, either.
      if (reason === undefined) log.error({ err: error, webhook: row.id }, 'a webhook was not told')
      return { reason: `entry ${entry.seq}: ${reason ?? 'could not be sent'}`, isFinal: false }
    }
  }

  async #noteFailure(row: WebhookRow, { reason, isFinal }: Failure): Promise<void> {
    const { database, clock, audit } = this.#services
    const now = clock.now()
    await database.commit(async (tx) => {
      const current = await this.#store.find(tx, row.party, row.id)
      if (current?.revision !== row.revision) return
      const attempts = current.attempts + 1
      const failing_since = current.failing_since ?? now.toISOString()
      const isOver = isFinal || now.getTime() - Date.parse(failing_since) >= PATIENCE_MS
      const next_at = new Date(now.getTime() + this.#pauseMs(attempts)).toISOString()
      const failed = { attempts, failing_since, last_error: reason, next_at }
      await this.#store.change(tx, current, { ...failed, ...(isOver && { state: 'disabled' }) })
      if (!isOver) return
      const about = { subject: { id: row.id }, detail: { reason } }
      await audit.append(tx, { party: row.party, by: 'system', type: 'webhook-disabled', ...about })
    })
  }

  /** Doubled with each failure, up to an hour; a quarter more or less, so that not all come at once. */
  #pauseMs(attempts: number): number {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(attempts - 1, 20), LONGEST_PAUSE_MS)
    return Math.round(pause * (0.75 + 0.5 * this.#services.random()))
  }

  #isOurs(): boolean {
    return this.#services.lease?.isHeld ?? true
  }

  #isStopped(): boolean {
    return this.#stopped?.aborted ?? false
  }
}

interface Failure {
  readonly reason: string
  /** The receiver says that it wants no more. */
  readonly isFinal: boolean
}

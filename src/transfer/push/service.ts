/**
 * Vouchers on their way to partners. What is to be sent is in the database, put there by the
 * transaction that sells it, so that nothing sold is forgotten; a partner that was sent a voucher
 * twice, because we died before we had written down its answer, takes it once.
 */
import { type Executor, afterCommit } from '../../database/connection.ts'
import { Destinations } from '../../destinations/destinations.ts'
import type { Events } from '../../events.ts'
import { Problem } from '../../http/problem.ts'
import type { ReceiptRow } from '../receipts/store.ts'
import { type RecordServices, recordPassage } from '../receipts/record.ts'
import { newId } from '../secret.ts'
import { Delivery, type DeliveryServices, type Outcome } from './delivery.ts'
import { Lane, type LaneServices } from './lane.ts'
import * as store from './store.ts'
import type { JobFilter, PushJob } from './store.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface PushServices
  extends DeliveryServices, Pick<LaneServices, 'database' | 'log' | 'parties'>, RecordServices {
  /** In [0, 1). */
  readonly random: () => number
  readonly vouchers: DeliveryServices['vouchers'] & RecordServices['vouchers']
  readonly events: Pick<Events, 'voucherDelivered' | 'voucherNotDelivered'>
}

export interface ToPush {
  readonly party: string
  /** The partner's id. */
  readonly partner: string
  readonly guid: string
  /** SHA-256 of the voucher as it is to be sent, hex. */
  readonly voucherHash: string
}

const PACE = { atOnce: 4, firstPauseMs: 5_000, longestPauseMs: 3_600_000 }
const TELLING = {
  ...{ key: 'partner', stuck: 'pushing vouchers is stuck' },
  away: 'a partner takes no vouchers',
}
/** How often it is looked whether another process has left something to do. */
const LOOK_AROUND_MS = 30_000

export class PushService {
  readonly #services: PushServices
  readonly #stopped = new AbortController()
  readonly #lanes: Destinations<PushJob>
  #lookingAround: Promise<void> | undefined

  constructor(services: PushServices) {
    this.#services = services
    const how = { pace: PACE, telling: TELLING }
    this.#lanes = new Destinations({ ...services, ...how }, (partner) => this.#laneTo(partner))
    services.partners.onRemoval((tx, partner) => this.#forget(tx, partner))
  }

  start(): void {
    this.#lanes.start()
    this.#lookingAround = this.#lookAround()
  }

  /** Resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped.abort()
    await Promise.all([this.#lanes.stop(), this.#lookingAround])
  }

  /** In the caller's transaction: the voucher is sent once that has been committed. Gives the id. */
  async enqueue(tx: Executor, { party, partner, guid, voucherHash }: ToPush): Promise<string> {
    const next_at = this.#services.clock.now().toISOString()
    const row = {
      id: newId(NAME_PREFIXES.transfer),
      party,
      partner,
      guid,
      voucher_hash: voucherHash,
      next_at,
    }
    await store.putJob.run(tx, row)
    const job = await store.findJobFor.first(tx, row)
    afterCommit(tx, () => this.#lanes.wake(partner))
    return job?.id ?? row.id
  }

  list(filter: JobFilter): Promise<PushJob[]> {
    return store.listJobs(this.#services.database.db, filter)
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<PushJob> {
    const job = await store.findJob(this.#services.database.db, party, id)
    return job ?? notFound(id)
  }

  /** Now, whatever came of it before; one that was delivered stays so. */
  async retry(party: string, id: string): Promise<PushJob> {
    const { database, clock } = this.#services
    const at = clock.now().toISOString()
    const job = await database.commit((tx) => store.hasten(tx, { id, party, at }))
    if (!job) return notFound(id)
    this.#lanes.open(job.partner)
    return job
  }

  #laneTo(partner: string): Lane {
    const delivery = new Delivery(this.#services)
    return new Lane(partner, {
      ...this.#services,
      attempt: (job) => this.#attempt(delivery, job),
      settle: (job, outcome, nextAt) => this.#settle(job, outcome, nextAt),
    })
  }

  async #attempt(delivery: Delivery, job: PushJob): Promise<Outcome> {
    try {
      const partner = await this.#services.partners.find(job.party, job.partner)
      return await delivery.attempt(job, partner)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return { kind: 'refused', reason: error.message }
    }
  }

  async #settle(job: PushJob, outcome: Outcome, nextAt: Date): Promise<void> {
    const { database, clock, events } = this.#services
    const { id, guid, party, partner } = job
    const at = clock.now().toISOString()
    const isDelivered = outcome.kind === 'delivered'
    const settled = {
      ...{ id, updated_at: at, next_at: nextAt.toISOString() },
      state: isDelivered ? 'delivered' : outcome.kind === 'later' ? 'waiting' : 'failed',
      attempts: job.attempts + (isDelivered ? 0 : 1),
      last_error: isDelivered ? outcome.note : outcome.reason,
    } as const
    await database.commit(
      async (tx) => {
        await store.settle.run(tx, settled)
        if (!isDelivered) return
        const how = { type: 'voucher-delivered', by: 'system' } as const
        await recordPassage(this.#services, tx, gotFor(job, outcome.receipt, at), how)
      },
      { durable: isDelivered },
    )
    if (isDelivered) events.voucherDelivered({ guid, party, partner })
    else events.voucherNotDelivered({ guid, party, partner, reason: outcome.reason })
  }

  async #forget(tx: Executor, partner: string): Promise<void> {
    const at = this.#services.clock.now().toISOString()
    await store.giveUp(tx, { partner, reason: 'the partner was removed', at })
  }

  async #lookAround(): Promise<void> {
    const { database, clock, log } = this.#services
    const { signal } = this.#stopped
    while (!signal.aborted) {
      try {
        const busy = await store.listBusyPartners(database.db)
        for (const partner of busy) this.#lanes.wake(partner)
      } catch (err) {
        log.error({ err }, 'vouchers to be pushed were not looked for')
      }
      // Rejects when the signal comes: nothing is wrong then.
      await clock.sleep(LOOK_AROUND_MS, signal).catch(() => {})
    }
  }
}

function gotFor(job: PushJob, receipt: ReceiptRow['receipt'], at: string): ReceiptRow {
  const { party, guid, voucher_hash, partner: peer } = job
  return { party, direction: 'got', guid, voucher_hash, peer, at, receipt }
}

function notFound(id: string): never {
  throw new Problem('not-found', `there is no transfer ${id}`)
}

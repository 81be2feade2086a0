/**
 * Takes registrations back that are over: no Device is to be sent here by a name that it has no
 * longer, or that is somebody else's. A rendezvous of this installation forgets them in the
 * transaction that ends them, one of another firstlight is asked to; with all others they lapse.
 */
import { type Bytes, fromHex } from '../../../../protocol/bytes.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import { WITHDRAW, signOwnRequest } from '../../../../protocol/to0/own-registration.ts'
import type { Clock } from '../../../clock.ts'
import { type Executor, afterCommit } from '../../../database/connection.ts'
import type { Database } from '../../../database/open.ts'
import { TransportError } from '../../../fdo/client.ts'
import type { Log } from '../../../log.ts'
import type { Outcome } from '../place.ts'
import type { Job } from '../store.ts'
import * as store from './store.ts'

/** A rendezvous of this installation. */
export interface RendezvousHere {
  isAt(url: string): boolean
  /** What is registered by this owner, if anything is. */
  withdraw(
    tx: Executor,
    registration: { readonly guid: string; readonly ownerKey: string },
  ): Promise<void>
}

export interface WithdrawalServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly here: RendezvousHere | undefined
  /** Signs as the owner with this key, SHA-256 of its SubjectPublicKeyInfo, hex. */
  findOwnerSigner(party: string, fingerprint: string): Promise<Signer | undefined>
  /** The status of the answer; throws a TransportError where there is none. */
  ask(url: string, request: Bytes): Promise<number>
}

export interface WithdrawalPorts {
  readonly findDeviceId: (
    voucher: { readonly party: string; readonly guid: string },
    tx: Executor,
  ) => Promise<string | undefined>
  /** Something is due at this place. */
  readonly wake: (origin: string) => void
}

/** For so long a Device that did not hear that TO2 is done finds us by its old GUID. */
const GRACE_MS = 24 * 3_600_000
const PATH = '/rendezvous/v1/withdraw'
/** What may be otherwise the next time. */
const PASSING = [408, 409, 425, 429]

type Late = Pick<Job, 'guid' | 'party' | 'directive' | 'origin'> & {
  readonly expires_at: string
  readonly owner_key: string
}

export class Withdrawals {
  readonly #services: WithdrawalServices & WithdrawalPorts

  constructor(services: WithdrawalServices & WithdrawalPorts) {
    this.#services = services
  }

  /** A voucher is the party's no longer; in the transaction that makes it so. */
  async begin(tx: Executor, voucher: Pick<Job, 'guid' | 'party'>): Promise<void> {
    const { clock, here } = this.#services
    const { guid, party } = voucher
    const now = clock.now().toISOString()
    await store.removeUnregistered.run(tx, { guid, party, now })
    const begun = await store.beginWithdrawal.all(tx, { guid, party, next_at: now })
    for (const { directive, origin, owner_key: ownerKey } of begun) {
      if (ownerKey === null || !here?.isAt(origin)) {
        this.#wake(tx, origin)
        continue
      }
      await here.withdraw(tx, { guid, ownerKey })
      await store.removeWithdrawn.run(tx, { guid, party, directive })
    }
  }

  /** TO2 is done: nothing is renewed, and once the Device has had time to notice, it is taken back. */
  async beginLater(tx: Executor, { guid, party }: Pick<Job, 'guid' | 'party'>): Promise<void> {
    const { clock } = this.#services
    const next_at = new Date(clock.now().getTime() + GRACE_MS).toISOString()
    const begun = await store.beginWithdrawal.all(tx, { guid, party, next_at })
    for (const { origin } of begun) this.#wake(tx, origin)
  }

  /** A rendezvous has just registered what is over: the try began before. */
  async takeBack(tx: Executor, late: Late): Promise<void> {
    const { clock, here, findDeviceId } = this.#services
    const { guid, party, owner_key: ownerKey } = late
    if ((await store.prolong.run(tx, late)) > 0) return
    if (here?.isAt(late.origin)) return here.withdraw(tx, { guid, ownerKey })
    // Of a voucher that is forgotten altogether nothing can be kept: it lapses.
    if ((await findDeviceId({ party, guid }, tx)) === undefined) return
    await store.putWithdrawal.run(tx, { ...late, next_at: clock.now().toISOString() })
    this.#wake(tx, late.origin)
  }

  /** Who looks before it is committed finds nothing, and is not called again. */
  #wake(tx: Executor, origin: string): void {
    afterCommit(tx, () => this.#services.wake(origin))
  }

  /** Throws only what is a bug of ours. */
  async attempt(job: Job): Promise<Outcome> {
    const { database, clock, here, findOwnerSigner } = this.#services
    const { guid, party, origin, owner_key: ownerKey, expires_at } = job
    const isOver = expires_at === null || expires_at <= clock.now().toISOString()
    if (isOver || ownerKey === null) return { kind: 'lapsed' }
    if (here?.isAt(origin)) {
      await database.commit(async (tx) => {
        // Unless it is to be registered again by now.
        if ((await store.removeWithdrawn.run(tx, job)) > 0)
          await here.withdraw(tx, { guid, ownerKey })
      })
      return { kind: 'withdrawn' }
    }
    const signer = await findOwnerSigner(party, ownerKey)
    if (!signer) return this.#left(job, 'the key it was registered with is not here')
    return this.#ask(job, signer)
  }

  async #ask(job: Job, signer: Signer): Promise<Outcome> {
    const { clock, ask } = this.#services
    const { guid, origin } = job
    const request = await signOwnRequest(signer, {
      purpose: WITHDRAW,
      audience: new URL(origin).origin,
      guid: fromHex(guid),
      at: clock.now().getTime(),
    })
    try {
      const status = await ask(origin + PATH, request)
      if (status >= 200 && status < 300) return { kind: 'withdrawn' }
      const reason = `asked to withdraw it, ${origin} answered ${status}`
      if (status >= 500 || PASSING.includes(status)) return { kind: 'refused', reason }
      return this.#left(job, reason)
    } catch (error) {
      if (error instanceof TransportError) return { kind: 'unreachable', reason: error.message }
      throw error
    }
  }

  #left({ guid, origin: rendezvous, expires_at }: Job, reason: string): Outcome {
    const { log } = this.#services
    log.info({ guid, rendezvous, until: expires_at, reason }, 'a registration is left to lapse')
    return { kind: 'lapsed' }
  }

  /** What came of a try, and when the next is due. */
  async settle(tx: Executor, job: Job, outcome: Outcome, nextAt: Date): Promise<void> {
    const { guid, party, directive, attempts } = job
    if (outcome.kind !== 'refused' && outcome.kind !== 'unreachable') {
      await store.removeWithdrawn.run(tx, { guid, party, directive })
      return
    }
    const tried = { attempts: attempts + 1, next_at: nextAt.toISOString() }
    await store.postpone.run(tx, { guid, party, directive, ...tried, last_error: outcome.reason })
  }
}

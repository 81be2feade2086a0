/** Whose orders are taken in: the keys that this line was told to listen to, for each party. */
import { type AuditLog, brief } from '../../../audit/log.ts'
import type { Clock } from '../../../clock.ts'
import type { Executor } from '../../../database/connection.ts'
import type { Database } from '../../../database/open.ts'
import type { Events } from '../../../events.ts'
import { Problem } from '../../../http/problem.ts'
import type { Actor } from '../../stations/service.ts'
import * as store from './store.ts'
import type { IssuerRow } from './store.ts'

export interface IssuerServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'orderIssuerForgotten'>
}

/** As a document tells of it. */
interface Issuer {
  /** The fingerprint of its key. */
  readonly issuer: string
  readonly party: string
  readonly url: string
}

export class Issuers {
  readonly #services: IssuerServices

  constructor(services: IssuerServices) {
    this.#services = services
  }

  /** Throws check-failed for one that is not trusted. Gives false: it is so already. */
  async demand(db: Executor, party: string, of: Omit<Issuer, 'party'>): Promise<false> {
    const { issuer, url } = of
    if (await store.findIssuer.first(db, { party, fingerprint: issuer })) return false
    const next = 'have them tell you this fingerprint (firstlight order line), and repeat with'
    const detail = `it was signed by ${issuer}, at ${url}: ${next} --issuer`
    throw new Problem('check-failed', detail, { members: { check: 'issuer-not-trusted', issuer } })
  }

  /** False for one that was trusted before. */
  async trust(tx: Executor, party: string, of: Issuer, by: string): Promise<boolean> {
    const { audit, clock } = this.#services
    const fingerprint = of.issuer
    const name = `${of.party} at ${of.url}`
    const row = { party, fingerprint, created_at: clock.now().toISOString(), name }
    if ((await store.insertIssuer.run(tx, row)) === 0) return false
    await audit.append(tx, {
      ...{ party, type: 'order-issuer-trusted', by },
      ...{ subject: { id: fingerprint }, detail: { name: brief(name) } },
    })
    return true
  }

  list(page: Parameters<typeof store.listIssuers>[1]): Promise<IssuerRow[]> {
    return store.listIssuers(this.#services.database.db, page)
  }

  /** Throws not-found. */
  async find(party: string, fingerprint: string): Promise<IssuerRow> {
    const row = await store.findIssuer.first(this.#services.database.db, { party, fingerprint })
    return row ?? none(fingerprint)
  }

  /** What it has signed before stays. Throws not-found. */
  async forget(fingerprint: string, { id: by, party }: Actor): Promise<void> {
    const { database, events, audit } = this.#services
    const subject = { id: fingerprint }
    const forgetIt = async (tx: Executor) => {
      const gone = await store.deleteIssuer.run(tx, { party, fingerprint })
      if (gone === 0) none(fingerprint)
      await audit.append(tx, { party, type: 'order-issuer-removed', by, subject })
    }
    await database.commit(forgetIt, { durable: true })
    events.orderIssuerForgotten({ issuer: fingerprint, party, by })
  }
}

function none(fingerprint: string): never {
  throw new Problem('not-found', `there is no issuer ${fingerprint}`)
}

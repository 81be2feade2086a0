/** A party's webhooks: made, changed, tried, sent back in time, removed. Each change is in its log. */
import { randomBytes } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { NewEntry, AuditLog } from '../audit/log.ts'
import { findHead, firstSince } from '../audit/store.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import type { Sealer } from '../secrets/seal.ts'
import { headersOf, secretText, testMessage } from './message.ts'
import { type OutboundCalls, outboundFailureOf } from './outbound.ts'
import { type WebhookRow, WebhookStore } from './store.ts'
import { NAME_PREFIXES } from '../prefixes.ts'

export interface WebhooksServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: AuditLog
  /** Under the master key. */
  readonly sealer: Pick<Sealer, 'seal' | 'open'>
  readonly outbound: OutboundCalls
}

/** A webhook and how many entries of its log it has not got to. */
export type WebhookState = WebhookRow & { readonly pending: number }

export interface WebhookChange {
  readonly url?: string | undefined
  readonly types?: readonly string[] | undefined
  readonly enabled?: boolean | undefined
}

export type Since = { readonly seq: number } | { readonly at: string }

const MOST_OF_A_PARTY = 20
/** An answer is looked at for its status only. */
export const CALL = { method: 'POST', timeoutMs: 15_000, maxBytes: 65_536 } as const

export class Webhooks {
  readonly #services: WebhooksServices
  readonly #store = new WebhookStore()

  constructor(services: WebhooksServices) {
    this.#services = services
  }

  async list({ party }: Principal, limit: number, after?: string): Promise<WebhookState[]> {
    const { db } = this.#services.database
    const rows = await this.#store.list(db, party, limit, after)
    const head = await findHead(db, party)
    return rows.map((row) => ({ ...row, pending: Math.max(0, (head?.seq ?? 0) - row.cursor) }))
  }

  async find(id: string, principal: Principal): Promise<WebhookState> {
    const { db } = this.#services.database
    const row = await this.#requireRow(db, id, principal)
    const head = await findHead(db, principal.party)
    return { ...row, pending: Math.max(0, (head?.seq ?? 0) - row.cursor) }
  }

  /** It hears of what happens from now on; the secret is shown this once. */
  async add(
    { url, types }: { readonly url: string; readonly types: readonly string[] },
    { party, id: by }: Principal,
  ): Promise<{ row: WebhookState; secret: string }> {
    const { database, clock, audit, sealer } = this.#services
    await this.#refuseAddress(url, party)
    const id = `${NAME_PREFIXES.webhook}${randomBytes(12).toString('hex')}`
    const secret = randomBytes(32)
    const now = clock.now().toISOString()
    const row = await database.commit(
      async (tx) => {
        const others = await this.#store.list(tx, party, MOST_OF_A_PARTY)
        if (others.length === MOST_OF_A_PARTY) {
          throw new Problem('conflict', `${MOST_OF_A_PARTY} webhooks are all there may be`)
        }
        const about = { subject: { id }, detail: { url: originOf(url), types } }
        const [entry] = await audit.append(tx, { party, by, type: 'webhook-added', ...about })
        const made = {
          ...{ id, party, url, types: types.join(' '), secret: sealer.seal(contextOf(id), secret) },
          ...{ state: 'active' as const, cursor: entry?.seq ?? 0, revision: 1 },
          ...{ attempts: 0, failing_since: null, last_error: null, last_delivered_at: null },
          ...{ next_at: now, created_at: now },
        }
        await this.#store.add(tx, made)
        return made
      },
      { durable: true },
    )
    return { row: { ...row, pending: 0 }, secret: secretText(secret) }
  }

  /** Enabled again, it begins where it was left. */
  async change(
    id: string,
    { url, types, enabled }: WebhookChange,
    principal: Principal,
  ): Promise<WebhookState> {
    if (url !== undefined) await this.#refuseAddress(url, principal.party)
    await this.#update(id, principal, () => ({
      type: 'webhook-changed',
      detail: {
        ...(url !== undefined && { url: originOf(url) }),
        ...(types && { types }),
        ...(enabled !== undefined && { enabled }),
      },
      set: {
        ...(url !== undefined && { url }),
        ...(types && { types: types.join(' ') }),
        ...(enabled !== undefined && { state: enabled ? 'active' : 'disabled' }),
      },
    }))
    return this.find(id, principal)
  }

  /** Everything from this entry or time on comes again, with the ids it had. */
  async replay(id: string, since: Since, principal: Principal): Promise<WebhookState> {
    await this.#update(id, principal, async (tx) => {
      const seq = 'seq' in since ? since.seq : await firstSince(tx, principal.party, since.at)
      const head = (await findHead(tx, principal.party))?.seq ?? 0
      const cursor = Math.min(seq ?? head + 1, head + 1) - 1
      return { type: 'webhook-replayed', detail: { from: cursor + 1 }, set: { cursor } }
    })
    return this.find(id, principal)
  }

  async remove(id: string, { party, id: by }: Principal): Promise<void> {
    const { database, audit } = this.#services
    await database.commit(
      async (tx) => {
        if (!(await this.#store.remove(tx, party, id))) throw notFound(id)
        await audit.append(tx, { party, by, type: 'webhook-removed', subject: { id } })
      },
      { durable: true },
    )
  }

  /** Sends something harmless at once, whatever state the webhook is in. */
  async test(id: string, principal: Principal): Promise<TestResult> {
    const { database, clock, outbound } = this.#services
    const row = await this.#requireRow(database.db, id, principal)
    const now = clock.now()
    const message = testMessage(id, randomBytes(8).toString('hex'), now)
    const headers = headersOf(message, this.secretOf(row), now)
    try {
      const { status } = await outbound.request(row.url, {
        ...{ ...CALL, headers, body: message.body, party: row.party },
      })
      return { ok: isTaken(status), status, error: null }
    } catch (error) {
      const reason = outboundFailureOf(error)
      if (reason === undefined) throw error
      return { ok: false, status: null, error: reason }
    }
  }

  secretOf({ id, secret }: Pick<WebhookRow, 'id' | 'secret'>): Bytes {
    const opened = this.#services.sealer.open(contextOf(id), secret)
    if (!opened) throw new Error(`the master key does not open the secret of ${id}`)
    return opened
  }

  async #update(
    id: string,
    principal: Principal,
    change: (tx: Executor) => Change | Promise<Change>,
  ): Promise<void> {
    const { database, clock, audit } = this.#services
    const { party, id: by } = principal
    await database.commit(
      async (tx) => {
        const row = await this.#requireRow(tx, id, principal)
        const { type, detail, set } = await change(tx)
        const revision = row.revision + 1
        const fresh = { attempts: 0, failing_since: null, next_at: clock.now().toISOString() }
        await this.#store.change(tx, row, { ...fresh, ...set, revision })
        await audit.append(tx, { party, by, type, subject: { id }, detail })
      },
      { durable: true },
    )
  }

  async #requireRow(db: Executor, id: string, { party }: Principal): Promise<WebhookRow> {
    const row = await this.#store.find(db, party, id)
    if (!row) throw notFound(id)
    return row
  }

  async #refuseAddress(url: string, party: string): Promise<void> {
    const { protocol, username, password } = new URL(url)
    if (protocol !== 'https:' && protocol !== 'http:') {
      throw new Problem('invalid-request', 'url: not an HTTP address')
    }
    if (username !== '' || password !== '') {
      throw new Problem(
        'invalid-request',
        'url: no name and password; the signature says who we are',
      )
    }
    try {
      await this.#services.outbound.check(url, party)
    } catch (error) {
      const reason = outboundFailureOf(error)
      if (reason === undefined) throw error
      throw new Problem('invalid-request', `url: ${reason}`, { cause: error })
    }
  }
}

export interface TestResult {
  readonly ok: boolean
  readonly status: number | null
  readonly error: string | null
}

interface Change {
  readonly type: NewEntry['type']
  readonly detail: NonNullable<NewEntry['detail']>
  readonly set: Parameters<WebhookStore['change']>[2]
}

export function isTaken(status: number): boolean {
  return status >= 200 && status < 300
}

/** The rest of it may be a secret. */
function originOf(url: string): string {
  return new URL(url).origin
}

export function contextOf(id: string): string {
  return `webhook:${id}`
}

function notFound(id: string): Problem {
  return new Problem('not-found', `there is no webhook ${id}`)
}

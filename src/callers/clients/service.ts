/** Programs of a party that call the management API: registered here, known at the token endpoint. */
import { hash, randomBytes } from 'node:crypto'
import type { AuditLog } from '../../audit/log.ts'
import type { EntryType } from '../../audit/types.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import { hashOfSecret } from '../../secrets/hash.ts'
import { checkGrant } from '../grant.ts'
import type { ActiveParties } from '../ports.ts'
import type { Credential } from './credential.ts'
import * as store from './store.ts'
import type { ClientRow } from './store.ts'
import { NAME_PREFIXES, SECRET_PREFIXES } from '../../prefixes.ts'

export interface ClientsServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'clientAdded' | 'clientChanged' | 'clientRemoved'>
  readonly parties: ActiveParties
}

/** A secret is made here, whatever else a client brings with it. */
export type NewCredential =
  | Exclude<Credential, { method: 'client_secret_basic' }>
  | { readonly method: 'client_secret_basic' }

export interface NewClient {
  readonly name: string
  readonly scopes: readonly string[]
  readonly credential: NewCredential
}

export interface ClientChange {
  readonly name?: string | undefined
  readonly scopes?: readonly string[] | undefined
  readonly disabled?: boolean | undefined
}

export interface MachineClient {
  readonly id: string
  readonly party: string
  readonly name: string
  readonly scopes: readonly string[]
  readonly credential: Credential
}

const CLIENT_ID = /^fdom_[0-9a-f]{32}$/
const MOST_KNOWN = 1_000

export class MachineClients {
  readonly #services: ClientsServices
  readonly #known = new Map<string, MachineClient>()
  #readAt = -1

  constructor(services: ClientsServices) {
    this.#services = services
  }

  /** Undefined unless it may act now: it is enabled, and so is its party. */
  async findActive(id: string): Promise<MachineClient | undefined> {
    const { database, parties } = this.#services
    if (!CLIENT_ID.test(id)) return undefined
    const readAt = database.changesOf('machine_client')
    if (readAt !== this.#readAt || this.#known.size >= MOST_KNOWN) this.#known.clear()
    this.#readAt = readAt
    const known = this.#known.get(id) ?? (await this.#read(id, readAt))
    return known && (await parties.isActive(known.party)) ? known : undefined
  }

  async #read(id: string, readAt: number): Promise<MachineClient | undefined> {
    const row = await store.findClient.first(this.#services.database.db, { id })
    if (!row || row.disabled_at !== null) return undefined
    const client = clientOf(row)
    // Another call may have seen a change that came after this was read.
    if (readAt === this.#readAt) this.#known.set(id, client)
    return client
  }

  /** With the secret, where one was made: nobody sees it again. */
  async add(wanted: NewClient, by: Principal): Promise<Made> {
    checkGrant(wanted.scopes, by)
    const { credential, secret } = credentialOf(wanted.credential)
    const row: ClientRow = {
      id: `${NAME_PREFIXES.client}${randomBytes(16).toString('hex')}`,
      party: by.party,
      name: wanted.name,
      scopes: wanted.scopes.join(' '),
      ...columnsOf(credential),
      created_at: this.#now(),
      rotated_at: null,
      disabled_at: null,
    }
    const { id, name, scopes, method } = row
    await this.#commit(async (tx) => {
      await store.addClient(tx, row)
      await this.#tell(tx, 'client-added', row, by)
    })
    this.#services.events.clientAdded({ client: id, name, scopes, method, by: by.id })
    return { row, secret }
  }

  list(page: { party: string; after?: string | undefined; limit: number }): Promise<ClientRow[]> {
    return store.listClients.all(this.#services.database.db, { ...page, after: page.after ?? '' })
  }

  /** Throws a Problem where the party has none of this id. */
  async find(party: string, id: string, tx?: Executor): Promise<ClientRow> {
    const row = await store.findClient.first(tx ?? this.#services.database.db, { id })
    if (row?.party !== party) throw new Problem('not-found', `there is no client ${id}`)
    return row
  }

  /** Who lets a client do something must be allowed to do so themselves. */
  async change(id: string, change: ClientChange, by: Principal): Promise<ClientRow> {
    const row = await this.#commit(async (tx) => {
      const before = await this.find(by.party, id, tx)
      const { name = before.name, disabled = before.disabled_at !== null } = change
      const scopes = change.scopes?.join(' ') ?? before.scopes
      const isMore = change.scopes !== undefined || (before.disabled_at !== null && !disabled)
      if (isMore) checkGrant(scopes.split(' '), by)
      const disabled_at = disabled ? (before.disabled_at ?? this.#now()) : null
      const changed = { ...before, name, scopes, disabled_at }
      await store.changeClient(tx, { party: by.party, id }, { name, scopes, disabled_at })
      await this.#tell(tx, 'client-changed', changed, by)
      return changed
    })
    const what = row.disabled_at === null ? 'changed' : 'disabled'
    this.#services.events.clientChanged({ client: id, what, by: by.id })
    return row
  }

  /** Its old key or secret is worthless at once. Whoever has the new one can do what it may. */
  async rotate(id: string, wanted: NewCredential | undefined, by: Principal): Promise<Made> {
    const made = await this.#commit(async (tx) => {
      const before = await this.find(by.party, id, tx)
      checkGrant(before.scopes.split(' '), by)
      const { credential, secret } = credentialOf(wanted ?? sameKind(before))
      const changed = { ...columnsOf(credential), rotated_at: this.#now() }
      const row = { ...before, ...changed }
      await store.changeClient(tx, { party: by.party, id }, changed)
      await this.#tell(tx, 'client-rotated', row, by)
      return { row, secret }
    })
    this.#services.events.clientChanged({ client: id, what: 'rotated', by: by.id })
    return made
  }

  async remove(id: string, by: Principal): Promise<void> {
    await this.#commit(async (tx) => {
      const row = await this.find(by.party, id, tx)
      await store.removeClient.run(tx, { party: by.party, id })
      await this.#tell(tx, 'client-removed', row, by)
    })
    this.#services.events.clientRemoved({ client: id, by: by.id })
  }

  /** False for an assertion that was shown before. `until` it could be shown again. */
  async useAssertion(clientId: string, jti: string, until: Date): Promise<boolean> {
    const used = { clientId, jtiHash: hash('sha256', jti, 'hex'), expiresAt: until.toISOString() }
    const { database } = this.#services
    return (await database.commit((tx) => store.useAssertion.run(tx, used))) === 1
  }

  async sweep(): Promise<void> {
    await store.forgetAssertions.run(this.#services.database.db, { now: this.#now() })
  }

  /** What it may from here on, and how it proves itself; never by what. */
  async #tell(tx: Executor, type: EntryType, row: ClientRow, by: Principal): Promise<void> {
    const { id, party, name, scopes, method, disabled_at } = row
    const detail = { name, scopes, method, disabled: disabled_at !== null }
    await this.#services.audit.append(tx, { party, type, by: by.id, subject: { id }, detail })
  }

  #commit<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    return this.#services.database.commit(work, { durable: true })
  }

  #now(): string {
    return this.#services.clock.now().toISOString()
  }
}

export interface Made {
  readonly row: ClientRow
  readonly secret: string | undefined
}

function clientOf({ id, party, name, scopes, method, credential }: ClientRow): MachineClient {
  const known = { method, ...(JSON.parse(credential) as object) } as Credential
  return { id, party, name, scopes: scopes.split(' '), credential: known }
}

function columnsOf({ method, ...rest }: Credential): Pick<ClientRow, 'method' | 'credential'> {
  return { method, credential: JSON.stringify(rest) }
}

function credentialOf(wanted: NewCredential): {
  readonly credential: Credential
  readonly secret: string | undefined
} {
  if (wanted.method !== 'client_secret_basic') return { credential: wanted, secret: undefined }
  const secret = `${SECRET_PREFIXES.clientSecret}${randomBytes(32).toString('base64url')}`
  return { credential: { method: wanted.method, hash: hashOfSecret(secret) }, secret }
}

function sameKind({ method }: ClientRow): NewCredential {
  if (method === 'client_secret_basic') return { method }
  throw new Problem('invalid-request', `auth: say what takes the place of its ${method}`)
}

/** Tokens of the management API: made, shown once, checked, revoked. */
import { randomBytes } from 'node:crypto'
import type { AuditLog, NewEntry } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Events } from '../events.ts'
import type { Principal } from '../http/authenticate.ts'
import { permissionsFor } from '../http/permissions.ts'
import { Problem } from '../http/problem.ts'
import type { Parties } from '../parties/service.ts'
import { hashOfSecret, isSameHash } from '../secrets/hash.ts'
import { type ApiTokenRow, ApiTokenStore, type TokenPage } from './store.ts'
import { SECRET_PREFIXES } from '../prefixes.ts'

export interface ApiTokensServices {
  readonly database: Database
  readonly clock: Clock
  readonly events: Events
  readonly audit: Pick<AuditLog, 'append'>
  readonly parties: Pick<Parties, 'isActive'>
}

export interface NewToken {
  readonly name: string
  readonly scopes: readonly string[]
  /** Without it the token is good until it is revoked. */
  readonly ttlSeconds?: number | undefined
}

/** The prefix, the id, the secret. */
const TOKEN = /^(fdoa_[0-9a-f]{16})_([\w-]{43})$/
const ADMIN = 'admin'
const HOME_ADMIN = { party: HOME_PARTY, name: ADMIN }
const SYSTEM = 'system'

export class ApiTokens {
  readonly #services: ApiTokensServices
  readonly #store = new ApiTokenStore()

  constructor(services: ApiTokensServices) {
    this.#services = services
  }

  /** Whose token this is; undefined for any that is not good now. */
  async findPrincipal(token: string): Promise<Principal | undefined> {
    const [, id, secret] = TOKEN.exec(token) ?? []
    if (id === undefined || secret === undefined) return undefined
    const { database, clock, parties } = this.#services
    const row = await this.#store.find(database.db, id)
    // Looked at in the same way whether there is such a token or not.
    const isIt = isSameHash(row?.hash, secret)
    if (!row || !isIt || row.revoked_at !== null) return undefined
    const now = clock.now().toISOString()
    if (row.expires_at !== null && row.expires_at <= now) return undefined
    if (!(await parties.isActive(row.party))) return undefined
    if (row.first_used_at === null) await this.#store.markUsed(database.db, { id, at: now })
    const permissions = permissionsFor(row.party, row.scopes.split(' ')) ?? new Set()
    return { id, name: row.name, kind: 'token', party: row.party, permissions }
  }

  /** No one can give more than they hold. */
  async create(wanted: NewToken, by: Principal): Promise<{ row: ApiTokenRow; token: string }> {
    const permissions = permissionsFor(by.party, wanted.scopes)
    if (!permissions) throw new Problem('invalid-request', 'scopes: one of them is unknown')
    const beyond = [...permissions].filter((permission) => !by.permissions.has(permission))
    if (beyond.length > 0) {
      throw new Problem('not-permitted', `your own token lacks ${beyond.join(', ')}`)
    }
    const { row, token } = this.#make(by.party, wanted)
    const { id, name, scopes } = row
    await this.#services.database.commit((tx) => this.#add(tx, row, by.id))
    this.#services.events.apiTokenCreated({ token: id, name, scopes, by: by.id })
    return { row, token }
  }

  list(page: TokenPage): Promise<ApiTokenRow[]> {
    return this.#store.list(this.#services.database.db, page)
  }

  /** One that was revoked, too. Throws not-found. */
  async find(party: string, id: string): Promise<ApiTokenRow> {
    const row = await this.#store.find(this.#services.database.db, id)
    if (row?.party === party) return row
    throw new Problem('not-found', `there is no token ${id}`)
  }

  async revoke(id: string, by: Principal): Promise<void> {
    const { database, clock, events, audit } = this.#services
    const { party } = by
    const at = clock.now().toISOString()
    const entry = { party, type: 'token-revoked', by: by.id, subject: { id } } as const
    const revoke = async (tx: Executor) => {
      const revoked = await this.#store.revoke(tx, { party, id, at })
      if (!revoked) throw new Problem('not-found', `there is no token ${id} to revoke`)
      await audit.append(tx, entry)
    }
    await database.commit(revoke, { durable: true })
    events.apiTokenRevoked({ token: id, by: by.id })
  }

  /** The first token there is, which `keep` must put where its owner finds it; once only. */
  async makeFirst(keep: (token: string) => void): Promise<void> {
    const { database } = this.#services
    const isThere = async (db: Executor) => (await this.#store.listNamed(db, HOME_ADMIN)).length > 0
    if (await isThere(database.db)) return
    const { row, token } = this.#make(HOME_PARTY, { name: ADMIN, scopes: ['admin'] })
    const make = async (tx: Executor) => {
      // Another instance may have had its turn before: its token is where it has put it.
      if (await isThere(tx)) return
      // Kept before it is stored: if the process dies between, the next start makes another.
      keep(token)
      await this.#add(tx, row, SYSTEM)
    }
    await database.commit(make, { turn: 'first-token', durable: true })
  }

  /**
   * Another administrator token, in place of any that were before: those stop working with the same
   * commit, whoever else serves this database.
   */
  async replaceFirst(keep: (token: string) => void): Promise<void> {
    const { database, clock, audit } = this.#services
    const { row, token } = this.#make(HOME_PARTY, { name: ADMIN, scopes: ['admin'] })
    keep(token)
    const at = clock.now().toISOString()
    const replace = async (tx: Executor) => {
      for (const { id } of await this.#store.listNamed(tx, HOME_ADMIN)) {
        await this.#discard(tx, { party: HOME_PARTY, id, at }, SYSTEM)
      }
      await this.#store.add(tx, row)
      const entry = { party: HOME_PARTY, by: 'system', type: 'token-created' } as const
      const detail = { name: row.name, scopes: row.scopes }
      await audit.append(tx, { ...entry, subject: { id: row.id }, detail })
    }
    await database.commit(replace, { durable: true })
  }

  async #add(tx: Executor, row: ApiTokenRow, by: string): Promise<void> {
    await this.#store.add(tx, row)
    await this.#services.audit.append(tx, createdBy({ party: row.party, id: by }, row))
  }

  /** One that nobody has revoked before. */
  async #discard(
    tx: Executor,
    token: Parameters<ApiTokenStore['revoke']>[1],
    by: string,
  ): Promise<void> {
    if (!(await this.#store.revoke(tx, token))) return
    const { party, id } = token
    await this.#services.audit.append(tx, { party, type: 'token-revoked', by, subject: { id } })
  }

  /**
   * The first token of a party that comes in. Whoever comes again has not got it, as long as nobody
   * has used it: it is replaced. Throws conflict after that.
   */
  async welcome(tx: Executor, party: string, invitation: string): Promise<string> {
    const { clock } = this.#services
    const at = clock.now().toISOString()
    for (const { id, first_used_at } of await this.#store.listNamed(tx, { party, name: ADMIN })) {
      if (first_used_at !== null) throw new Problem('conflict', 'this invitation has been used')
      await this.#discard(tx, { party, id, at }, invitation)
    }
    const { row, token } = this.#make(party, { name: ADMIN, scopes: ['admin'] })
    await this.#add(tx, row, invitation)
    return token
  }

  #make(
    party: string,
    { name, scopes, ttlSeconds }: NewToken,
  ): { row: ApiTokenRow; token: string } {
    const now = this.#services.clock.now()
    const id = `${SECRET_PREFIXES.apiToken}${randomBytes(8).toString('hex')}`
    const secret = randomBytes(32).toString('base64url')
    const expires = ttlSeconds === undefined ? null : new Date(now.getTime() + ttlSeconds * 1000)
    const row = {
      id,
      party,
      name,
      hash: hashOfSecret(secret),
      scopes: scopes.join(' '),
      created_at: now.toISOString(),
      first_used_at: null,
      expires_at: expires && expires.toISOString(),
      revoked_at: null,
    }
    return { row, token: `${id}_${secret}` }
  }
}

function createdBy(
  by: Pick<Principal, 'party' | 'id'>,
  { id, name, scopes }: ApiTokenRow,
): NewEntry {
  const detail = { name, scopes }
  return { party: by.party, type: 'token-created', by: by.id, subject: { id }, detail }
}

/** The organisations that share an installation: who they are, and how a new one comes in. */
import { randomBytes } from 'node:crypto'
import type { AuditLog, NewEntry } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { Problem } from '../http/problem.ts'
import type { Principal } from '../http/authenticate.ts'
import { hashOfSecret, isSameHash } from '../secrets/hash.ts'
import * as store from './store.ts'
import type { InvitationRow, PartyRow } from './store.ts'
import { NAME_PREFIXES, SECRET_PREFIXES } from '../prefixes.ts'

export const PARTY_ROLES = ['manufacturer', 'reseller', 'owner'] as const
export type PartyRole = (typeof PARTY_ROLES)[number]

export interface PartiesServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
}

export interface NewParty {
  readonly name: string
  readonly roles: readonly PartyRole[]
}

/** What has to be there before a party can do anything; in the transaction that brings it in. */
export type PartyOpener = (tx: Executor, party: string) => Promise<void>

interface Standing {
  readonly isActive: boolean
  readonly roles: ReadonlySet<string>
}

/** The prefix, the id, the secret. */
const CODE = /^(fdoi_[0-9a-f]{16})_([\w-]{43})$/
const HOME_NAME = 'home'
const NO_PARTY = ''

type Actor = Pick<Principal, 'id' | 'party'>

export class Parties {
  readonly #services: PartiesServices
  readonly #openers: PartyOpener[] = []
  /** By id. */
  #known: ReadonlyMap<string, Standing> = new Map()
  #readAt = -1

  private constructor(services: PartiesServices) {
    this.#services = services
  }

  /** Makes the party that every installation has, if this is the first start. */
  static async open(services: PartiesServices): Promise<Parties> {
    const parties = new Parties(services)
    const home = parties.#rowOf(HOME_PARTY, { name: HOME_NAME, roles: PARTY_ROLES })
    await store.insertParty.run(services.database.db, home)
    return parties
  }

  opensWith(opener: PartyOpener): void {
    this.#openers.push(opener)
  }

  /** Whether anybody may act for it now. */
  async isActive(id: string): Promise<boolean> {
    return (await this.#standingOf(id))?.isActive ?? false
  }

  /** There is one, and nobody may act for it. */
  async isSuspended(id: string): Promise<boolean> {
    return (await this.#standingOf(id))?.isActive === false
  }

  /** Whether it was invited to be this, too. */
  async hasRole(id: string, role: PartyRole): Promise<boolean> {
    return (await this.#standingOf(id))?.roles.has(role) ?? false
  }

  /** Asked for with every request and device: read again only where some party has changed. */
  async #standingOf(id: string): Promise<Standing | undefined> {
    const { database } = this.#services
    const readAt = database.changesOf('party')
    if (readAt !== this.#readAt) {
      const rows = await store.listAllParties.all(database.db, {})
      this.#known = new Map(rows.map((row) => [row.id, standingOf(row)]))
      this.#readAt = readAt
    }
    return this.#known.get(id)
  }

  list(limit: number, after = ''): Promise<PartyRow[]> {
    return store.listParties.all(this.#services.database.db, { limit, after })
  }

  /** Throws not-found. */
  async find(id: string): Promise<PartyRow> {
    const found = await store.findParty.first(this.#services.database.db, { id })
    return found ?? notFound(id)
  }

  /** Undefined if there is none of this name. */
  findNamed(name: string): Promise<PartyRow | undefined> {
    return store.findPartyNamed.first(this.#services.database.db, { name })
  }

  /** The caller's own. Throws conflict where another has this name. */
  async rename({ party: id, id: by }: Actor, name: string): Promise<PartyRow> {
    const { database, audit } = this.#services
    const entry = {
      party: id,
      type: 'party-renamed',
      by,
      subject: { id },
      detail: { name },
    } as const
    await database.commit(async (tx) => {
      const other = await store.findPartyNamed.first(tx, { name })
      if (other?.id === id) return
      if (other) throw nameTaken(name)
      await store.renameParty.run(tx, { id, name })
      await audit.append(tx, entry)
    })
    return this.find(id)
  }

  /** From now on nobody may act for it; its devices go on. */
  suspend(id: string, by: Actor): Promise<PartyRow> {
    if (id === HOME_PARTY) throw new Problem('conflict', 'an installation needs its own party')
    return this.#setSuspended(id, this.#now(), by)
  }

  resume(id: string, by: Actor): Promise<PartyRow> {
    return this.#setSuspended(id, null, by)
  }

  /** As it is already, nothing is done. */
  async #setSuspended(id: string, at: string | null, by: Actor): Promise<PartyRow> {
    const { database, audit } = this.#services
    const type = at === null ? 'party-resumed' : 'party-suspended'
    const suspend = async (tx: Executor) => {
      const before = (await store.findParty.first(tx, { id })) ?? notFound(id)
      if ((before.suspended_at === null) === (at === null)) return
      await store.suspendParty.run(tx, { id, at })
      await audit.append(tx, ...inBothLogs(id, by, { type, detail: { name: before.name } }))
    }
    await database.commit(suspend, { durable: true })
    return this.find(id)
  }

  /** A code by which a new party comes in; it is shown this once. */
  async invite(
    { name, roles }: NewParty,
    ttlSeconds: number,
    by: Actor,
  ): Promise<{ row: InvitationRow; code: string }> {
    if (await this.findNamed(name)) throw nameTaken(name)
    const now = this.#services.clock.now()
    const id = `${SECRET_PREFIXES.invitation}${randomBytes(8).toString('hex')}`
    const secret = randomBytes(32).toString('base64url')
    const row = {
      id,
      hash: hashOfSecret(secret),
      name,
      roles: roles.join(' '),
      created_at: now.toISOString(),
      expires_at: new Date(now.getTime() + ttlSeconds * 1000).toISOString(),
      used_by: null,
    }
    const { database, audit } = this.#services
    const detail = { name, roles: [...roles], expires_at: row.expires_at }
    const invite = async (tx: Executor) => {
      await store.insertInvitation.run(tx, row)
      await audit.append(tx, { ...entryBy(by, id), type: 'party-invited', detail })
    }
    await database.commit(invite, { durable: true })
    return { row, code: `${id}_${secret}` }
  }

  listInvitations(limit: number, after = ''): Promise<InvitationRow[]> {
    return store.listInvitations.all(this.#services.database.db, { limit, after })
  }

  /** Throws not-found. */
  async findInvitation(id: string): Promise<InvitationRow> {
    const row = await store.findInvitation.first(this.#services.database.db, { id })
    return row ?? notInvited(id)
  }

  async withdrawInvitation(id: string, by: Actor): Promise<void> {
    const { database, audit } = this.#services
    await database.commit(async (tx) => {
      const removed = await store.removeInvitation.run(tx, { id })
      if (removed === 0) notInvited(id)
      await audit.append(tx, { ...entryBy(by, id), type: 'party-invitation-withdrawn' })
    })
  }

  /** Who has been invited may join, and nothing else; undefined for a code that is not good now. */
  async findPrincipal(code: string): Promise<Principal | undefined> {
    const [, id, secret] = CODE.exec(code) ?? []
    if (id === undefined || secret === undefined) return undefined
    const row = await store.findInvitation.first(this.#services.database.db, { id })
    const isIt = isSameHash(row?.hash, secret)
    if (!row || !isIt || row.expires_at <= this.#now()) return undefined
    const permissions = new Set(['party:join'] as const)
    return { id: row.id, name: row.name, kind: 'invitation', party: NO_PARTY, permissions }
  }

  /**
   * In one transaction: the party, what it cannot do without, and its first token by `welcome`.
   * Whoever did not hear the answer comes again with the same code, for as long as `welcome` lets it.
   */
  async join(
    invitation: string,
    welcome: (tx: Executor, party: string) => Promise<void>,
  ): Promise<PartyRow> {
    const { database } = this.#services
    const party = await database.commit((tx) => this.#join(tx, invitation, welcome), {
      durable: true,
    })
    return this.find(party)
  }

  async #join(
    tx: Executor,
    invitation: string,
    welcome: (tx: Executor, party: string) => Promise<void>,
  ): Promise<string> {
    const row = await store.findInvitation.first(tx, { id: invitation })
    if (!row) throw new Problem('conflict', 'this invitation has been withdrawn')
    const party = row.used_by ?? (await this.#add(tx, row))
    await welcome(tx, party)
    return party
  }

  async #add(tx: Executor, { id: invitation, name, roles }: InvitationRow): Promise<string> {
    const party = `${NAME_PREFIXES.party}${randomBytes(8).toString('hex')}`
    const row = { ...this.#rowOf(party, { name, roles: [] }), roles }
    if ((await store.insertParty.run(tx, row)) === 0) throw nameTaken(name)
    for (const open of this.#openers) await open(tx, party)
    await store.useInvitation.run(tx, { id: invitation, party })
    const detail = { name, roles: roles.split(' ') }
    const by = { party: HOME_PARTY, id: invitation }
    const entries = inBothLogs(party, by, { type: 'party-joined', detail })
    await this.#services.audit.append(tx, ...entries)
    return party
  }

  /** From time to time: forgets codes that nobody can use any more. */
  async sweep(): Promise<void> {
    const { database } = this.#services
    await database.commit((tx) => store.removeLapsed.run(tx, { before: this.#now() }))
  }

  #rowOf(id: string, { name, roles }: NewParty): PartyRow {
    return { id, name, roles: roles.join(' '), created_at: this.#now(), suspended_at: null }
  }

  #now(): string {
    return this.#services.clock.now().toISOString()
  }
}

function standingOf({ suspended_at, roles }: PartyRow): Standing {
  return { isActive: suspended_at === null, roles: new Set(roles.split(' ')) }
}

function entryBy({ party, id: by }: Actor, id: string) {
  return { party, by, subject: { id } }
}

/** Who did it is told to their own party only; the other learns which party that is. */
function inBothLogs(
  party: string,
  by: Actor,
  entry: Pick<NewEntry, 'type' | 'detail'>,
): readonly NewEntry[] {
  return [
    { ...entryBy(by, party), ...entry },
    { ...entryBy({ party, id: by.party }, party), ...entry },
  ]
}

function nameTaken(name: string): Problem {
  return new Problem('conflict', `there is a party called ${name} already`)
}

function notInvited(id: string): never {
  throw new Problem('not-found', `there is no invitation ${id}`)
}

function notFound(id: string): never {
  throw new Problem('not-found', `there is no party ${id}`)
}

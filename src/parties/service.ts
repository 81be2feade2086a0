/** The organisations that share an installation: who they are, and how a new one comes in. */
import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { Problem } from '../http/problem.ts'
import type { Principal } from '../http/authenticate.ts'
import { hashOfSecret, isSameHash } from '../secrets/hash.ts'
import * as store from './store.ts'
import type { InvitationRow, PartyRow } from './store.ts'

export const PARTY_ROLES = ['manufacturer', 'reseller', 'owner'] as const
export type PartyRole = (typeof PARTY_ROLES)[number]

export interface PartiesServices {
  readonly database: Database
  readonly clock: Clock
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

/** `fdoi_`, the id, the secret. */
const CODE = /^(fdoi_[0-9a-f]{16})_([\w-]{43})$/
const HOME_NAME = 'home'
const NO_PARTY = ''

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

  /** Throws conflict where another has this name. */
  async rename(id: string, name: string): Promise<PartyRow> {
    const { database } = this.#services
    await database.commit(async (tx) => {
      const other = await store.findPartyNamed.first(tx, { name })
      if (other && other.id !== id) throw nameTaken(name)
      await store.renameParty.run(tx, { id, name })
    })
    return this.find(id)
  }

  /** From now on nobody may act for it; its devices go on. */
  async suspend(id: string): Promise<PartyRow> {
    if (id === HOME_PARTY) throw new Problem('conflict', 'an installation needs its own party')
    await this.find(id)
    await this.#suspend(id, this.#now())
    return this.find(id)
  }

  async resume(id: string): Promise<PartyRow> {
    await this.find(id)
    await this.#suspend(id, null)
    return this.find(id)
  }

  async #suspend(id: string, at: string | null): Promise<void> {
    const { database } = this.#services
    await database.commit((tx) => store.suspendParty.run(tx, { id, at }), { durable: true })
  }

  /** A code by which a new party comes in; it is shown this once. */
  async invite(
    { name, roles }: NewParty,
    ttlSeconds: number,
  ): Promise<{ row: InvitationRow; code: string }> {
    if (await this.findNamed(name)) throw nameTaken(name)
    const now = this.#services.clock.now()
    const id = `fdoi_${randomBytes(8).toString('hex')}`
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
    await this.#services.database.commit((tx) => store.insertInvitation.run(tx, row), {
      durable: true,
    })
    return { row, code: `${id}_${secret}` }
  }

  listInvitations(limit: number, after = ''): Promise<InvitationRow[]> {
    return store.listInvitations.all(this.#services.database.db, { limit, after })
  }

  async withdrawInvitation(id: string): Promise<void> {
    const { database } = this.#services
    const removed = await database.commit((tx) => store.removeInvitation.run(tx, { id }))
    if (removed === 0) throw new Problem('not-found', `there is no invitation ${id}`)
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
    const party = `fdop_${randomBytes(8).toString('hex')}`
    const row = { ...this.#rowOf(party, { name, roles: [] }), roles }
    if ((await store.insertParty.run(tx, row)) === 0) throw nameTaken(name)
    for (const open of this.#openers) await open(tx, party)
    await store.useInvitation.run(tx, { id: invitation, party })
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

function nameTaken(name: string): Problem {
  return new Problem('conflict', `there is a party called ${name} already`)
}

function notFound(id: string): never {
  throw new Problem('not-found', `there is no party ${id}`)
}

/** OpenID providers of parties: their people call with the tokens they have there already. */
import { randomBytes } from 'node:crypto'
import { type AuditLog, brief } from '../../audit/log.ts'
import type { EntryType } from '../../audit/types.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import type { Events } from '../../events.ts'
import type { Principal } from '../../http/authenticate.ts'
import { permissionsFor } from '../../http/permissions.ts'
import { Problem } from '../../http/problem.ts'
import type { Log } from '../../log.ts'
import { checkGrant } from '../grant.ts'
import type { ActiveParties, Outgoing } from '../ports.ts'
import { KeysRefused } from '../public-keys.ts'
import { RemoteKeys, publishedAt } from '../remote-documents.ts'
import { discoverKeys } from './discovery.ts'
import { type Examined, type Provider, examine, namesIn } from './examine.ts'
import * as store from './store.ts'
import type { ProviderRow } from './store.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface ProvidersServices {
  readonly database: Database
  readonly clock: Clock
  readonly log: Log
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<
    Events,
    'identityProviderAdded' | 'identityProviderChanged' | 'identityProviderRemoved'
  >
  readonly parties: ActiveParties
  readonly outbound: Outgoing
}

/** Value of the claim → scopes. */
export type Roles = Readonly<Record<string, readonly string[]>>

export interface NewProvider {
  readonly name: string
  readonly issuer: string
  readonly audience: string
  /** Found by discovery, unless it is said. */
  readonly jwksUri?: string | undefined
  readonly claim: string
  readonly roles: Roles
}

export type ProviderChange = {
  readonly [Member in 'name' | 'claim' | 'roles']?: NewProvider[Member] | undefined
}

interface KnownProvider extends Provider {
  readonly party: string
  /** Its tokens name it: another party may have claimed its issuer and audience first. */
  readonly isNamed: boolean
}

export class IdentityProviders {
  readonly #services: ProvidersServices
  readonly #keys: RemoteKeys
  #known: readonly KnownProvider[] = []
  #readAt = -1

  constructor(services: ProvidersServices) {
    this.#services = services
    this.#keys = new RemoteKeys(services.outbound, services.clock)
  }

  /** Who calls with this token of somebody's provider; undefined for one that is good for nothing. */
  async findPrincipal(token: string): Promise<Principal | undefined> {
    const names = namesIn(token)
    if (!names) return undefined
    const claimed = (await this.#all()).filter(
      ({ issuer, audience }) => issuer === names.issuer && names.audiences.includes(audience),
    )
    const named = claimed.filter(names.isFor)
    const [provider, ...others] =
      named.length > 0 ? named : claimed.filter(({ isNamed }) => !isNamed)
    // A token for two parties would leave open for whom its bearer acts.
    if (!provider || others.length > 0) return undefined
    const { id, party } = provider
    if (!(await this.#services.parties.isActive(party))) return undefined
    const examined = await this.#examine(provider, token)
    if (examined.accepted) return principalOf(party, examined)
    this.#services.log.info({ provider: id, reason: examined.reason }, 'a token was refused')
    return undefined
  }

  /** What findPrincipal makes of a token if it is taken for one of this provider. */
  async test(party: string, id: string, token: string): Promise<Examined> {
    const provider = providerOf(await this.find(party, id))
    const examined = await this.#examine(provider, token)
    if (!examined.accepted || !provider.isNamed || namesIn(token)?.isFor(provider)) return examined
    return { accepted: false, reason: `it names ${id} neither in aud nor in ${provider.claim}` }
  }

  async add(wanted: NewProvider, by: Principal): Promise<ProviderRow> {
    checkRoles(wanted.roles, by)
    const { name, issuer, audience, claim } = wanted
    const wish = {
      id: `${NAME_PREFIXES.identityProvider}${randomBytes(8).toString('hex')}`,
      party: by.party,
      name,
      issuer,
      audience,
      jwks_uri: await this.#keysOf(wanted),
      claim,
      roles: JSON.stringify(wanted.roles),
      created_at: this.#services.clock.now().toISOString(),
    }
    const row = await this.#commit(async (tx) => {
      const added = await this.#add(tx, wish)
      await this.#tell(tx, 'identity-provider-added', added, by)
      return added
    })
    this.#services.events.identityProviderAdded({ provider: row.id, issuer, audience, by: by.id })
    return row
  }

  /** Only the installation's own party may have tokens that do not say whose they are. */
  async #add(tx: Executor, wish: Omit<ProviderRow, 'is_named'>): Promise<ProviderRow> {
    const isHome = wish.party === HOME_PARTY
    const unnamed = isHome ? await store.findUnnamed.first(tx, wish) : undefined
    const row = { ...wish, is_named: isHome && !unnamed ? 0 : 1 }
    if (await store.addProvider(tx, row)) return row
    throw new Problem('conflict', 'audience: you have this provider with this audience already')
  }

  list(page: { party: string; after?: string | undefined; limit: number }): Promise<ProviderRow[]> {
    return store.listProviders.all(this.#services.database.db, { ...page, after: page.after ?? '' })
  }

  /** Throws a Problem where the party has none of this id. */
  async find(party: string, id: string, tx?: Executor): Promise<ProviderRow> {
    const row = await store.findProvider.first(tx ?? this.#services.database.db, { id })
    if (row?.party !== party) throw new Problem('not-found', `there is no identity provider ${id}`)
    return row
  }

  async change(id: string, change: ProviderChange, by: Principal): Promise<ProviderRow> {
    const row = await this.#commit(async (tx) => {
      const before = await this.find(by.party, id, tx)
      const { name = before.name, claim = before.claim, roles = rolesOf(before) } = change
      checkRoles(roles, by)
      const changed = { name, claim, roles: JSON.stringify(roles) }
      const row = { ...before, ...changed }
      await store.changeProvider(tx, { party: by.party, id }, changed)
      await this.#tell(tx, 'identity-provider-changed', row, by)
      return row
    })
    this.#services.events.identityProviderChanged({ provider: id, by: by.id })
    return row
  }

  async remove(id: string, by: Principal): Promise<void> {
    await this.#commit(async (tx) => {
      const row = await this.find(by.party, id, tx)
      await store.removeProvider.run(tx, { party: by.party, id })
      await this.#tell(tx, 'identity-provider-removed', row, by)
    })
    this.#services.events.identityProviderRemoved({ provider: id, by: by.id })
  }

  /** Whom it lets in from here on; `scopes` is all that any of its roles may. */
  async #tell(tx: Executor, type: EntryType, row: ProviderRow, by: Principal): Promise<void> {
    const { id, party, name, issuer, audience, claim } = row
    const scopes = [...new Set(Object.values(rolesOf(row)).flat())].join(' ')
    const said = { issuer: brief(issuer), audience: brief(audience), claim: brief(claim) }
    const detail = { name, ...said, scopes }
    await this.#services.audit.append(tx, { party, type, by: by.id, subject: { id }, detail })
  }

  /** Fetched once before anything is stored: what cannot work is refused now. */
  async #keysOf({ issuer, jwksUri }: NewProvider): Promise<string> {
    if (!publishedAt(issuer)) throw new Problem('invalid-request', 'issuer: not an https URL')
    try {
      const url = jwksUri ?? (await discoverKeys(this.#services.outbound, issuer))
      await this.#keys.at(url)
      return url
    } catch (cause) {
      if (!(cause instanceof KeysRefused)) throw cause
      throw new Problem('check-failed', `issuer: ${cause.message}`, { cause })
    }
  }

  /** As they are now, here or by another process. */
  async #all(): Promise<readonly KnownProvider[]> {
    const { database } = this.#services
    const readAt = database.changesOf('identity_provider')
    if (readAt !== this.#readAt) {
      this.#known = (await store.listAllProviders.all(database.db, {})).map(providerOf)
      this.#readAt = readAt
    }
    return this.#known
  }

  #examine(provider: Provider, token: string): Promise<Examined> {
    return examine({ keys: this.#keys, clock: this.#services.clock }, provider, token)
  }

  #commit<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    return this.#services.database.commit(work, { durable: true })
  }
}

function principalOf(party: string, examined: Extract<Examined, { accepted: true }>): Principal {
  const { id, name, scopes } = examined
  return {
    id,
    name,
    kind: 'operator',
    party,
    permissions: permissionsFor(party, scopes) ?? new Set(),
  }
}

/** Whoever maps a value to a role gives it to all that have the value. */
function checkRoles(roles: Roles, by: Principal): void {
  checkGrant(Object.values(roles).flat(), by)
}

/** Written by us, from checked input. */
export function rolesOf({ roles }: ProviderRow): Roles {
  return JSON.parse(roles) as Roles
}

function providerOf(row: ProviderRow): KnownProvider {
  const { id, party, issuer, audience, jwks_uri, claim, is_named } = row
  const roles = new Map(Object.entries(rolesOf(row)))
  return { id, party, issuer, audience, jwksUri: jwks_uri, claim, roles, isNamed: is_named === 1 }
}

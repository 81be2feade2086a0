/** To whom a party hands vouchers, and from whom it gets them: addresses, keys, tokens. */
import { type Bytes, fromUtf8, utf8 } from '../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../protocol/cbor/schema.ts'
import { X5Chain } from '../../../protocol/crypto/public-key.ts'
import { type VerifyKey, importSpki } from '../../../protocol/crypto/verify-key.ts'
import type { PartyDocument } from '../../../protocol/did/document.ts'
import { type AuditLog, brief } from '../../audit/log.ts'
import type { EntryType } from '../../audit/types.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { isConflict } from '../../database/portable.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import type { Sealer } from '../../secrets/seal.ts'
import { type ResolveServices, resolveDid } from '../did/resolve.ts'
import { hashOf, newId } from '../secret.ts'
import { type NamedKey, keysFromText } from './keys.ts'
import * as store from './store.ts'
import type { PartnerKeyRow, PartnerRow } from './store.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface PartnersServices extends ResolveServices {
  readonly database: Database
  readonly clock: Clock
  readonly sealer: Sealer
  readonly audit: Pick<AuditLog, 'append'>
  /** Why an address will not be called; undefined where it will, as far as is known by now. */
  forbids(url: string, party: string): Promise<string | undefined>
}

/** What people say of a partner. What its DID document says, too, they may leave out. */
export interface PartnerDetails {
  readonly name: string
  readonly did?: string | null | undefined
  readonly pushUrl?: string | null | undefined
  readonly pullUrl?: string | null | undefined
  /** Kept as it is where undefined, unless `pushUrl` moves to another origin: it was for the one before. */
  readonly token?: string | null | undefined
  readonly keys?: readonly string[] | undefined
}

/** A key that vouchers may be extended to. */
export interface PartnerKey extends VerifyKey {
  /** With its own certificate first, where there are any. */
  readonly chain: readonly Bytes[] | null
  readonly proven_at: PartnerKeyRow['proven_at']
  readonly proven_how: PartnerKeyRow['proven_how']
}

export interface Partner extends PartnerRow {
  readonly keys: readonly PartnerKey[]
}

export interface Proof {
  readonly party: string
  readonly fingerprint: string
  readonly how: NonNullable<PartnerKeyRow['proven_how']>
  /** Who brought it; without it the partner itself. */
  readonly by?: string
}

export type Actor = Pick<Principal, 'party' | 'id'>

/** Told in the transaction that takes a partner away. */
export type PartnerWatcher = (tx: Executor, partner: string) => Promise<void>

/** Told in the transaction that replaces what is known of it, or proves one of its keys. */
export type ChangeWatcher = (tx: Executor, partner: string, party: string) => Promise<void>

export class Partners {
  readonly #services: PartnersServices
  readonly #watchers: PartnerWatcher[] = []
  readonly #changeWatchers: ChangeWatcher[] = []

  constructor(services: PartnersServices) {
    this.#services = services
  }

  onRemoval(watcher: PartnerWatcher): void {
    this.#watchers.push(watcher)
  }

  onChange(watcher: ChangeWatcher): void {
    this.#changeWatchers.push(watcher)
  }

  async create(by: Actor, details: PartnerDetails): Promise<Partner> {
    const { party } = by
    const created_at = this.#services.clock.now().toISOString()
    const nothingYet = { token: null, push_url: null }
    const base = { id: newId(NAME_PREFIXES.partner), party, created_at, ...nothingYet }
    const { row, keys } = await this.#rowOf(base, details)
    await this.#write(row, keys, async (tx) => {
      await store.addPartner(tx, row)
      await this.#tell(tx, 'partner-added', row, by, keys)
    })
    return this.find(party, row.id)
  }

  /**
   * What is not said any more is gone, save the token where it is shown to the same origin, and proofs
   * of keys that stay.
   */
  async replace(by: Actor, id: string, details: PartnerDetails): Promise<Partner> {
    const { party } = by
    const { row, keys } = await this.#rowOf(await this.#row(party, id), details)
    await this.#write(row, keys, async (tx) => {
      if (!(await store.updatePartner(tx, row))) throw notFound(id)
      await this.#changed(tx, id, party)
      await this.#tell(tx, 'partner-changed', row, by, keys)
    })
    return this.find(party, id)
  }

  async find(party: string, id: string): Promise<Partner> {
    const row = await this.#row(party, id)
    return { ...row, keys: await this.#keysOf(id) }
  }

  /** By its id, or else by its name. Throws not-found. */
  async findCalled(party: string, called: string): Promise<Partner> {
    const { db } = this.#services.database
    const named = await store.findPartnerNamed.first(db, { party, name: called })
    return this.find(party, named?.id ?? called)
  }

  async list(party: string, limit: number, after?: string): Promise<Partner[]> {
    const rows = await store.listPartners(this.#services.database.db, party, limit, after)
    return Promise.all(rows.map(async (row) => ({ ...row, keys: await this.#keysOf(row.id) })))
  }

  async remove(by: Actor, id: string): Promise<void> {
    const { party } = by
    await this.#services.database.commit(async (tx) => {
      const row = await this.#row(party, id, tx)
      await store.removePartner(tx, party, id)
      for (const watcher of this.#watchers) await watcher(tx, id)
      await this.#tell(tx, 'partner-removed', row, by)
    })
  }

  /** Whose key this is; undefined for nobody's. */
  findByKey(party: string, fingerprint: string, executor?: Executor) {
    const db = executor ?? this.#services.database.db
    return store.findByKey.first(db, { party, fingerprint })
  }

  /** Whether a partner has proven to hold it. */
  async isProven(party: string, fingerprint: string): Promise<boolean> {
    const { db } = this.#services.database
    const key = await store.findByKey.first(db, { party, fingerprint })
    return key !== undefined && key.proven_at !== null
  }

  /** In the caller's transaction. The first proof stays; a key that is no partner's gets none. */
  async markProven(tx: Executor, { party, fingerprint, how, by }: Proof): Promise<void> {
    const at = this.#services.clock.now().toISOString()
    const proven = await store.markProven.first(tx, { party, fingerprint, how, at })
    if (!proven) return
    const { partner: id } = proven
    await this.#changed(tx, id, party)
    const about = { by: by ?? id, subject: { id }, detail: { key: fingerprint, how } }
    await this.#services.audit.append(tx, { party, type: 'partner-key-proven', ...about })
  }

  /** What to show at its inbox. */
  tokenOf({ id, token }: PartnerRow): string | undefined {
    const opened = token && this.#services.sealer.open(contextOf(id), token)
    return opened ? fromUtf8(opened) : undefined
  }

  async #changed(tx: Executor, partner: string, party: string): Promise<void> {
    for (const watcher of this.#changeWatchers) await watcher(tx, partner, party)
  }

  /** Where it is reached without the rest of a URL, which may be a secret, and its keys by their hash. */
  async #tell(
    tx: Executor,
    type: EntryType,
    { id, party, name, did, push_url, pull_url }: PartnerRow,
    by: Actor,
    keys: readonly NamedKey[] = [],
  ): Promise<void> {
    const detail = {
      ...{ name, did: did && brief(did), push: originOf(push_url), pull: originOf(pull_url) },
      keys: keys.map(({ key }) => hashOf(key.spki)),
    }
    await this.#services.audit.append(tx, { party, type, by: by.id, subject: { id }, detail })
  }

  async #rowOf(
    base: Pick<PartnerRow, 'id' | 'party' | 'created_at' | 'token' | 'push_url'>,
    details: PartnerDetails,
  ): Promise<{ row: PartnerRow; keys: readonly NamedKey[] }> {
    const { id, party, created_at } = base
    const { name, did = null, token } = details
    const named = keysFromText(details.keys ?? [])
    const found = did === null ? undefined : await resolveDid(this.#services, { did, party })
    const push_url = withoutSlash(details.pushUrl ?? found?.recipientUrl)
    const kept = originOf(push_url) === originOf(base.push_url) ? base.token : null
    const row = {
      ...{ id, party, name, did, created_at, push_url },
      pull_url: withoutSlash(details.pullUrl ?? found?.holderUrl),
      token: token === undefined ? kept : this.#seal(id, token),
      updated_at: this.#services.clock.now().toISOString(),
    }
    await this.#checkCallable(row)
    return { row, keys: withKeyOf(found, named) }
  }

  /** A sale is final: that nothing may be pushed there is not to be found out after it. */
  async #checkCallable({ party, push_url, pull_url }: PartnerRow): Promise<void> {
    for (const [name, url] of Object.entries({ push_url, pull_url })) {
      const reason = url === null ? undefined : await this.#services.forbids(url, party)
      if (reason !== undefined) throw new Problem('invalid-request', `${name}: ${reason}`)
    }
  }

  #seal(id: string, token: string | null) {
    return token === null ? null : this.#services.sealer.seal(contextOf(id), utf8(token))
  }

  async #write(
    { id, party, name }: PartnerRow,
    keys: readonly NamedKey[],
    write: (tx: Executor) => Promise<void>,
  ): Promise<void> {
    const rows = keys.map(({ key: { spki }, chain }) => ({
      ...{ party, partner: id, fingerprint: hashOf(spki), spki },
      chain: chain ? encodeAs(X5Chain, chain) : null,
    }))
    try {
      await this.#services.database.commit(async (tx) => {
        await write(tx)
        await store.replaceKeys(tx, id, rows)
      })
    } catch (cause) {
      if (!isConflict(cause)) throw cause
      const detail = `there is a partner ${name} already, or one with the same key`
      throw new Problem('conflict', detail, { cause })
    }
  }

  async #row(
    party: string,
    id: string,
    executor: Executor = this.#services.database.db,
  ): Promise<PartnerRow> {
    const row = await store.findPartner.first(executor, { id })
    if (row?.party !== party) throw notFound(id)
    return row
  }

  async #keysOf(partner: string): Promise<PartnerKey[]> {
    const rows = await store.findKeys.all(this.#services.database.db, { partner })
    return rows.map(({ spki, chain, proven_at, proven_how }) => ({
      ...importSpki(spki),
      ...{ proven_at, proven_how },
      chain: chain && decodeAs(X5Chain, chain, 'chain'),
    }))
  }
}

export function contextOf(id: string): string {
  return `partner-token:${id}`
}

function notFound(id: string): Problem {
  return new Problem('not-found', `there is no partner ${id}`)
}

function originOf(url: string | null): string | null {
  return url && brief(new URL(url).origin)
}

function withoutSlash(url: string | null | undefined): string | null {
  return url?.replace(/\/+$/, '') ?? null
}

/** Each once: as it was said by hand, where it was. */
function withKeyOf(found: PartyDocument | undefined, keys: readonly NamedKey[]): NamedKey[] {
  const all = found ? [{ key: found.key }, ...keys] : keys
  return [...new Map(all.map((one) => [hashOf(one.key.spki), one])).values()]
}

/** An audit log over a database in memory, its API, and witnesses. */
import { generateKeyPairSync } from 'node:crypto'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import type { AuditEntry } from '../../src/audit/entry.ts'
import { countersign } from '../../src/audit/head.ts'
import { countersignatureLine, entryLine } from '../../src/audit/lines.ts'
import { AuditLog, type NewEntry } from '../../src/audit/log.ts'
import { auditRoutes } from '../../src/audit/routes.ts'
import { settle } from '../../src/audit/settle.ts'
import { entriesFrom, findHead } from '../../src/audit/store.ts'
import { Witnesses } from '../../src/audit/witnesses.ts'
import { FakeClock } from '../../src/clock.ts'
import { type Database, isOnPostgres, openDatabase } from './database.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { createApp } from '../../src/http/app.ts'
import { permissionsOf } from '../../src/http/permissions.ts'
import type { Route } from '../../src/http/route.ts'
import { silentLog } from '../../src/log.ts'

export const OTHER_PARTY = 'fdop_other'

export interface ApiAnswer {
  readonly status: number
  readonly text: string
  readonly json: any
}

export interface CallOptions {
  readonly party?: string
  readonly scope?: string
  readonly json?: unknown
  readonly body?: Uint8Array
  readonly type?: string
}

export class AuditWorld {
  readonly clock = new FakeClock()
  readonly audit = new AuditLog({ clock: this.clock })
  readonly database: Database
  readonly witnesses: Witnesses

  static async open(path = ':memory:'): Promise<AuditWorld> {
    return new AuditWorld(await openDatabase(path))
  }

  private constructor(database: Database) {
    this.database = database
    this.witnesses = new Witnesses(this)
  }

  /** Gives the last of its party's log. */
  async append(...entries: readonly NewEntry[]): Promise<AuditEntry> {
    await this.database.commit((tx) => this.audit.append(tx, ...entries))
    const party = entries.at(-1)?.party ?? HOME_PARTY
    await settle(this.database, party)
    const from = (await findHead(this.database.db, party))?.seq ?? 0
    const [last] = await entriesFrom(this.database.db, party, { from, limit: 1 })
    if (!last) throw new Error('nothing was appended')
    return last
  }

  /** So many entries about one voucher each. */
  async fill(count: number, party = HOME_PARTY): Promise<void> {
    for (let i = 0; i < count; i++)
      await this.append(anEntry({ party, subject: { guid: guid(i) } }))
  }

  async entries(party = HOME_PARTY): Promise<AuditEntry[]> {
    await settle(this.database, party)
    return entriesFrom(this.database.db, party, { from: 1, limit: 1_000_000 })
  }

  async call(method: string, path: string, options: CallOptions = {}): Promise<ApiAnswer> {
    return callApi(
      auditRoutes({ database: this.database, witnesses: this.witnesses }),
      this.clock,
      { method, path, ...options },
    )
  }

  /** Writes what no statement of ours would: as one does who holds the database. */
  async tamper(statement: string, table = 'audit_entry'): Promise<void> {
    const where = isOnPostgres ? ` on ${table}` : ''
    for (const change of ['update', 'delete'])
      await this.#run(`drop trigger if exists ${table}_no_${change}${where}`)
    await this.#run(statement)
  }

  async #run(statement: string): Promise<void> {
    const { sql } = await import('kysely')
    await sql.raw(statement).execute(this.database.db)
  }
}

/** Calls routes as a principal of a party. */
export async function callApi(
  routes: readonly Route[],
  clock: FakeClock,
  {
    method,
    path,
    party = HOME_PARTY,
    scope = 'admin',
    json,
    body,
    type,
  }: CallOptions & {
    readonly method: string
    readonly path: string
  },
): Promise<ApiAnswer> {
  const permissions = permissionsOf(scope.split(' ')) ?? new Set()
  const principal = { id: 'fdoa_1', name: 'test', kind: 'token', party, permissions } as const
  const app = createApp({
    ...{ log: silentLog, clock, trustedProxies: { addresses: [] }, routes, others: [] },
    findPrincipal: async () => principal,
    isReady: async () => true,
    metrics: { text: async () => '' },
  })
  const sent = json === undefined ? body && new Uint8Array(body) : JSON.stringify(json)
  const headers = {
    authorization: 'Bearer x',
    ...(sent !== undefined && { 'content-type': type ?? 'application/json' }),
  }
  const answer = await app.request(`/api/v1${path}`, {
    method,
    headers,
    ...(sent && { body: sent }),
  })
  const text = await answer.text()
  const isJson = /[/+]json$/.test(answer.headers.get('content-type') ?? '') && text !== ''
  return { status: answer.status, text, json: isJson ? JSON.parse(text) : undefined }
}

export const guid = (i: number) => i.toString(16).padStart(32, '0')

/** Of any type: what was written once may be found by a service that no longer writes it. */
export function anEntry(
  entry: Partial<Omit<NewEntry, 'type'>> & { readonly type?: string } = {},
): NewEntry {
  const { type = 'voucher-made', ...rest } = entry
  return { party: HOME_PARTY, type: type as NewEntry['type'], by: 'system', subject: {}, ...rest }
}

export function witnessKey(namedCurve = 'P-256'): Signer & { readonly pem: string } {
  const signer = signerOf(generateKeyPairSync('ec', { namedCurve }).privateKey)
  return { ...signer, pem: toPem('PUBLIC KEY', signer.key.spki) }
}

export const WITNESSED_AT = '2026-02-03T04:05:06.000Z'

/** As the export has it. */
export async function signedLine(signer: Signer, entry: AuditEntry): Promise<string> {
  return countersignatureLine(await countersign(signer, entry, WITNESSED_AT))
}

export const linesOf = (entries: readonly AuditEntry[]) => entries.map(entryLine)

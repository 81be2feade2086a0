/** /api/v1/audit: the caller's own log, its heads, and who countersigns them. */
import { z } from '@hono/zod-openapi'
import { toBase64, toHex } from '../../protocol/bytes.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import type { Database } from '../database/open.ts'
import { Problem } from '../http/problem.ts'
import { File, PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import { type AuditEntry, beginningOf } from './entry.ts'
import { parseCountersignature } from './head.ts'
import { countersignatureLine, entryLine, entryView } from './lines.ts'
import { settle } from './settle.ts'
import {
  type CountersignatureRow,
  type WitnessRow,
  countersignaturesOf,
  entriesFrom,
  findHead,
  listCountersignatures,
  listEntries,
  findWitness,
  listWitnesses,
} from './store.ts'
import { ENTRY_TYPES } from './types.ts'
import type { Witnesses } from './witnesses.ts'

const TYPES = `One of: ${Object.keys(ENTRY_TYPES).join(', ')}. What is written stays: there may be older ones`

const Hash = z.string().regex(/^[0-9a-f]{64}$/)

const AuditEntryDocument = z
  .object({
    party: z.string(),
    seq: z.number().int(),
    at: z.string(),
    type: z.string().openapi({ description: TYPES }),
    by: z.string(),
    subject: z.object({
      guid: z.string().optional(),
      device: z.string().optional(),
      id: z.string().optional(),
    }),
    detail: z.record(z.string(), z.unknown()).nullable(),
    previous: Hash,
    hash: Hash,
  })
  .openapi('AuditEntry')

const AuditHead = z
  .object({
    party: z.string(),
    seq: z.number().int(),
    hash: Hash,
    at: z.string().nullable(),
  })
  .openapi('AuditHead')

const Countersignature = z
  .object({
    party: z.string(),
    seq: z.number().int(),
    hash: Hash,
    witness: Hash,
    witnessed_at: z.string(),
    created_at: z.string(),
    signed: z.string(),
  })
  .openapi('Countersignature')

const Witness = z
  .object({
    fingerprint: Hash,
    name: z.string(),
    public_key: z.string(),
    created_at: z.string(),
  })
  .openapi('Witness')

const Time = z.iso.datetime({ offset: true }).transform((text) => new Date(text).toISOString())

const MOST_LINES = 2_000

export interface AuditRoutesServices {
  readonly database: Pick<Database, 'db' | 'commit'>
  readonly witnesses: Witnesses
}

export function auditRoutes(services: AuditRoutesServices): readonly Route[] {
  return [
    ...logRoutes(services.database),
    ...countersigningRoutes(services),
    ...witnessRoutes(services),
  ]
}

function logRoutes(database: AuditRoutesServices['database']): readonly Route[] {
  const { db } = database
  return [
    route({
      method: 'get',
      path: '/audit',
      summary: 'List what happened, newest first',
      permission: 'audit:read',
      query: PageQuery.extend({
        guid: z.string().max(64).optional(),
        device: z.string().max(128).optional(),
        type: z.string().max(64).optional(),
        since: Time.optional(),
        until: Time.optional(),
      }),
      result: pageOf(AuditEntryDocument),
      async handle({ query: { limit, cursor, ...filter }, principal: { party } }) {
        const before = entryPosition(positionOf(cursor))
        await settle(database, party)
        const entries = await listEntries(db, party, { ...filter, before, limit: limit + 1 })
        return pageFrom(entries, limit, ({ at, seq }) => `${at} ${seq}`, entryView)
      },
    }),
    route({
      method: 'get',
      path: '/audit/head',
      summary: 'How far the log goes: the last entry and its hash',
      permission: 'audit:read',
      result: AuditHead,
      async handle({ principal: { party } }) {
        await settle(database, party)
        const head = await findHead(db, party)
        const { seq, hash, at } = head ?? { seq: 0, hash: beginningOf(party), at: null }
        return { party, seq, hash: toHex(hash), at }
      },
    }),
    route({
      method: 'get',
      path: '/audit/export',
      summary:
        'The log in JSON lines, oldest first, countersignatures in their places. A part with as ' +
        'many entries as asked for is followed by one from the number after its last entry',
      permission: 'audit:read',
      query: z.object({
        from: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).default(1),
        limit: z.coerce.number().int().min(1).max(MOST_LINES).default(MOST_LINES),
      }),
      file: ['application/x-ndjson'],
      async handle({ query: { from, limit }, principal: { party } }) {
        await settle(database, party)
        const entries = await entriesFrom(db, party, { from, limit })
        const to = entries.length < limit ? undefined : entries.at(-1)?.seq
        const signed = await countersignaturesOf(db, party, { from, to })
        return new File('application/x-ndjson', linesOf(entries, signed))
      },
    }),
  ]
}

/** Behind each entry what was signed of it; what was signed of entries that are not here comes last. */
function linesOf(
  entries: readonly AuditEntry[],
  countersignatures: readonly CountersignatureRow[],
): string {
  const lines: string[] = []
  let i = 0
  const upTo = (seq: number) => {
    for (let row = countersignatures[i]; row && row.seq <= seq; row = countersignatures[++i]) {
      lines.push(countersignatureLine(row.signed))
    }
  }
  for (const entry of entries) {
    lines.push(entryLine(entry))
    upTo(entry.seq)
  }
  upTo(Infinity)
  return lines.join('')
}

function countersigningRoutes({ database, witnesses }: AuditRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/audit/countersignatures',
      summary: 'List the heads that witnesses have signed, newest first',
      permission: 'audit:read',
      query: PageQuery,
      result: pageOf(Countersignature),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const before = signedPosition(positionOf(cursor))
        const wanted = { limit: limit + 1, before }
        const rows = await listCountersignatures(database.db, party, wanted)
        return pageFrom(rows, limit, ({ seq, witness }) => `${seq} ${witness}`, signedView)
      },
    }),
    route({
      method: 'post',
      path: '/audit/countersignatures',
      summary: 'Keep a head that a listed witness has signed: a COSE_Sign1',
      permission: 'audit:witness',
      bytes: { types: ['application/cose'], atMost: 4_096 },
      result: Countersignature,
      status: 201,
      async handle({ bytes, principal }) {
        return signedView(await witnesses.accept(bytes, principal))
      },
    }),
  ]
}

function witnessRoutes({ database, witnesses }: AuditRoutesServices): readonly Route[] {
  const params = z.object({ fingerprint: z.string() })
  return [
    route({
      method: 'get',
      path: '/audit/witnesses',
      summary: 'List who may countersign the log',
      permission: 'audit:read',
      query: PageQuery,
      result: pageOf(Witness),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const after = positionOf(cursor)
        const rows = await listWitnesses(database.db, party, { limit: limit + 1, after })
        return pageFrom(rows, limit, ({ fingerprint }) => fingerprint, witnessView)
      },
    }),
    route({
      method: 'post',
      path: '/audit/witnesses',
      summary: 'List one more who may countersign the log, by its public key (PEM)',
      permission: 'audit:write',
      body: z.strictObject({
        name: z.string().min(1).max(100),
        public_key: z.string().max(4_096),
      }),
      result: Witness,
      status: 201,
      async handle({ body: { name, public_key: publicKey }, principal }) {
        return witnessView(await witnesses.add({ name, publicKey }, principal))
      },
    }),
    route({
      method: 'get',
      path: '/audit/witnesses/{fingerprint}',
      summary: 'Who may countersign the log, by its key',
      permission: 'audit:read',
      params,
      result: Witness,
      async handle({ params: { fingerprint }, principal: { party } }) {
        const row = await findWitness(database.db, party, fingerprint)
        if (row) return witnessView(row)
        throw new Problem('not-found', `there is no witness ${fingerprint}`)
      },
    }),
    route({
      method: 'delete',
      path: '/audit/witnesses/{fingerprint}',
      summary: 'Take no more countersignatures from this witness; those it gave stay',
      permission: 'audit:write',
      params,
      async handle({ params, principal }) {
        await witnesses.remove(params.fingerprint, principal)
      },
    }),
  ]
}

function entryPosition(position: string | undefined) {
  if (position === undefined) return undefined
  const [, at, seq] = /^(\S+) (\d{1,15})$/.exec(position) ?? []
  if (at === undefined) throw new Problem('invalid-request', 'cursor: not one of ours')
  return { at, seq: Number(seq) }
}

function signedPosition(position: string | undefined) {
  if (position === undefined) return undefined
  const [, seq, witness] = /^(\d{1,15}) (\S+)$/.exec(position) ?? []
  if (witness === undefined) throw new Problem('invalid-request', 'cursor: not one of ours')
  return { seq: Number(seq), witness }
}

function signedView({ party, seq, witness, signed, ...times }: CountersignatureRow) {
  const { statement } = parseCountersignature(signed)
  const { witnessed_at, created_at } = times
  const hash = toHex(statement.hash)
  return { party, seq, hash, witness, witnessed_at, created_at, signed: toBase64(signed) }
}

function witnessView({ fingerprint, name, spki, created_at }: WitnessRow) {
  return { fingerprint, name, public_key: toPem('PUBLIC KEY', spki), created_at }
}

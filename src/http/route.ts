/**
 * One declaration per REST endpoint. The router, the permission check, the input check and the
 * OpenAPI document are all read off it, so they cannot disagree. What handles a request knows no
 * Hono: it gets checked input and gives back data.
 */
import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import type { ZodType } from 'zod'
import { type Bytes, EMPTY } from '../../protocol/bytes.ts'
import type { InTurn } from '../fdo/in-turn.ts'
import type { AppEnv, Principal } from './authenticate.ts'
import { JSON_TYPE, BodyStream, mediaTypeOf } from './body.ts'
import { checkIfMatch, etagOf, isNamed } from './conditional.ts'
import { definitionOf } from './definition.ts'
import { fileResponse } from './file.ts'
import type { Idempotency } from './idempotency/service.ts'
import { onceFor } from './once.ts'
import type { Permission } from './permissions.ts'
import { Problem } from './problem.ts'
import type { Source } from './source.ts'

export interface Input<Params, Query, Body> {
  readonly params: Params
  readonly query: Query
  /** Parsed JSON. Where the declaration says `bytes` too, undefined unless it was JSON. */
  readonly body: Body
  /** The body as it came, where the declaration says `bytes`. */
  readonly bytes: Bytes
  /** The body as it comes, where the declaration says `stream`. */
  readonly stream: AsyncIterable<Bytes>
  readonly contentType: string
  /** What the caller would like to get. */
  readonly accept: string
  /** Where a stream of events that broke off is to go on. */
  readonly lastEventId: string | undefined
  readonly principal: Principal
  readonly source: Source
}

export interface RawBody {
  readonly types: readonly string[]
  readonly atMost: number
}

export interface Declaration<Params, Query, Body, Result> {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Below /api/v1, parameters in braces: `/vouchers/{guid}`. */
  readonly path: string
  readonly summary: string
  readonly permission: Permission
  readonly params?: ZodType<Params>
  readonly query?: ZodType<Query>
  /** A JSON body; beside `bytes`, where the body is of that media type. */
  readonly body?: ZodType<Body>
  /** A body taken as bytes: its media types and how long it may be, which JSON may not pass either. */
  readonly bytes?: RawBody
  /** A body read while it comes, which may be long. What a cut connection leaves must be sound. */
  readonly stream?: RawBody
  /** The JSON answer; without it and `file` the answer is 204. */
  readonly result?: ZodType<Result>
  /** Media types of an answer that is no JSON: `handle` then gives a File. Beside `result`, or alone. */
  readonly file?: readonly string[]
  /** Of the answer when all went well, if not 200 or 204. */
  readonly status?: 200 | 201 | 202
  handle(input: Input<Params, Query, Body>): Promise<Result | File> | Result | File
}

type FileContent = Bytes | string | AsyncIterable<Bytes | string>

/** An answer that is no JSON. */
export class File {
  readonly type: string
  /** What is made as it goes is made no faster than it is taken. */
  readonly content: FileContent
  readonly name: string | undefined

  constructor(type: string, content: FileContent, name?: string) {
    this.type = type
    this.content = content
    this.name = name
  }
}

/** What a GET gives, asked for beside the request: the document that its ETag names. */
export type Show = (c: Context<AppEnv>) => Promise<unknown>

/** What an endpoint stands among. Without it there is no more than a description of it. */
export interface Surroundings {
  /** Of the same path. */
  readonly show?: Show | undefined
  readonly idempotency: Idempotency | undefined
  /** A party’s changes of one kind of thing come after each other: what a condition was checked against, holds. */
  readonly turns: InTurn
}

export interface Route {
  readonly method: string
  readonly path: string
  readonly permission: Permission
  /** Of a GET that gives JSON. */
  readonly show?: Show | undefined
  readonly register: (app: OpenAPIHono<AppEnv>, among?: Surroundings) => void
}

export function route<Params = unknown, Query = unknown, Body = unknown, Result = void>(
  declaration: Declaration<Params, Query, Body, Result>,
): Route {
  const { method, path, permission } = declaration
  return {
    ...{ method, path, permission },
    show: method === 'get' && declaration.result ? showOf(declaration) : undefined,
    register: (app, among) => register(app, declaration, among),
  }
}

/** `?limit=&cursor=` of every list. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(500).default(100),
  cursor: z.string().max(512).optional(),
})

/** `{"items":[…],"next":CURSOR|null}`. */
export function pageOf<Item extends ZodType>(item: Item) {
  return z.object({ items: z.array(item), next: z.string().nullable() })
}

/** Cuts what a store found, asked for one more than `limit`, and makes the next page's cursor. */
export function pageFrom<Row, Item>(
  rows: readonly Row[],
  limit: number,
  position: (row: Row) => string,
  view: (row: Row) => Item,
): { items: Item[]; next: string | null } {
  const shown = rows.slice(0, limit)
  const last = rows.length > limit ? shown.at(-1) : undefined
  return { items: shown.map(view), next: last === undefined ? null : cursorAfter(position(last)) }
}

export function cursorAfter(position: string): string {
  return Buffer.from(position, 'utf8').toString('base64url')
}

/** Where the page begins; undefined for the first. */
export function positionOf(cursor: string | undefined): string | undefined {
  if (cursor === undefined) return undefined
  const position = Buffer.from(cursor, 'base64url').toString('utf8')
  if (cursorAfter(position) !== cursor)
    throw new Problem('invalid-request', 'cursor: not one of ours')
  return position
}

/** Hono's request, as far as its types get lost where the schemas are not known. */
interface Checked {
  valid(target: 'param' | 'query' | 'json'): unknown
}

function register<Params, Query, Body, Result>(
  app: OpenAPIHono<AppEnv>,
  declaration: Declaration<Params, Query, Body, Result>,
  among: Surroundings | undefined,
): void {
  app.openapi(definitionOf(declaration), (c) => {
    const perform = () => answerTo(c, declaration)
    return among ? inOrder(c, declaration, among, perform) : perform()
  })
}

/** Changes of one kind, behind the one that is being made. */
const MOST_WAITING = 100

function tooMany(): Problem {
  const detail = `${MOST_WAITING} changes like this one wait already: try again in 1 s`
  return new Problem('too-many-requests', detail, { headers: { 'retry-after': '1' } })
}

/** A change is made on its conditions and in its turn, and what creates is done once. */
async function inOrder(
  c: Context<AppEnv>,
  { method, path, stream }: Pick<AnyDeclaration, 'method' | 'path' | 'stream'>,
  { show, idempotency, turns }: Surroundings,
  perform: () => Promise<Response>,
): Promise<Response> {
  if (method === 'get') return perform()
  if (method === 'post') {
    const key = c.req.header('idempotency-key')
    return key === undefined || stream ? perform() : onceFor(c, key, idempotency, perform)
  }
  const turn = `${c.var.principal.party} ${path}`
  if (turns.lengthOf(turn) > MOST_WAITING) throw tooMany()
  return turns.run(turn, async () => {
    await checkIfMatch(c.req.header('if-match'), show && (() => show(c)))
    return perform()
  })
}

type AnyDeclaration = Declaration<never, never, never, never>

async function answerTo<Params, Query, Body, Result>(
  c: Context<AppEnv>,
  declaration: Declaration<Params, Query, Body, Result>,
): Promise<Response> {
  const stream = declaration.stream && new BodyStream(c, declaration.stream.atMost)
  try {
    const answer = await declaration.handle(await inputOf(c, declaration, stream))
    if (!(answer instanceof File)) await stream?.discard()
    return responseOf(c, answer, declaration)
  } catch (error) {
    await stream?.discard()
    throw error
  }
}

function showOf<Params, Query, Body, Result>({
  handle,
  params,
  query,
}: Declaration<Params, Query, Body, Result>): Show {
  return async (c) =>
    handle({
      params: (params?.parse(c.req.param()) ?? {}) as Params,
      query: (query?.parse({}) ?? {}) as Query,
      body: undefined as Body,
      bytes: EMPTY,
      stream: NO_STREAM,
      contentType: '',
      accept: JSON_TYPE,
      lastEventId: undefined,
      principal: c.var.principal,
      source: c.var.source,
    })
}

async function inputOf<Params, Query, Body, Result>(
  c: Context<AppEnv>,
  declaration: Declaration<Params, Query, Body, Result>,
  stream: BodyStream | undefined,
): Promise<Input<Params, Query, Body>> {
  const { params, query, body, bytes } = declaration
  const checked = c.req as unknown as Checked
  const contentType = mediaTypeOf(c.req.header('content-type'))
  const isJson = body !== undefined && (!bytes || contentType === JSON_TYPE)
  return {
    params: (params ? checked.valid('param') : {}) as Params,
    query: (query ? checked.valid('query') : {}) as Query,
    body: (isJson ? checked.valid('json') : undefined) as Body,
    bytes: bytes && !isJson ? new Uint8Array(await c.req.arrayBuffer()) : EMPTY,
    stream: stream ?? NO_STREAM,
    contentType,
    accept: c.req.header('accept') ?? '',
    lastEventId: c.req.header('last-event-id'),
    principal: c.var.principal,
    source: c.var.source,
  }
}

async function* nothing(): AsyncGenerator<Bytes> {}
const NO_STREAM: AsyncIterable<Bytes> = { [Symbol.asyncIterator]: nothing }

function responseOf(
  c: Context<AppEnv>,
  answer: unknown,
  { method, status = 200 }: Pick<AnyDeclaration, 'method' | 'status'>,
): Response {
  if (answer instanceof File) return fileResponse(c, answer)
  if (answer === undefined || answer === null) return c.body(null, 204)
  if (method !== 'get') return c.json(answer, status)
  const document = JSON.stringify(answer)
  const etag = etagOf(document)
  if (isNamed(c.req.header('if-none-match'), etag)) return c.body(null, 304, { etag })
  return c.body(document, status, { etag, 'content-type': JSON_TYPE })
}

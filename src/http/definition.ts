/** What a declaration says of its endpoint to routers and in the OpenAPI document. */
import { type OpenAPIHono, createRoute, z } from '@hono/zod-openapi'
import type { MiddlewareHandler } from 'hono'
import type { ZodObject, ZodType } from 'zod'
import { type AppEnv, notPermitted } from './authenticate.ts'
import { EVENT_STREAM, JSON_TYPE, MOST_JSON_BYTES, announceAtMost, limitTo, typed } from './body.ts'
import type { Permission } from './permissions.ts'
import { PROBLEM_CODES, Problem } from './problem.ts'
import type { Declaration } from './route.ts'

type Described = Declaration<never, never, never, never>

export function definitionOf<Params, Query, Body, Result>(
  declaration: Declaration<Params, Query, Body, Result>,
) {
  const { method, path, summary, permission, params, query, body, bytes, stream } = declaration
  const raw = bytes ?? stream
  return createRoute({
    method,
    path,
    summary,
    tags: [tagOf(path)],
    operationId: operationIdOf(method, path),
    security: [{ bearer: [] }],
    'x-permission': permission,
    middleware: [
      permit(permission),
      knowing(query ? Object.keys((query as unknown as ZodObject).shape) : []),
      stream ? announceAtMost(stream.atMost) : limitTo(bytes?.atMost ?? MOST_JSON_BYTES),
      typed((body || raw) && [...(raw?.types ?? []), ...(body ? [JSON_TYPE] : [])]),
    ],
    request: {
      headers: headersOf(declaration as unknown as Described),
      ...(params && { params: params as unknown as ZodObject }),
      ...(query && { query: query as unknown as ZodObject }),
      ...((body || raw) && { body: bodyOf(body, raw?.types) }),
    },
    responses: responsesOf(declaration as unknown as Described),
  })
}

/** Where JSON is one of several, the router checks it only if it is not required. */
function bodyOf(body: ZodType | undefined, types: readonly string[] = []) {
  const json = body && { [JSON_TYPE]: { schema: body } }
  return { required: !(body && types.length > 0), content: { ...json, ...contentOf(types) } }
}

/** `/vouchers/{guid}/sell` by POST is `postVouchersGuidSell`. */
function operationIdOf(method: string, path: string): string {
  const name = path.replaceAll(/[^a-z0-9]+(\w)/gi, (_, next: string) => next.toUpperCase())
  return `${method}${name.replaceAll(/\W/g, '')}`
}

/** Endpoints are grouped by what they are about: the first part of their path. */
export function tagOf(path: string): string {
  return path.replace(/^\/([^/.]+).*$/, '$1')
}

const PROBLEMS = {
  400: ['InvalidRequest', 'It is not what this takes'],
  401: ['NotAuthenticated', 'No token, or none that is good'],
  403: ['NotPermitted', 'The token lacks the permission'],
  404: ['NotFound', 'There is no such thing, or it is not yours'],
  408: ['TooSlow', 'The body stopped coming, or did not come in time'],
  409: ['Conflict', 'As things stand this cannot be done'],
  412: ['PreconditionFailed', 'It is not what If-Match names: it has changed'],
  413: ['TooLarge', 'The body is too long'],
  415: ['UnsupportedMediaType', 'The body is of a type that is not taken here'],
  422: ['CheckFailed', 'What was sent can be read, and fails a check'],
  429: ['TooManyRequests', 'Try again after the time in Retry-After'],
  '5XX': ['Failed', 'The service failed; its log says why under the id in instance'],
} as const satisfies Record<string, readonly [component: string, description: string]>

type ProblemStatus = keyof typeof PROBLEMS

/** Described, and looked at elsewhere. */
function headersOf({ method, result, stream, file }: Described): ZodObject {
  const described = (description: string) => z.string().optional().openapi({ description })
  if (method === 'get') {
    return z.object({
      ...(result && { 'if-none-match': described('ETags that need no answer') }),
      ...(file?.includes(EVENT_STREAM) && { 'last-event-id': described('Go on after this event') }),
    })
  }
  if (method !== 'post') return z.object({ 'if-match': described('The ETag it must still have') })
  const key = described('A name for this request: it is carried out once. Kept for 24 hours')
  return z.object(stream ? {} : { 'idempotency-key': key })
}

/** By status. Its type is one that a Response always fits: what is given is checked elsewhere. */
function responsesOf(declaration: Described): AnyResponse {
  return responsesByStatus(declaration) as AnyResponse
}

type AnyResponse = {
  default: { description: string; content: { 'application/octet-stream': { schema: ZodType } } }
}

function responsesByStatus(declaration: Described): object {
  const { method, result, file, status } = declaration
  const problems = Object.fromEntries(
    problemsOf(declaration).map((one) => [
      one,
      { $ref: `#/components/responses/${PROBLEMS[one][0]}` },
    ]),
  )
  if (!result && !file) return { 204: { description: 'Done' }, ...problems }
  const content = {
    ...(file && contentOf(file)),
    ...(result && { [JSON_TYPE]: { schema: result } }),
  }
  const unchanged = method === 'get' &&
    result && { 304: { description: 'As If-None-Match has it' } }
  return { [status ?? 200]: { description: 'OK', content }, ...unchanged, ...problems }
}

function problemsOf({ method, params, ...body }: Described): ProblemStatus[] {
  const isRead = method === 'get'
  const hasBody = body.body ?? body.bytes ?? body.stream
  const statuses: readonly (readonly [ProblemStatus, unknown])[] = [
    [400, true],
    [401, true],
    [403, true],
    // What a body names may not be there, either.
    [404, params ?? (body.body && !isRead)],
    [408, hasBody],
    [409, !isRead],
    [412, !isRead && method !== 'post'],
    [413, hasBody],
    [415, hasBody],
    [422, method === 'post' || (hasBody && !isRead)],
    [429, true],
    ['5XX', true],
  ]
  return statuses.filter(([, applies]) => applies).map(([status]) => status)
}

/** What every endpoint's answers refer to. */
export function registerProblems({ openAPIRegistry }: OpenAPIHono<AppEnv>): void {
  openAPIRegistry.register('Problem', ProblemDocument)
  const schema = { $ref: '#/components/schemas/Problem' }
  for (const [component, description] of Object.values(PROBLEMS)) {
    openAPIRegistry.registerComponent('responses', component, {
      description,
      content: { 'application/problem+json': { schema } },
    })
  }
}

const ProblemDocument = z
  .looseObject({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    code: z.enum(PROBLEM_CODES),
    detail: z.string().optional(),
    instance: z.string().optional(),
  })
  .openapi('Problem', { description: 'What is wrong, RFC 9457' })

function contentOf(types: readonly string[]) {
  const schema = { type: 'string', format: 'binary' } as const
  return Object.fromEntries(types.map((type) => [type, { schema }]))
}

function permit(permission: Permission): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (!c.var.principal.permissions.has(permission)) {
      throw notPermitted(permission, 'permission', c.var.resourceMetadata)
    }
    await next()
  }
}

/** A filter that is misspelt would be none: everything would be listed, or exported. */
function knowing(names: readonly string[]): MiddlewareHandler<AppEnv> {
  const known = names.length > 0 ? `it takes ${names.join(', ')}` : 'it takes none'
  return async (c, next) => {
    const unknown = Object.keys(c.req.queries()).find((name) => !names.includes(name))
    if (unknown !== undefined) {
      const detail = `?${unknown.slice(0, 64)}=: there is no such query parameter here: ${known}`
      throw new Problem('invalid-request', detail)
    }
    await next()
  }
}

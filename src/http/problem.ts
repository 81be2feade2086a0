/** Errors of the REST API, as problem+json. RFC 9457. The FDO endpoint answers Type 255 instead. */
import type { Context } from 'hono'
import { HTTPException } from 'hono/http-exception'
import { FdoError } from '../../protocol/errors.ts'
import { codeOf, isOutOfSpace } from '../database/portable.ts'
import { DatabaseUnavailable } from '../database/unavailable.ts'

const STATUS = {
  'invalid-request': 400,
  'not-authenticated': 401,
  'not-permitted': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'too-slow': 408,
  conflict: 409,
  'in-progress': 409,
  'answer-lost': 409,
  'precondition-failed': 412,
  'too-large': 413,
  'unsupported-media-type': 415,
  'check-failed': 422,
  'idempotency-key-reused': 422,
  'too-many-requests': 429,
  'internal-error': 500,
  unavailable: 503,
} as const

const RETRY_AFTER_SECONDS = 5

export type ProblemCode = keyof typeof STATUS

/** Programs go by these: one that has been released keeps its name and its status. */
export const PROBLEM_CODES = Object.keys(STATUS) as readonly ProblemCode[]

interface ProblemOptions extends ErrorOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** Further members of the document, for programs. */
  readonly members?: Readonly<Record<string, unknown>>
}

/** `detail` is for the caller: it says what to do next, and nothing that is secret. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly headers: Readonly<Record<string, string>>
  readonly members: Readonly<Record<string, unknown>>

  constructor(code: ProblemCode, detail: string, options: ProblemOptions = {}) {
    super(detail, options)
    this.code = code
    this.headers = options.headers ?? {}
    this.members = options.members ?? {}
  }
}

/** What we did not throw on purpose is a bug, and its text stays here. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof FdoError) {
    return new Problem('invalid-request', error.message, { cause: error })
  }
  if (error instanceof DatabaseUnavailable) {
    const headers = { 'retry-after': String(RETRY_AFTER_SECONDS) }
    return new Problem('unavailable', error.message, { cause: error, headers })
  }
  if (error instanceof HTTPException) {
    const code = (Object.keys(STATUS) as ProblemCode[]).find((one) => STATUS[one] === error.status)
    return new Problem(code ?? 'invalid-request', error.message, { cause: error })
  }
  const full = fullDiskOf(error)
  if (full !== undefined) {
    const detail = `the disk of the ${full} is full: nothing was changed`
    return new Problem('unavailable', detail, { cause: error, headers: { 'retry-after': '30' } })
  }
  return new Problem('internal-error', '', { cause: error })
}

/** What lies on a disk without room, if that is what is wrong. */
export function fullDiskOf(error: unknown): string | undefined {
  if (isOutOfSpace(error)) return 'database'
  return FULL.includes(codeOf(error) ?? '') ? 'data folder' : undefined
}

const FULL = ['ENOSPC', 'EDQUOT']

/** The answer; `instance` is the id under which the log tells the rest. */
export function problemResponse(problem: Problem, c: Context, instance: string): Response {
  const { code, message, headers, members } = problem
  const status = STATUS[code]
  const body = {
    ...members,
    type: `urn:fdo:problem:${code}`,
    title: code.replaceAll('-', ' '),
    status,
    code,
    ...(message && { detail: message }),
    instance: `urn:fdo:request:${instance}`,
  }
  return c.body(JSON.stringify(body), status, {
    ...headers,
    'content-type': 'application/problem+json',
  })
}

/** What a partner answers instead of what was asked for, and whether asking again may help. */
import { fromUtf8 } from '../../protocol/bytes.ts'
import type { HttpAnswer } from './ports.ts'

export class PartnerError extends Error {
  override readonly name = 'PartnerError'
  readonly status: number
  /** As the header had it. */
  readonly retryAfter: string | undefined

  constructor(status: number, text: string, retryAfter?: string) {
    super(`answered ${status}${text && `: ${text}`}`)
    this.status = status
    this.retryAfter = retryAfter
  }

  get isTransient(): boolean {
    return this.status === 408 || this.status === 429 || this.status >= 500
  }
}

export function headerOf({ headers }: HttpAnswer, name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}

const MOST_CHARACTERS = 300

/** The partner's own words, fit to be shown: `error` of JSON, or the beginning of the text. */
export function textOfAnswer({ body }: HttpAnswer): string {
  try {
    const text = fromUtf8(body)
    return plain(errorIn(text) ?? text)
  } catch (error) {
    if (error instanceof TypeError) return '' // Not UTF-8.
    throw error
  }
}

function errorIn(text: string): string | undefined {
  const document = jsonOf(text)
  const error = typeof document === 'object' && document !== null && 'error' in document
  return error && typeof document.error === 'string' ? document.error : undefined
}

/** Undefined for what is no JSON. */
export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Other people's text, without what would break a line or a terminal. */
export function plain(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').slice(0, MOST_CHARACTERS)
}

/** Whoever says `at once` every time is not asked without end. */
const SHORTEST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 86_400_000

/** RFC 9110, section 10.2.3: seconds, or a date; undefined for neither. */
export function pauseMsOf(retryAfter: string | undefined, now: Date): number | undefined {
  if (retryAfter === undefined) return undefined
  const isSeconds = /^\d{1,9}$/.test(retryAfter)
  // Date.parse makes something of almost anything.
  if (!isSeconds && !retryAfter.endsWith(' GMT')) return undefined
  const ms = isSeconds ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - now.getTime()
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
}

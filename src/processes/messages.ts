/** What the processes of one service say to each other: each of them speaks with the primary only. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Told } from '../fdo/told.ts'
import type { Family } from '../figures.ts'

/** Where the service is reached. */
export interface Reached {
  readonly http: string | null
  readonly https: string | null
  readonly roles: readonly string[]
}

/** Why a process did not start, in words that survive the way. */
export interface StartFailure {
  readonly name: string
  readonly message: string
  /** Of an error of the system. */
  readonly code: string | undefined
  /** Whether another may start later though nobody has put anything right. */
  readonly mayPass: boolean
}

/** Its administrator has to put it right. */
const REFUSALS = ['ConfigError', 'StartRefused']

export type ToPrimary =
  | { readonly kind: 'ready'; readonly reached: Reached }
  | { readonly kind: 'failed'; readonly failure: StartFailure }
  /** What it has counted; asked for, or its last. */
  | { readonly kind: 'counted'; readonly families: readonly Family[] }
  /** It wants to know what all have counted. */
  | { readonly kind: 'count' }
  /** Of a run whose story another process keeps. */
  | { readonly kind: 'told'; readonly told: Told }

export type ToWorker =
  /** See RunningService. */
  | { readonly kind: 'stop'; readonly idleMs: number; readonly drains: boolean }
  | { readonly kind: 'reload' }
  | { readonly kind: 'count' }
  | { readonly kind: 'counted'; readonly families: readonly Family[] }
  | { readonly kind: 'told'; readonly told: Told }

/** How the ids of runs begin that began in a process, by its number. */
export function markOf(worker: number): Bytes {
  return new Uint8Array([(worker >> 8) & 0xff, worker & 0xff])
}

/** As it was thrown over there, for whoever reports it here. */
export function errorOf({ name, message, code, mayPass }: StartFailure): Error {
  return Object.assign(new Error(message), { name, mayPass, ...(code !== undefined && { code }) })
}

export function failureOf(error: unknown): StartFailure {
  const { name, message, cause } = error instanceof Error ? error : new Error(String(error))
  const isAway = cause instanceof Error && cause.name === 'DatabaseUnavailable'
  const mayPass = isAway || !REFUSALS.includes(name)
  return { name, message, code: codeOf(error), mayPass }
}

/** What one dies of without a word may pass. */
export function mayPass(error: unknown): boolean {
  return (error as { readonly mayPass?: boolean }).mayPass ?? true
}

function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : codeOf(error.cause)
}

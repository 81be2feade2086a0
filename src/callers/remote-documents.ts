/** Documents and keys that others publish: fetched with limits, kept for a while. */
import type { Clock } from '../clock.ts'
import type { Outgoing } from './ports.ts'
import { KeysRefused, type PublicJwk, readKeySet } from './public-keys.ts'

const TIMEOUT_MS = 2_500
const MOST_BYTES = 128 * 1024
const LOOPBACK = ['127.0.0.1', '[::1]', 'localhost']

/** Undefined unless others can publish something there: https, or on this machine. */
export function publishedAt(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || url.username !== '' || url.password !== '' || url.hash !== '') return undefined
  const isSafe = url.protocol === 'https:'
  return isSafe || (url.protocol === 'http:' && LOOPBACK.includes(url.hostname)) ? url : undefined
}

/** Throws KeysRefused, with the reason, where there is no JSON to be had. */
export async function fetchJson(outgoing: Outgoing, url: string): Promise<unknown> {
  if (!publishedAt(url)) throw new KeysRefused(`${url} is no https URL`)
  try {
    const { status, body } = await outgoing.request(url, {
      headers: { accept: 'application/json' },
      timeoutMs: TIMEOUT_MS,
      maxBytes: MOST_BYTES,
    })
    if (status !== 200) throw new KeysRefused(`${url} answered ${status}`)
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown
  } catch (cause) {
    if (cause instanceof KeysRefused) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new KeysRefused(`${url}: ${reason}`, { cause })
  }
}

/** After this they are asked for again, */
const FRESH_MS = 10 * 60_000
/** and if nobody answers, go on for so long. */
const STALE_MS = 60 * 60_000
/** However many tokens name a key that is not there. */
const COOLDOWN_MS = 30_000
const MOST_SETS = 1_000

interface KeptKeys {
  keys: readonly PublicJwk[]
  fetchedAt: number
  triedAt: number
  failure: KeysRefused | undefined
  underWay: Promise<void> | undefined
}

/** Key sets by their address. */
export class RemoteKeys {
  readonly #outgoing: Outgoing
  readonly #clock: Clock
  readonly #kept = new Map<string, KeptKeys>()

  constructor(outgoing: Outgoing, clock: Clock) {
    this.#outgoing = outgoing
    this.#clock = clock
  }

  /** Throws KeysRefused. */
  async at(url: string): Promise<readonly PublicJwk[]> {
    return this.#usable(await this.#upTo(url, FRESH_MS))
  }

  /** For who misses one: asked for anew, unless that was done just now. Throws KeysRefused. */
  async newestAt(url: string): Promise<readonly PublicJwk[]> {
    return this.#usable(await this.#upTo(url, COOLDOWN_MS))
  }

  async #upTo(url: string, ageMs: number): Promise<KeptKeys> {
    const kept = this.#kept.get(url) ?? this.#add(url)
    const now = this.#clock.now().getTime()
    const isDue = now - kept.fetchedAt >= ageMs && now - kept.triedAt >= COOLDOWN_MS
    if (isDue) kept.underWay ??= this.#fetch(url, kept)
    await kept.underWay
    return kept
  }

  async #fetch(url: string, kept: KeptKeys): Promise<void> {
    try {
      kept.keys = readKeySet(await fetchJson(this.#outgoing, url))
      kept.fetchedAt = this.#clock.now().getTime()
      kept.failure = undefined
    } catch (error) {
      if (!(error instanceof KeysRefused)) throw error
      kept.failure = error
    } finally {
      kept.triedAt = this.#clock.now().getTime()
      kept.underWay = undefined
    }
  }

  #usable({ keys, fetchedAt, failure }: KeptKeys): readonly PublicJwk[] {
    const age = this.#clock.now().getTime() - fetchedAt
    if (age < STALE_MS) return keys
    throw failure ?? new KeysRefused('the keys could not be fetched')
  }

  /** The one added first gives way. */
  #add(url: string): KeptKeys {
    const [oldest] = this.#kept.keys()
    if (oldest !== undefined && this.#kept.size >= MOST_SETS) this.#kept.delete(oldest)
    const never = { fetchedAt: -Infinity, triedAt: -Infinity }
    const kept = { keys: [], ...never, failure: undefined, underWay: undefined }
    this.#kept.set(url, kept)
    return kept
  }
}

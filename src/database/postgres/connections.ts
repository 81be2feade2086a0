/** Connections to a PostgreSQL server: a few that are shared, and how each is set up. */
import pg from 'pg'
import { isSpoilt } from './failure.ts'

export type Client = pg.PoolClient
export type Result = pg.QueryResult<Record<string, unknown>>

/** What is asked, once: by name, so that each connection has it parsed and planned once. */
export interface Query {
  readonly text: string
  readonly values: unknown[]
  readonly name?: string
}

/** The server ends what takes longer, so that nothing holds up others for good. */
const STATEMENT_MS = 30_000
const LOCK_MS = 5_000
const IDLE_IN_TRANSACTION_MS = 30_000
/** The server is not there any more to end it. */
const SILENCE_MS = STATEMENT_MS + 5_000
const CONNECT_MS = 5_000
const IDLE_MS = 60_000

const INT8 = 20
const NUMERIC = 1700

/** Counts and numbers of rows come as 64 bits, and none of ours gets near 2^53. */
const types = {
  getTypeParser(oid: number, format?: 'text' | 'binary') {
    if (oid === INT8 || oid === NUMERIC) return Number
    return pg.types.getTypeParser(oid, format as 'text')
  },
} as pg.CustomTypesConfig

/**
 * Plans that use indexes, from the first row on: one made while a table was small would read all of it
 * when it is large, and whoever has read all of a table collides with all who write to it. The price
 * of a plan then says nothing, by which it would be compiled.
 */
const PLANNING = '-c enable_seqscan=off -c jit=off'

function withPlanning(url: string): string {
  const all = new URL(url)
  const given = all.searchParams.get('options') ?? ''
  all.searchParams.set('options', `${PLANNING} ${given}`.trim())
  return all.href
}

export function settingsOf(url: string): pg.ClientConfig {
  return {
    connectionString: withPlanning(url),
    types,
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    application_name: 'firstlight',
  }
}

export class Connections {
  readonly #pool: pg.Pool
  #refusal: Error | undefined

  constructor(url: string, most: number) {
    this.#pool = new pg.Pool({
      ...settingsOf(url),
      max: most,
      idleTimeoutMillis: IDLE_MS,
      statement_timeout: STATEMENT_MS,
      lock_timeout: LOCK_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_MS,
      query_timeout: SILENCE_MS,
    })
    // One that is lost while nobody uses it: the pool has made away with it already.
    this.#pool.on('error', () => {})
  }

  /** Lends none any more, or again where there is nothing against it. */
  refuse(reason: Error | undefined): void {
    this.#refusal = reason
  }

  /** How many wait to be lent one. */
  get waiting(): number {
    return this.#pool.waitingCount
  }

  /** Lends one to `work`, and takes it back unless it is lost. */
  async use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    if (this.#refusal) throw this.#refusal
    const client = await this.#pool.connect()
    // Lost while lent: the query under way fails, which is how it is learned of.
    client.on('error', ignore)
    try {
      const value = await work(client)
      this.#takeBack(client, false)
      return value
    } catch (error) {
      this.#takeBack(client, isSpoilt(error))
      throw error
    }
  }

  close(): Promise<void> {
    return this.#pool.end()
  }

  #takeBack(client: Client, isSpoilt: boolean): void {
    client.off('error', ignore)
    client.release(isSpoilt)
  }
}

function ignore(): void {}

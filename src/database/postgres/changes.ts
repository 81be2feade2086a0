/**
 * What has changed since, by whomever: commits of this process are noted at once, those of others
 * when the database tells of them, some milliseconds later. While nobody listens, everything counts
 * as changed.
 */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { TableName } from '../connection.ts'
import { DatabaseInUse } from '../in-use.ts'
import { WATCHED, type WatchedTable } from '../watched.ts'
import { type Known, MigrationRefused, upgradeOf } from '../upgrade.ts'
import { DatabaseUnavailable } from '../unavailable.ts'
import { settingsOf } from './connections.ts'
import { announce } from './known-here.ts'
import { schemaOf } from './inspect.ts'
import { join } from './presence.ts'

const PAUSE_MS = 500
const HEARTBEAT_MS = 5_000
const HEARTBEAT_PATIENCE_MS = 5_000

export class Changes {
  readonly #moves = new Map<TableName, number>()
  readonly #closed = new AbortController()
  readonly #url: string
  readonly #known: Known
  readonly #refuse: (reason: Error | undefined) => void
  #isListening = false
  /** Who had the database alone last, when we joined. */
  #alone: string | undefined
  #run: Promise<void> | undefined

  /** `refuse` is told why this process has no place here any more, once its connection was lost. */
  constructor(url: string, known: Known, refuse: (reason: Error | undefined) => void) {
    this.#url = url
    this.#known = known
    this.#refuse = refuse
  }

  of(table: WatchedTable): number {
    if (!this.#isListening) this.note([table])
    return this.#moves.get(table) ?? 0
  }

  note(tables: Iterable<TableName>): void {
    for (const table of tables) this.#moves.set(table, (this.#moves.get(table) ?? 0) + 1)
  }

  /**
   * Resolves once we have joined those who have the database open and the first attempt to listen is
   * over; goes on until `close`. Throws DatabaseInUse.
   */
  async listen(): Promise<void> {
    await new Promise<void>((begun, failed) => {
      this.#run = this.#listenOn(begun, failed)
    })
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#run
  }

  async #listenOn(begun: () => void, failed: (error: unknown) => void): Promise<void> {
    const { signal } = this.#closed
    while (!signal.aborted) {
      // The server is away, say: until it is back nothing is taken for unchanged.
      const error: unknown = await this.#listenOnce(begun).catch((reason: unknown) => reason)
      this.#isListening = false
      if (this.#alone === undefined) return failed(error)
      if (error instanceof DatabaseInUse) return this.#refuse(overtaken())
      begun()
      await sleep(PAUSE_MS, undefined, { signal, ref: false }).catch(() => {})
    }
  }

  /** Until the connection ends. */
  async #listenOnce(begun: () => void): Promise<void> {
    const client = new pg.Client({ ...settingsOf(this.#url), query_timeout: HEARTBEAT_PATIENCE_MS })
    const lost = new AbortController()
    client.on('error', () => lost.abort())
    client.on('end', () => lost.abort())
    try {
      await client.connect()
      await this.#join(client)
      await this.#findPlace(client)
      const { rows } = await client.query<{ schema: string }>('select current_schema() as schema')
      const schema = rows[0]?.schema ?? ''
      client.on('notification', ({ payload = '' }) => this.#hear(schema, payload))
      await client.query('listen firstlight_changes')
      const over = AbortSignal.any([lost.signal, this.#closed.signal])
      while (!over.aborted) {
        await this.#hearItself(client, over)
        // Whatever happened before is seen by all who read from now on.
        if (!this.#isListening) this.note(WATCHED)
        this.#isListening = true
        begun()
        await sleep(HEARTBEAT_MS, undefined, { signal: over, ref: false }).catch(() => {})
      }
    } finally {
      await client.end().catch(() => {})
    }
  }

  async #join(client: pg.Client): Promise<void> {
    const alone = await join(client)
    this.#alone ??= alone
    if (alone !== this.#alone) throw new DatabaseInUse('somebody had the database alone')
  }

  /** Says that we are here, and looks whether there is still a place for us. */
  async #findPlace(client: pg.Client): Promise<void> {
    await announce(client, this.#known)
    try {
      upgradeOf(await schemaOf(client), this.#known)
      this.#refuse(undefined)
    } catch (cause) {
      if (!(cause instanceof MigrationRefused)) throw cause
      this.#refuse(new DatabaseUnavailable({ cause }, cause.message))
    }
  }

  /** A connection may be dead without a word, and a proxy may not pass on what is told. */
  async #hearItself(client: pg.Client, over: AbortSignal): Promise<void> {
    const patience = AbortSignal.timeout(HEARTBEAT_PATIENCE_MS)
    const heard = once(client, 'notification', { signal: AbortSignal.any([over, patience]) })
    heard.catch(() => {})
    await client.query('notify firstlight_changes')
    await heard
  }

  #hear(schema: string, payload: string): void {
    const table = WATCHED.find((name) => payload === `${schema}.${name}`)
    if (table) this.note([table])
  }
}

/** What we know of the database may hold no longer, and nothing of ours belongs there. */
function overtaken(): DatabaseUnavailable {
  const message =
    'somebody worked on the database alone while this process was cut off from it: start it again'
  return new DatabaseUnavailable({}, message)
}

/** Rows of DI and TO2 runs, and the sealing keys. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Executor } from '../database/connection.ts'
import { statement } from '../database/statement.ts'

export interface SessionRow {
  readonly role: number
  readonly state: Bytes | null
  readonly version: number
  readonly request_hash: Bytes
  readonly reply: Bytes | null
  readonly reply_type: number | null
  readonly started_at: string
  readonly ended_at: string | null
  readonly expires_at: string
}

interface Named {
  readonly id: string
}

const find = statement((db, p: Named) =>
  db
    .selectFrom('session')
    .select(['role', 'state', 'version', 'request_hash', 'reply', 'reply_type'])
    .select(['started_at', 'ended_at', 'expires_at'])
    .where('run_id_hash', '=', p.id),
)

const insert = statement((db, p: Named & SessionRow) =>
  db
    .insertInto('session')
    .values({
      run_id_hash: p.id,
      role: p.role,
      state: p.state,
      version: p.version,
      request_hash: p.request_hash,
      reply: p.reply,
      reply_type: p.reply_type,
      started_at: p.started_at,
      ended_at: p.ended_at,
      expires_at: p.expires_at,
    })
    .onConflict((conflict) => conflict.column('run_id_hash').doNothing()),
)

const advance = statement((db, p: Named & SessionRow & { from: number }) =>
  db
    .updateTable('session')
    .set({
      state: p.state,
      version: p.version,
      request_hash: p.request_hash,
      reply: p.reply,
      reply_type: p.reply_type,
      ended_at: p.ended_at,
      expires_at: p.expires_at,
    })
    .where('run_id_hash', '=', p.id)
    .where('version', '=', p.from),
)

const clear = statement((db, p: Named & { from: number; now: string; expires: string }) =>
  db
    .updateTable('session')
    .set({ state: null, reply: null, reply_type: null, ended_at: p.now, expires_at: p.expires })
    .set((eb) => ({ version: eb('version', '+', 1) }))
    .where('run_id_hash', '=', p.id)
    .where('version', '=', p.from)
    .where('ended_at', 'is', null),
)

const dropExpired = statement((db, p: { startedBefore: string; now: string; most: number }) =>
  db
    .deleteFrom('session')
    .where('run_id_hash', 'in', (expired) =>
      expired
        .selectFrom('session')
        .select('run_id_hash')
        .where('started_at', '<=', p.startedBefore)
        .where('expires_at', '<=', p.now)
        .limit(p.most),
    ),
)

/** Everything by the hash of the run id: who reads the table cannot make a token from it. */
export class SessionStore {
  find(executor: Executor, id: string): Promise<SessionRow | undefined> {
    return find.first(executor, { id })
  }

  /** False if the run has a row already: of two equal messages one is answered. */
  async insert(tx: Executor, id: string, row: SessionRow): Promise<boolean> {
    return (await insert.run(tx, { id, ...row })) === 1
  }

  /** False if the run has moved on since `from` was read. */
  async advance(tx: Executor, id: string, from: number, row: SessionRow): Promise<boolean> {
    return (await advance.run(tx, { id, from, ...row })) === 1
  }

  /** Ends a run without an answer to repeat; what is left is its tombstone, without keys. */
  async clear(
    tx: Executor,
    id: string,
    from: number,
    times: { now: string; expires: string },
  ): Promise<boolean> {
    return (await clear.run(tx, { id, from, ...times })) === 1
  }

  /** Drops rows that have expired, the latest of which began at `startedBefore`; gives how many. */
  dropExpired(tx: Executor, startedBefore: string, now: string, most: number): Promise<number> {
    return dropExpired.run(tx, { startedBefore, now, most })
  }
}

const listKeys = statement((db, _: object) =>
  db.selectFrom('sealing_key').select(['id', 'wrapped', 'created_at']).orderBy('id'),
)

const addKey = statement((db, p: { wrapped: Bytes; created_at: string }) =>
  db
    .insertInto('sealing_key')
    .values({ wrapped: p.wrapped, created_at: p.created_at })
    .returning('id'),
)

const dropKeys = statement((db, p: { before: number }) =>
  db.deleteFrom('sealing_key').where('id', '<', p.before),
)

export class SealingKeyStore {
  /** Newest last. */
  list(executor: Executor) {
    return listKeys.all(executor, {})
  }

  async add(tx: Executor, wrapped: Bytes, created_at: string): Promise<number> {
    const row = await addKey.first(tx, { wrapped, created_at })
    if (!row) throw new Error('no id came back')
    return row.id
  }

  async dropBefore(tx: Executor, before: number): Promise<void> {
    await dropKeys.run(tx, { before })
  }
}

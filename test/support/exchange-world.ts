/** An exchange over a database in memory, a clock that stands still, and the toy role. */
import { randomBytes } from 'node:crypto'
import { toHex } from '../../protocol/bytes.ts'
import { parseErrorMessage } from '../../protocol/error-message.ts'
import { type Message, type MessageType, messageOf } from '../../protocol/message.ts'
import { FakeClock } from '../../src/clock.ts'
import { type Database, openDatabase } from './database.ts'
import { Exchange, type FdoAnswer } from '../../src/fdo/exchange.ts'
import type { MountedRole } from '../../src/fdo/mounted-role.ts'
import type { Storytellers } from '../../src/fdo/told.ts'
import { SealingKeys } from '../../src/fdo/sealing-keys.ts'
import { HERE } from '../../src/http/source.ts'
import { type Log, silentLog } from '../../src/log.ts'
import { Metrics } from '../../src/metrics.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { type ToyContext, mountToy } from './toy-role.ts'

export interface ExchangeWorld {
  readonly database: Database
  readonly clock: FakeClock
  readonly keys: SealingKeys
  readonly exchange: Exchange
  /** Sends a toy message; gives the answer. */
  send(
    type: MessageType<{ value: number }>,
    value: number,
    authorization?: string,
  ): Promise<FdoAnswer>
  /** The exchange of a process that took over the same database. */
  restart(changed?: ExchangeWorldOptions): Promise<ExchangeWorld>
  close(): Promise<void>
}

export interface ExchangeWorldOptions {
  readonly path?: string
  readonly roles?: readonly MountedRole[]
  readonly context?: Partial<ToyContext>
  readonly mounting?: Parameters<typeof mountToy>[1]
  readonly log?: Log
  readonly metrics?: Metrics
  readonly clock?: FakeClock
  readonly storytellers?: Storytellers
}

const MASTER_KEY = new Uint8Array(32).fill(7)

export async function exchangeWorld(options: ExchangeWorldOptions = {}): Promise<ExchangeWorld> {
  const database = await openDatabase(options.path ?? ':memory:')
  return worldOver(database, options)
}

async function worldOver(
  database: Database,
  options: ExchangeWorldOptions,
): Promise<ExchangeWorld> {
  const { clock = new FakeClock(), log = silentLog, mounting, context } = options
  const sealer = new Sealer(MASTER_KEY)
  const keys = await SealingKeys.load({ database, clock, randomBytes, sealer })
  const roles = options.roles ?? [mountToy({ randomBytes, ...context }, mounting)]
  const exchange = new Exchange({
    ...{ database, keys, clock, randomBytes, log, roles },
    metrics: options.metrics ?? new Metrics(),
    storytellers: options.storytellers,
  })
  return {
    database,
    clock,
    keys,
    exchange,
    send(type, value, authorization) {
      return exchange.answer({ ...messageOf(type, { value }), authorization, source: HERE })
    },
    restart: (changed) => worldOver(database, { ...options, clock, ...changed }),
    close: () => database.close(),
  }
}

/** The name of the error in an answer; undefined where it is none. */
export function errorOf({ message }: FdoAnswer): string | undefined {
  return message?.number === 255 ? parseErrorMessage(message.bytes).text : undefined
}

/** The bytes of an answer's message, to compare. */
export function hexOf({ message }: { message: Message | null }): string {
  if (!message) throw new Error('there is no message')
  return toHex(message.bytes)
}

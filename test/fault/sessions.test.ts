/** kill -9 between any two moments that matter: the same token goes on, and nothing happens twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FdoTransport } from '../../protocol/converse.ts'
import { type MessageType, messageOf } from '../../protocol/message.ts'
import { toHex } from '../../protocol/bytes.ts'
import { openDatabase } from '../support/database.ts'
import { TransportError, httpTransport } from '../../src/fdo/client.ts'
import { type Program, runProgram } from '../support/program.ts'
import { Done, Hello, Prove, Round, type ToyEffect, effectCount } from '../support/toy-role.ts'

const PATIENCE_MS = 120_000
type Moment = ToyEffect['type']

let folder: string
let path: string
let program: Program | undefined
let close = () => {}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-crash-'))
  path = join(folder, 'test.sqlite')
})
afterEach(async () => {
  close()
  program?.process.kill('SIGKILL')
  await program?.ended
  rmSync(folder, { recursive: true })
})

/** Starts the service, which will die where it is told to. */
async function start(dieBefore: Moment | '' = '', dieAfter: Moment | '' = '') {
  program = runProgram('test/support/toy-service.ts', [path, dieBefore, dieAfter])
  const { url } = await program.next()
  const transport = httpTransport(String(url))
  close = transport.close
  return transport.send
}

async function send(
  transport: FdoTransport,
  type: MessageType<{ value: number }>,
  value: number,
  token?: string,
) {
  const { message, authorization } = await transport(messageOf(type, { value }), token)
  expect(message.number).toBe(type.number + 1)
  return { reply: toHex(message.bytes), token: authorization ?? '' }
}

async function counts(): Promise<number[]> {
  const database = await openDatabase(path)
  const types: Moment[] = ['proven', 'counted', 'finished']
  const all = []
  for (const type of types) all.push(await effectCount(database.db, type))
  await database.close()
  return all
}

const STEPS: readonly [Moment, MessageType<{ value: number }>][] = [
  ['proven', Prove],
  ['counted', Round],
  ['finished', Done],
]

/** Goes through a run up to a step, and gives the token to take it with. */
async function upTo(transport: FdoTransport, moment: Moment): Promise<string> {
  let { token } = await send(transport, Hello, 1)
  for (const [name, type] of STEPS) {
    if (name === moment) break
    token = (await send(transport, type, 2, token)).token
  }
  return token
}

describe('a process killed', () => {
  it.each(STEPS)(
    'before it commits %s goes on with the same token, as if nothing had been',
    async (moment, type) => {
      const dying = await start(moment)
      const token = await upTo(dying, moment)
      const before = STEPS.map(([name]) => name).indexOf(moment)
      await expect(send(dying, type, 2, token)).rejects.toThrow(TransportError)
      expect(await program?.ended).toBe('SIGKILL')
      close()
      expect(await counts()).toEqual([0, 1, 2].map((i) => (i < before ? 1 : 0)))

      const successor = await start()
      await send(successor, type, 2, token)
      expect((await counts())[before]).toBe(1)
    },
    PATIENCE_MS,
  )

  it.each(STEPS)(
    'after it committed %s, before it answered, gives that answer to the repeat',
    async (moment, type) => {
      const dying = await start('', moment)
      const token = await upTo(dying, moment)
      await expect(send(dying, type, 2, token)).rejects.toThrow(TransportError)
      expect(await program?.ended).toBe('SIGKILL')
      close()
      const after = await counts()

      const successor = await start()
      const first = await send(successor, type, 2, token)
      expect((await send(successor, type, 2, token)).reply).toBe(first.reply)
      expect(await counts()).toEqual(after)
      if (moment !== 'finished') {
        const next = moment === 'proven' ? Round : Done
        await send(successor, next, 3, first.token)
      }
    },
    PATIENCE_MS,
  )

  it(
    'between two messages answers the next, sealed or in a row',
    async () => {
      let transport = await start()
      let token: string | undefined
      for (const [value, type] of [Hello, Prove, Round, Round, Done].entries()) {
        token = (await send(transport, type, value, token)).token
        program?.process.kill('SIGKILL')
        await program?.ended
        close()
        transport = await start()
      }
      expect(await counts()).toEqual([1, 2, 1])
    },
    PATIENCE_MS,
  )
})

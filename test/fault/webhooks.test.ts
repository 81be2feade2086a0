/** Whoever delivers is killed: before or after the answer, nothing is lost, and what is doubled shows. */
import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type Program, runProgram } from '../support/program.ts'
import { until } from '../support/programs.ts'

const PROGRAM = 'test/support/webhook-program.ts'
const ENTRIES = 30
/** When it is killed, by the messages that have come. */
const BEFORE_ANSWER = [1, 8, 20]
const AFTER_ANSWER = [5, 14, 25]

let folder: string
let server: Server
let program: Program | undefined
let url: string
const came: { id: string; body: string }[] = []

async function received(incoming: IncomingMessage): Promise<void> {
  let body = ''
  for await (const part of incoming) body += String(part)
  came.push({ id: String(incoming.headers['webhook-id']), body })
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-webhooks-'))
  server = createServer(async (incoming, outgoing) => {
    await received(incoming)
    if (BEFORE_ANSWER.includes(came.length)) return void program?.process.kill('SIGKILL')
    outgoing.writeHead(204).end()
    if (AFTER_ANSWER.includes(came.length)) program?.process.kill('SIGKILL')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
  rmSync(folder, { recursive: true })
})

it('every entry comes, in order, and again under the same id where a kill came between', async () => {
  const path = join(folder, 'test.sqlite')
  let kills = 0
  const isAll = () => new Set(came.map(({ id }) => id)).size === ENTRIES
  const start = async (entries: number) => {
    program = runProgram(PROGRAM, [path, url, String(entries)])
    await program.next()
    void program.ended.then(async () => {
      if (isAll()) return
      kills++
      await start(0)
    })
  }
  await start(ENTRIES)
  await until('all have come', async () => isAll())
  program?.process.kill('SIGKILL')
  await program?.ended

  expect(kills).toBe(BEFORE_ANSWER.length + AFTER_ANSWER.length)
  const first = new Map(came.map(({ id, body }) => [id, body]))
  const seqs = [...first.values()].map((body) => JSON.parse(body).data.seq)
  // The first entry tells of the webhook itself.
  expect(seqs).toEqual(Array.from({ length: ENTRIES }, (_, i) => i + 2))
  // One more for each kill before the answer, and perhaps for those just after it.
  expect(came.length).toBeGreaterThanOrEqual(ENTRIES + BEFORE_ANSWER.length)
  expect(came.length).toBeLessThanOrEqual(ENTRIES + kills)
  for (const { id, body } of came) expect(body).toBe(first.get(id))
  const order = came.map(({ body }) => Number(JSON.parse(body).data.seq))
  expect(order).toEqual(order.toSorted((a, b) => a - b))
})

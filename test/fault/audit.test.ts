/** Whoever writes to the log is killed: no gap, no fork, and nothing is lost that was committed. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ChainWalk, walkLines } from '../../src/audit/verify.ts'
import { AuditWorld, linesOf } from '../support/audit-world.ts'
import { runProgram } from '../support/program.ts'

let folder: string
let path: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-audit-'))
  path = join(folder, 'test.sqlite')
})
afterEach(() => rmSync(folder, { recursive: true }))

const PROGRAM = 'test/support/audit-program.ts'

/** How many entries there are, one more than before; throws where they do not hold. */
async function checked(): Promise<number> {
  const world = await AuditWorld.open(path)
  await world.fill(1)
  const entries = await world.entries()
  await world.database.close()
  expect(await walkLines(new ChainWalk(), linesOf(entries))).toBeUndefined()
  return entries.length
}

it('a writer killed between appending and committing has appended nothing', async () => {
  const writer = runProgram(PROGRAM, [path, 'hold'])
  expect(await writer.next()).toEqual({ seq: 2 })
  writer.process.kill('SIGKILL')
  await writer.ended
  expect(await checked()).toBe(2)
})

it('writers killed at any time leave whole chains, with all that they told of', async () => {
  let told = 0
  for (const lines of [1, 7, 23]) {
    // One after the other: the first of them makes the database.
    const writers = [runProgram(PROGRAM, [path])]
    await writers[0]?.next()
    writers.push(runProgram(PROGRAM, [path]))
    for (let i = 0; i < lines; i++) {
      for (const writer of writers) told = Math.max(told, Number((await writer.next())['seq']))
    }
    for (const writer of writers) writer.process.kill('SIGKILL')
    await Promise.all(writers.map(({ ended }) => ended))
    expect(await checked()).toBeGreaterThan(told)
  }
})

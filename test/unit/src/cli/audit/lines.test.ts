/** The lines of a log, from a file and from a service that may be no friend. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { ApiClient } from '../../../../../src/cli/api-client.ts'
import { exportedLines, linesOfFile } from '../../../../../src/cli/audit/lines.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-lines-'))
afterAll(() => rmSync(folder, { recursive: true }))

async function read(lines: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const line of lines) all.push(line)
  return all
}
const fromFile = (content: string) => {
  const path = join(folder, 'log.jsonl')
  writeFileSync(path, content)
  return read(linesOfFile(path))
}

describe('a file', () => {
  it('is cut at line feeds only, however it ends', async () => {
    const line = JSON.stringify({ text: 'a\u2028b\u2029c\u0085d' })
    expect(await fromFile(`${line}\n\n{}\r\n{}`)).toEqual([line, '{}\r', '{}'])
    expect(await fromFile('')).toEqual([])
  })

  it('may be long, where its lines are not', async () => {
    const line = `"${'ü'.repeat(700)}"`
    const lines = await fromFile(`${line}\n`.repeat(3_000))
    expect([lines.length, new Set(lines)]).toEqual([3_000, new Set([line])])
    await expect(fromFile('x'.repeat(3 << 20))).rejects.toMatchObject({ code: 'file' })
  })
})

describe('a service', () => {
  it('is not asked for ever, where it gives the same entries again', async () => {
    const body = Buffer.from('{"seq":1}\n'.repeat(2_000))
    const api = { send: async () => ({ body }) } as unknown as ApiClient
    await expect(read(exportedLines(api, 1))).rejects.toMatchObject({ code: 'gap' })
  })
})

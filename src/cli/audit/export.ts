/** `firstlight audit export`: the log as JSON lines, in a file or on stdout. */
import { createWriteStream, renameSync, rmSync } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { call } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { exportedLines, isEntryLine } from './lines.ts'
import { shown } from './verify.ts'

export interface Exported {
  entries: number
  countersignatures: number
}

/** A file appears under its name once it is whole. */
export async function exportLog(
  api: ApiClient,
  { out, from }: { readonly out: string | undefined; readonly from: number },
): Promise<Exported> {
  const { seq } = await call(api, 'GET /audit/head', {})
  const lines = shown(exportedLines(api, from), 'exporting', Math.max(0, seq - from + 1))
  const exported: Exported = { entries: 0, countersignatures: 0 }
  if (out === undefined) {
    await pipeline(counted(lines, exported), process.stdout, { end: false })
  } else {
    const draft = `${out}.${process.pid}.new`
    try {
      await pipeline(counted(lines, exported), createWriteStream(draft, { mode: 0o600 }))
      renameSync(draft, out)
    } catch (error) {
      rmSync(draft, { force: true })
      throw error
    }
  }
  return exported
}

async function* counted(lines: AsyncIterable<string>, counts: Exported): AsyncGenerator<string> {
  for await (const line of lines) {
    counts[isEntryLine(line) ? 'entries' : 'countersignatures']++
    yield `${line}\n`
  }
}

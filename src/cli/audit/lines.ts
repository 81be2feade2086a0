/** The lines of an audit log: from the service, part by part, or from a file. */
import { createReadStream } from 'node:fs'
import type { ApiClient } from '../api-client.ts'
import { CliFailure } from '../failure.ts'

/** Entries asked for at once, which is as many as the service gives. */
const PART = 2_000
const MOST_LINE_CHARACTERS = 1 << 20

/** Whether a line of an export is an entry, and no countersignature. */
export function isEntryLine(line: string): boolean {
  return !line.startsWith('{"countersignature"')
}

/** From entry `from` to the end; memory holds one part. */
export async function* exportedLines(api: ApiClient, from = 1): AsyncGenerator<string> {
  for (let next = from; ;) {
    const path = `/api/v1/audit/export?from=${next}&limit=${PART}`
    const { body } = await api.send(path, { accept: 'application/x-ndjson' })
    const lines = body.toString('utf8').split('\n').filter(isNotEmpty)
    yield* lines
    const entries = lines.filter(isEntryLine)
    if (entries.length < PART) return
    next = numberAfter(entries.at(-1), next)
  }
}

function numberAfter(line = '', from: number): number {
  const { seq } = JSON.parse(line) as { seq?: unknown }
  if (typeof seq === 'number' && seq >= from) return seq + 1
  throw new CliFailure('check-failed', `entries from ${from} on come in no order`, { code: 'gap' })
}

/** `readline` would cut lines at U+2028, too, which JSON may hold. */
export async function* linesOfFile(path: string): AsyncGenerator<string> {
  let rest = ''
  for await (const part of createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 18 })) {
    const lines = `${rest}${String(part)}`.split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MOST_LINE_CHARACTERS) {
      throw new CliFailure('failed', `${path} is no audit log: its lines are too long`, {
        code: 'file',
      })
    }
    yield* lines.filter(isNotEmpty)
  }
  if (isNotEmpty(rest)) yield rest
}

function isNotEmpty(line: string): boolean {
  return line.trim() !== ''
}

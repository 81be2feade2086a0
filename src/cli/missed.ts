/** What happened after a back-up, as a log tells that was kept elsewhere; for people. */
import { fromHex } from '../../protocol/bytes.ts'
import { type Fork, type Missed, NotThatLog, missedSince } from '../audit/missed.ts'
import { parseLine } from '../audit/lines.ts'
import { linesOfFile } from './audit/lines.ts'
import { CliFailure } from './failure.ts'
import { table } from './output.ts'

/** By the party whose log it is. */
export async function missedFrom(
  forks: readonly { readonly party: string; readonly seq: number; readonly hash: string }[],
  path: string,
): Promise<Missed> {
  const party = await partyIn(path)
  const fork = forks.find((one) => one.party === party)
  if (fork) return missedInFile({ ...fork, hash: fromHex(fork.hash) }, path)
  throw new CliFailure('check-failed', `${path}: the log of ${party}, which is no party here`, {
    code: 'log',
  })
}

async function partyIn(path: string): Promise<string> {
  for await (const line of linesOfFile(path)) {
    const { entry } = parseLine(line)
    if (entry) return entry.party
  }
  throw new CliFailure('check-failed', `${path}: no entry of an audit log is in it`, {
    code: 'log',
  })
}

export async function missedInFile(fork: Fork, path: string): Promise<Missed> {
  try {
    return await missedSince(fork, linesOfFile(path))
  } catch (cause) {
    if (!(cause instanceof NotThatLog)) throw cause
    throw new CliFailure('check-failed', `${path}: ${cause.message}`, { code: 'log', cause })
  }
}

export function missedText({ entries, until, moved, gained, sold }: Missed): string {
  if (entries === 0) return 'nothing happened after the back-up'
  const parts = [`entries after the back-up: ${entries}, the last of ${until}`]
  if (moved.length > 0) {
    const rows = table(moved, [
      { title: 'DEVICE', value: ({ device }) => device },
      { title: 'GUID HERE', value: ({ previous_guid }) => previous_guid },
      { title: 'GUID NOW', value: ({ guid }) => guid },
    ])
    parts.push(
      `onboarded since; their GUIDs have moved on, and their vouchers are not here:\n${rows}`,
    )
  }
  if (gained.length > 0) {
    parts.push(`made or imported since; import their vouchers if you have them:\n${named(gained)}`)
  }
  if (sold.length > 0) {
    parts.push(`sold since; do not sell these again:\n${named(sold)}`)
  }
  return parts.join('\n\n')
}

function named(rows: Missed['gained']): string {
  return table(rows, [
    { title: 'GUID', value: ({ guid }) => guid },
    { title: 'DEVICE', value: ({ device }) => device },
  ])
}

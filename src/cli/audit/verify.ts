/** `firstlight audit verify`: is the log whole, as far as can be told from here? */
import { type Bytes, fromHex, toHex } from '../../../protocol/bytes.ts'
import { fingerprintOf } from '../../audit/head.ts'
import { ChainWalk, type Flaw, type Held, walkLines } from '../../audit/verify.ts'
import type { ApiClient } from '../api-client.ts'
import { CliFailure } from '../failure.ts'
import { readPublicKey } from '../key-files.ts'
import { facts, progress } from '../output.ts'
import { exportedLines, isEntryLine, linesOfFile } from './lines.ts'
import { readWitnessState } from './witness-state.ts'

export interface Anchors {
  /** Files of public keys. */
  readonly witness?: readonly string[]
  /** Files that witnesses keep. */
  readonly state?: readonly string[]
  /** `SEQ:HASH`, as `audit head` printed it. */
  readonly head?: readonly string[]
}

export interface Verified {
  readonly party: string | null
  readonly entries: number
  readonly head: { readonly seq: number; readonly hash: string; readonly at: string } | null
  readonly countersigned: readonly {
    readonly witness: string
    readonly seq: number
    readonly witnessed_at: string
  }[]
}

/** Throws a CliFailure that names the first broken link. */
export async function verifyLog(
  source: ApiClient | string,
  { witness = [], state = [], head = [] }: Anchors,
): Promise<Verified> {
  const witnesses = witness.map((path) => readPublicKey(path).key)
  const walk = new ChainWalk({ witnesses, heads: [...state.map(headOfState), ...head.map(headOf)] })
  const flaw = await walkLines(walk, await linesOf(source))
  if (flaw) throw brokenAt(flaw)
  if (typeof source === 'string' && walk.count === 0) {
    throw new CliFailure('check-failed', `${source} holds no entry of any log`, {
      code: 'empty',
      next: 'firstlight audit export writes one',
    })
  }
  const absent = witnesses
    .map(({ spki }) => fingerprintOf(spki))
    .find((fingerprint) => !walk.held.some((one) => one.witness === fingerprint))
  if (absent !== undefined) {
    throw new CliFailure('check-failed', `no head of this log was countersigned by ${absent}`, {
      code: 'not-countersigned',
      next: 'ask the witness for its state file, and give that with --state',
    })
  }
  return verified(walk)
}

/** With a bar where it is known how many come. */
async function linesOf(source: ApiClient | string): Promise<AsyncIterable<string>> {
  if (typeof source === 'string') return linesOfFile(source)
  const { seq } = await source.json<{ seq: number }>('/api/v1/audit/head')
  return shown(exportedLines(source), 'verifying', seq)
}

/** Passes lines on, and shows how far it is. */
export async function* shown(
  lines: AsyncIterable<string>,
  label: string,
  total: number,
): AsyncGenerator<string> {
  const bar = progress(label, total)
  try {
    for await (const line of lines) {
      yield line
      if (isEntryLine(line)) bar.advance()
    }
  } finally {
    bar.stop()
  }
}

export function brokenAt({ seq, kind, detail }: Flaw): CliFailure {
  return new CliFailure('check-failed', `broken at entry ${seq}: ${detail}`, {
    code: kind,
    next: 'keep what you have of this log: it no longer says what it said',
  })
}

interface SeenHead {
  readonly seq: number
  readonly hash: Bytes
}

function headOfState(path: string): SeenHead {
  const state = readWitnessState(path)
  if (state) return state.statement
  throw new CliFailure('failed', `there is no ${path}`, { code: 'file' })
}

function headOf(text: string): SeenHead {
  const [, seq, hash] = /^(\d{1,15}):([0-9a-f]{64})$/i.exec(text) ?? []
  if (hash !== undefined) return { seq: Number(seq), hash: fromHex(hash) }
  throw new CliFailure('usage', `--head: not SEQ:HASH: ${text}`, {
    next: 'firstlight audit head prints it',
  })
}

function verified({ last, count, held }: ChainWalk): Verified {
  return {
    party: last?.party ?? null,
    entries: count,
    head: last ? { seq: last.seq, hash: toHex(last.hash), at: last.at } : null,
    countersigned: held.map(({ witness, seq, witnessedAt }: Held) => {
      return { witness, seq, witnessed_at: witnessedAt }
    }),
  }
}

export function verifiedText({ party, entries, head, countersigned }: Verified): string {
  if (!head) return 'nothing is in this log yet'
  return facts([
    ['party', party],
    ['entries', `${entries}, whole`],
    ['head', `${head.seq}:${head.hash}`],
    ['written', head.at],
    ...countersigned.map(({ witness, seq, witnessed_at }) => {
      const since = head.seq - seq
      const text = `up to ${seq} at ${witnessed_at} by ${witness}; ${since} entries since`
      return ['countersigned', text] as const
    }),
  ])
}

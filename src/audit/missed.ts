/**
 * What a log that goes on further tells of vouchers and devices: what an installation does not know
 * that was restored from a back-up, and whose own log goes on otherwise from there.
 */
import { type AuditEntry } from './entry.ts'
import type { Head } from './head.ts'
import { MalformedLine, parseLine } from './lines.ts'
import { ChainWalk, type Flaw } from './verify.ts'

/** Where two logs part: the last entry that both have; none where they have nothing in common. */
export type Fork = Pick<Head, 'party' | 'seq' | 'hash'>

export interface Moved {
  readonly device: string
  readonly guid: string
  readonly previous_guid: string
}

export interface Named {
  readonly guid: string
  readonly device: string | null
}

export interface Missed {
  readonly party: string
  /** How many entries follow the fork. */
  readonly entries: number
  /** Of the last of them. */
  readonly until: string | null
  /** Onboarded since: they answer to another GUID now, whose voucher is not here. */
  readonly moved: readonly Moved[]
  /** Made or imported since: their vouchers are not here. */
  readonly gained: readonly Named[]
  /** Sold since: their vouchers are here, and no longer this party's. */
  readonly sold: readonly Named[]
}

/** The link that does not hold: it is not the same log, was changed, or does not reach the fork. */
export class NotThatLog extends Error {
  override readonly name = 'NotThatLog'
}

const GAINED = new Set(['voucher-made', 'voucher-imported'])
const SOLD = 'voucher-handed-over'
const ONBOARDED = 'onboarded'

/** `lines` as exported, from the beginning or from any entry up to the fork. Throws NotThatLog. */
export async function missedSince(fork: Fork, lines: AsyncIterable<string>): Promise<Missed> {
  const walk = fork.seq === 0 ? new ChainWalk(fork) : new ChainWalk({ start: { ...fork, at: '' } })
  const since = new Since(fork.party)
  for await (const text of lines) {
    const entry = entryIn(text)
    // What both have is held in place by the fork's hash.
    if (!entry || entry.seq < fork.seq) continue
    const flaw = walk.takeEntry(entry)
    if (flaw) throw new NotThatLog(textOf(flaw, fork))
    if (entry.seq > fork.seq) since.take(entry)
  }
  if (walk.due <= fork.seq) {
    throw new NotThatLog(`it ends before entry ${fork.seq}: the back-up is newer than this log`)
  }
  return since.missed()
}

function entryIn(text: string): AuditEntry | undefined {
  try {
    return parseLine(text).entry
  } catch (error) {
    if (error instanceof MalformedLine) throw new NotThatLog(`a line is ${error.message}`)
    throw error
  }
}

function textOf({ seq, detail }: Flaw, fork: Fork): string {
  if (seq > fork.seq) return `broken at entry ${seq}: ${detail}`
  return `its entry ${fork.seq} is not ours: the log of another party or installation, or a rewritten one`
}

class Since {
  readonly #party: string
  #entries = 0
  #until: string | null = null
  /** By device: of a device that was onboarded twice the first GUID it had and the last. */
  readonly #moved = new Map<string, Moved>()
  readonly #gained = new Map<string, Named>()
  readonly #sold = new Map<string, Named>()

  constructor(party: string) {
    this.#party = party
  }

  take({ type, at, subject, detail }: AuditEntry): void {
    const { guid, device } = subject
    this.#entries++
    this.#until = at
    if (guid === undefined) return
    if (type === ONBOARDED) this.#onboarded(guid, device ?? guid, detail?.['previous_guid'])
    else if (GAINED.has(type)) this.#gained.set(guid, { guid, device: device ?? null })
    else if (type === SOLD) this.#sold.set(guid, { guid, device: device ?? null })
  }

  #onboarded(guid: string, device: string, previous: unknown): void {
    const first = this.#moved.get(device)?.previous_guid ?? String(previous ?? '')
    // Made since, too: nothing of it is here under any name.
    if (this.#gained.delete(first)) this.#gained.set(guid, { guid, device })
    else if (!this.#gained.has(guid))
      this.#moved.set(device, { device, guid, previous_guid: first })
  }

  missed(): Missed {
    return {
      party: this.#party,
      entries: this.#entries,
      until: this.#until,
      moved: [...this.#moved.values()],
      gained: [...this.#gained.values()].filter(({ guid }) => !this.#sold.has(guid)),
      sold: [...this.#sold.values()].filter(({ guid }) => !this.#gained.has(guid)),
    }
  }
}

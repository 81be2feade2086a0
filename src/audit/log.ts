/**
 * Writing to the audit log: in the transaction of what it tells about, so that both are there or
 * neither is.
 *
 *     await database.commit(async (tx) => {
 *       await store.remove(tx, guid)
 *       await audit.append(tx, { party, type: 'voucher-deleted', by: principal.id, subject: { guid } })
 *     })
 */
import type { Clock } from '../clock.ts'
import { type Executor, isOnPostgres } from '../database/connection.ts'
import { type Detail, type Subject, beginningOf, bytesOf, hashOf } from './entry.ts'
import type { Head } from './head.ts'
import { addPending } from './pending/store.ts'
import { type EntryDraft, addEntry, findHead } from './store.ts'
import type { EntryType } from './types.ts'

export interface NewEntry {
  /** Whose log it goes to. Of what concerns two parties each gets an entry of its own. */
  readonly party: string
  readonly type: EntryType
  /** The principal's id, or `system`, or `device`. */
  readonly by: string
  readonly subject: Subject
  /** Small, and without secrets: it is kept for good. */
  readonly detail?: Detail
}

const NOTHING = new Uint8Array(0)
const MOST_DETAIL_CHARACTERS = 8_192

export class AuditLog {
  readonly #clock: Clock

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** Several at once cost less than one by one: a party's head is read once. */
  async append(tx: Executor, ...entries: readonly NewEntry[]): Promise<void> {
    const at = this.#clock.now().toISOString()
    const drafts = entries.map((entry) => draftOf(entry, at))
    if (isOnPostgres(tx)) for (const draft of drafts) await leave(tx, draft)
    else await chain(tx, drafts)
  }
}

const MOST_BRIEF_CHARACTERS = 256

/** Text from outside, as much of it as a detail has room for. */
export function brief(text: string): string {
  const most = MOST_BRIEF_CHARACTERS
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

/** Gives each its place behind the last of its party; to be called by one at a time. */
export async function chain(tx: Executor, drafts: readonly EntryDraft[]): Promise<void> {
  const heads = new Map<string, Pick<Head, 'seq' | 'hash'>>()
  for (const draft of drafts) {
    const { party } = draft
    const head = heads.get(party) ?? (await findHead(tx, party))
    const previous = head?.hash ?? beginningOf(party)
    const content = { ...draft, seq: (head?.seq ?? 0) + 1, previous }
    const entry = { ...content, hash: hashOf(content) }
    await addEntry(tx, entry)
    heads.set(party, entry)
  }
}

function draftOf(entry: NewEntry, at: string): EntryDraft {
  const { party, type, by, subject, detail = null } = entry
  refuseLong(type, detail)
  return { party, type, by, subject, detail, at }
}

/** Who appends learns at once of what cannot be hashed. */
async function leave(tx: Executor, draft: EntryDraft): Promise<void> {
  bytesOf({ ...draft, seq: 1, previous: NOTHING })
  await addPending(tx, draft)
}

/** What comes from outside is cut short before it gets here: see `brief`. */
function refuseLong(type: string, detail: Detail | null): void {
  if (detail && JSON.stringify(detail).length > MOST_DETAIL_CHARACTERS) {
    throw new RangeError(`${type}: too much detail for the audit log`)
  }
}

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
import type { Executor } from '../database/connection.ts'
import { type AuditEntry, type Detail, type Subject, beginningOf, hashOf } from './entry.ts'
import { addEntry, findHead } from './store.ts'
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

const MOST_DETAIL_CHARACTERS = 8_192

export class AuditLog {
  readonly #clock: Clock

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** Several at once cost less than one by one: a party's head is read once. */
  async append(tx: Executor, ...entries: readonly NewEntry[]): Promise<readonly AuditEntry[]> {
    const at = this.#clock.now().toISOString()
    const heads = new Map<string, Pick<AuditEntry, 'seq' | 'hash'>>()
    const appended: AuditEntry[] = []
    for (const { party, type, by, subject, detail = null } of entries) {
      refuseLong(type, detail)
      const head = heads.get(party) ?? (await findHead(tx, party))
      const content = {
        ...{ party, at, type, by, subject, detail },
        seq: (head?.seq ?? 0) + 1,
        previous: head?.hash ?? beginningOf(party),
      }
      const entry = { ...content, hash: hashOf(content) }
      await addEntry(tx, entry)
      heads.set(party, entry)
      appended.push(entry)
    }
    return appended
  }
}

const MOST_BRIEF_CHARACTERS = 256

/** Text from outside, as much of it as a detail has room for. */
export function brief(text: string): string {
  const most = MOST_BRIEF_CHARACTERS
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`
}

/** What comes from outside is cut short before it gets here: see `brief`. */
function refuseLong(type: string, detail: Detail | null): void {
  if (detail && JSON.stringify(detail).length > MOST_DETAIL_CHARACTERS) {
    throw new RangeError(`${type}: too much detail for the audit log`)
  }
}

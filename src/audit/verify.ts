/**
 * Walks a party's log from its beginning and names the first broken link.
 *
 * Without anything from outside it finds what was changed, removed, put in or moved without all that
 * follows being written anew. Who holds the database may do just that: it takes a head kept elsewhere
 * to find it. Each head that a trusted witness has signed, and each given as it was seen, holds all
 * entries up to it in place; what came after the last of them may have been rewritten, and a head
 * countersigned later may have been deleted along with it. The witness's own note of the last head it
 * signed leaves no such gap.
 */
import { type Bytes, equalBytes } from '../../protocol/bytes.ts'
import type { VerifyKey } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import { type AuditEntry, beginningOf, hashOf } from './entry.ts'
import {
  type Countersignature,
  type Head,
  fingerprintOf,
  isSignedBy,
  parseCountersignature,
} from './head.ts'
import { type Line, MalformedLine, parseLine } from './lines.ts'

export type FlawKind =
  'malformed' | 'party' | 'gap' | 'hash' | 'previous' | 'head' | 'cut' | 'countersignature'

/** The first link that does not hold. */
export interface Flaw {
  /** Of the entry where it shows: nothing before it is broken. */
  readonly seq: number
  readonly kind: FlawKind
  readonly detail: string
}

export interface Walk {
  /** Whose log it has to be; without it, the first entry's. */
  readonly party?: string
  /** Begin at this head instead of the first entry, trusting what led to it. */
  readonly start?: Head
  /** As seen outside the installation. */
  readonly heads?: readonly Pick<Head, 'seq' | 'hash'>[]
  /** Whose countersignatures count. */
  readonly witnesses?: readonly VerifyKey[]
}

/** How far the entries are held in place by a countersignature. */
export interface Held {
  readonly seq: number
  readonly witness: string
  readonly witnessedAt: string
}

export class ChainWalk {
  readonly #witnesses: ReadonlyMap<string, VerifyKey>
  /** Hashes known from outside, of entries that have not come yet. */
  readonly #expected = new Map<number, Bytes[]>()
  readonly #held = new Map<string, Held>()
  #party: string | undefined
  #next: number
  #last: AuditEntry | undefined
  #count = 0
  /** The last entry that was as seen from outside. */
  #anchored = 0

  constructor({ party, start, heads = [], witnesses = [] }: Walk = {}) {
    this.#party = start?.party ?? party
    this.#next = start?.seq ?? 1
    this.#witnesses = new Map(witnesses.map((key) => [fingerprintOf(key.spki), key]))
    for (const { seq, hash } of start ? [start, ...heads] : heads) this.#expect(seq, hash)
  }

  /** The number that the next entry must have. */
  get due(): number {
    return this.#next
  }

  get last(): AuditEntry | undefined {
    return this.#last
  }

  /** How many entries it has seen. */
  get count(): number {
    return this.#count
  }

  /** The last head that each trusted witness has signed. */
  get held(): readonly Held[] {
    return [...this.#held.values()]
  }

  /** The next entry, or undefined: all is well up to it. */
  takeEntry(entry: AuditEntry): Flaw | undefined {
    const flaw = this.#flawOf(entry)
    if (flaw) return flaw
    this.#party = entry.party
    this.#last = entry
    this.#next = entry.seq + 1
    this.#count++
    return undefined
  }

  /** One of a witness that is not trusted counts for nothing, for or against the log. */
  async takeCountersignature(countersignature: Countersignature): Promise<Flaw | undefined> {
    const { statement, witness } = countersignature
    const { seq, hash, party, witnessedAt } = statement
    const key = this.#witnesses.get(witness)
    if (!key) return undefined
    const by = `countersignature of ${seq} by ${witness.slice(0, 16)}…`
    if (!(await isSignedBy(countersignature, key))) {
      return flawAt(seq, 'countersignature', `the ${by} is not of that key`)
    }
    if (this.#party !== undefined && party !== this.#party) {
      return flawAt(seq, 'countersignature', `the ${by} is about ${party}`)
    }
    if (seq < this.#next - 1) {
      return flawAt(seq, 'countersignature', `the ${by} does not follow its entry`)
    }
    this.#held.set(witness, { seq, witness, witnessedAt })
    this.#expect(seq, hash)
    return this.#last?.seq === seq ? this.#compare(this.#last) : undefined
  }

  /** To be asked when nothing more comes. */
  end(): Flaw | undefined {
    const [seq] = [...this.#expected.keys()].toSorted((a, b) => a - b)
    if (seq === undefined) return undefined
    const detail = `the log ends before entry ${seq}, which was seen from outside`
    return flawAt(this.#next, 'cut', detail)
  }

  #expect(seq: number, hash: Bytes): void {
    this.#expected.set(seq, [...(this.#expected.get(seq) ?? []), hash])
  }

  /** With what was seen of it from outside. */
  #compare({ seq, hash }: AuditEntry): Flaw | undefined {
    const seen = this.#expected.get(seq)
    if (!seen) return undefined
    if (!seen.every((one) => equalBytes(one, hash))) {
      const whole =
        this.#anchored === 0 ? 'it, or one before it,' : `it, or one after ${this.#anchored},`
      return flawAt(seq, 'head', `not the entry that was seen from outside: ${whole} was rewritten`)
    }
    this.#expected.delete(seq)
    this.#anchored = seq
    return undefined
  }

  #flawOf(entry: AuditEntry): Flaw | undefined {
    const { seq, party } = entry
    if (party !== (this.#party ?? party)) {
      return flawAt(this.#next, 'party', `an entry of ${party} among those of ${this.#party}`)
    }
    if (seq !== this.#next) {
      return flawAt(
        this.#next,
        'gap',
        `entry ${this.#next} is not there: ${seq} stands in its place`,
      )
    }
    if (!isItsHash(entry)) return flawAt(seq, 'hash', 'its hash is not that of what it says')
    const previous = this.#last ? this.#last.hash : seq === 1 ? beginningOf(party) : undefined
    if (previous && !equalBytes(entry.previous, previous)) {
      const before = seq === 1 ? 'it does not begin a log' : `entry ${seq - 1} is another`
      return flawAt(seq, 'previous', `${before}: it was written after one that is not here now`)
    }
    return this.#compare(entry)
  }
}

function isItsHash(entry: AuditEntry): boolean {
  try {
    return equalBytes(hashOf(entry), entry.hash)
  } catch (error) {
    // A number with a fraction: nothing that was ever written.
    if (error instanceof TypeError) return false
    throw error
  }
}

function flawAt(seq: number, kind: FlawKind, detail: string): Flaw {
  return { seq, kind, detail }
}

/** Walks all lines of an export; the flaw of a line that says nothing is that of the entry due. */
export async function walkLines(
  walk: ChainWalk,
  lines: AsyncIterable<string> | Iterable<string>,
): Promise<Flaw | undefined> {
  for await (const text of lines) {
    const taken = takeLine(walk, text)
    const flaw = taken instanceof Promise ? await taken : taken
    if (flaw) return flaw
  }
  return walk.end()
}

/** At once for entries, of which there are many. */
function takeLine(walk: ChainWalk, text: string): Flaw | undefined | Promise<Flaw | undefined> {
  try {
    const line: Line = parseLine(text)
    if (line.entry) return walk.takeEntry(line.entry)
    return walk.takeCountersignature(parseCountersignature(line.countersignature))
  } catch (error) {
    if (!(error instanceof MalformedLine || error instanceof FdoError)) throw error
    return flawAt(walk.due, 'malformed', error.message)
  }
}

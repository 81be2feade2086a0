/**
 * The list of credentials that are over before their end, for those who check certificates without
 * asking us. Signed when somebody asks for it and it is old, or something has to be on it that is not.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Database } from '../../database/open.ts'
import { signedCertificate } from '../der.ts'
import { type Issuer, spkiHashOf } from '../issue.ts'
import { ISSUING_CA } from '../profiles.ts'
import { type ListEntry, revocationListTbs, revokedCertificate } from './encoding.ts'
import type { RevocationReason } from './revoke.ts'
import { type ListRow, findList, listOver, putList } from './store.ts'

export interface RevocationListServices {
  readonly database: Database
  readonly now: () => Date
}

const HOUR_MS = 3_600_000
const LIFETIME_MS = 24 * HOUR_MS
/** Whoever fetches it has it for twelve hours at least. */
const RENEW_AFTER_MS = LIFETIME_MS / 2
/** A list so long takes a while to sign: what comes meanwhile has to wait for the next. */
const LONG_BYTES = 64 * 1024
const PAUSE_MS = 60_000
/** Entries, some milliseconds of work. */
const AT_ONCE = 500
const AUTHORITY = ISSUING_CA.name

type Signed = ListRow & { readonly der: Bytes }

export class RevocationList {
  readonly #services: RevocationListServices
  #known: { readonly row: Signed; readonly readAt: number } | undefined
  #making: Promise<Signed> | undefined

  constructor(services: RevocationListServices) {
    this.#services = services
  }

  /** DER, good for some hours from now on. */
  async current(issuer: Issuer): Promise<Bytes> {
    const { database } = this.#services
    const readAt = database.changesOf('revocation_list')
    if (this.#known?.readAt === readAt && this.#isGood(this.#known.row, issuer)) {
      return this.#known.row.der
    }
    const found = await this.#find()
    const row = this.#isGood(found, issuer) ? found : await this.#make(issuer)
    this.#known = { row, readAt }
    return row.der
  }

  #isGood(row: ListRow, issuer: Issuer): row is Signed {
    if (row.der === null || row.this_update === null) return false
    if (row.key !== spkiHashOf(issuer.signer.key.spki)) return false
    const ageMs = this.#services.now().getTime() - Date.parse(row.this_update)
    const isComplete = row.changes === row.made_from
    const mayWait = row.der.length > LONG_BYTES && ageMs < PAUSE_MS
    return ageMs < RENEW_AFTER_MS && (isComplete || mayWait)
  }

  async #find(): Promise<ListRow> {
    const row = await findList.first(this.#services.database.db, { authority: AUTHORITY })
    if (!row) throw new Error('the row of the revocation list is gone')
    return row
  }

  /** Once for all who ask meanwhile. */
  #make(issuer: Issuer): Promise<Signed> {
    this.#making ??= this.#sign(issuer).finally(() => (this.#making = undefined))
    return this.#making
  }

  /** Outside of a transaction: others would wait for it. Of two who make a number one is too late. */
  async #sign(issuer: Issuer): Promise<Signed> {
    const { database, now } = this.#services
    for (;;) {
      // Read before what is listed: a change after it leads to another list, never to none.
      const before = await this.#find()
      if (this.#isGood(before, issuer)) return before
      const made = await this.#next(issuer, before, now())
      const change = { ...made, before: before.number }
      if ((await database.commit((tx) => putList.run(tx, change))) > 0) return made
    }
  }

  async #next(issuer: Issuer, before: ListRow, at: Date): Promise<Signed> {
    // Certificates and lists know no fractions of a second.
    const thisUpdate = new Date(Math.floor(at.getTime() / 1000) * 1000)
    const tbs = revocationListTbs({
      issuer,
      number: before.number + 1,
      thisUpdate,
      nextUpdate: new Date(thisUpdate.getTime() + LIFETIME_MS),
      entries: await this.#entries(thisUpdate),
    })
    return {
      authority: AUTHORITY,
      key: spkiHashOf(issuer.signer.key.spki),
      number: before.number + 1,
      der: signedCertificate(tbs, await issuer.signer.sign(tbs)),
      this_update: thisUpdate.toISOString(),
      changes: before.changes,
      made_from: before.changes,
    }
  }

  /** Each stands on one more list after it has ended by itself. */
  async #entries(thisUpdate: Date): Promise<readonly Bytes[]> {
    const since = new Date(thisUpdate.getTime() - LIFETIME_MS).toISOString()
    const rows = await listOver.all(this.#services.database.db, { since })
    const entries: Bytes[] = []
    for (const row of rows) {
      entries.push(revokedCertificate(entryOf(row)))
      // Devices are waiting, too.
      if (entries.length % AT_ONCE === 0) await nextTurn()
    }
    return entries
  }
}

type OverRow = Awaited<ReturnType<typeof listOver.all>>[number]

function entryOf({ serial, status, status_at, revocation_reason }: OverRow): ListEntry {
  // Written here: see revoke.ts.
  const reason = status === 'revoked' ? (revocation_reason as RevocationReason) : 'superseded'
  return { serial, at: new Date(status_at), reason }
}

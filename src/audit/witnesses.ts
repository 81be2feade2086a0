/**
 * Who outside the installation may countersign a party's log, and what they have signed. That they
 * are listed here only keeps strangers from filling the table: a witness's signature is worth
 * something to whoever has its key from elsewhere (see verify.ts).
 */
import { equalBytes } from '../../protocol/bytes.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'
import { fromPem } from '../../protocol/x509/pem.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import { type Countersignature, fingerprintOf, isSignedBy, parseCountersignature } from './head.ts'
import type { AuditLog } from './log.ts'
import {
  type CountersignatureRow,
  type WitnessRow,
  addCountersignature,
  addWitness,
  entriesFrom,
  findWitness,
  removeWitness,
} from './store.ts'

export interface WitnessesServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: AuditLog
}

export interface NewWitness {
  readonly name: string
  /** A public key, PEM. */
  readonly publicKey: string
}

export class Witnesses {
  readonly #services: WitnessesServices

  constructor(services: WitnessesServices) {
    this.#services = services
  }

  /** One that is listed already stays as it is. */
  add({ name, publicKey }: NewWitness, { party, id }: Principal): Promise<WitnessRow> {
    const { database, clock, audit } = this.#services
    const { spki } = publicKeyOf(publicKey)
    const fingerprint = fingerprintOf(spki)
    const created_at = clock.now().toISOString()
    return database.commit(
      async (tx) => {
        const known = await findWitness(tx, party, fingerprint)
        if (known) return known
        const row = { party, fingerprint, name, spki, created_at }
        await addWitness(tx, row)
        const what = {
          type: 'witness-added',
          subject: { id: fingerprint },
          detail: { name },
        } as const
        await audit.append(tx, { party, by: id, ...what })
        return row
      },
      { durable: true },
    )
  }

  async remove(fingerprint: string, { party, id }: Principal): Promise<void> {
    const { database, audit } = this.#services
    await database.commit(
      async (tx) => {
        if (!(await removeWitness(tx, party, fingerprint))) {
          throw new Problem('not-found', `there is no witness ${fingerprint}`)
        }
        const what = { type: 'witness-removed', subject: { id: fingerprint } } as const
        await audit.append(tx, { party, by: id, ...what })
      },
      { durable: true },
    )
  }

  /** Keeps a head of the party's log that one of its witnesses has signed. */
  async accept(signed: Uint8Array, { party }: Principal): Promise<CountersignatureRow> {
    const { database, clock } = this.#services
    const countersignature = await this.#authentic(signed, party)
    const { witness, statement } = countersignature
    const row = {
      ...{ party, witness, signed },
      seq: statement.seq,
      witnessed_at: statement.witnessedAt,
      created_at: clock.now().toISOString(),
    }
    await database.commit(
      async (tx) => {
        const [entry] = await entriesFrom(tx, party, { from: statement.seq, limit: 1 })
        if (entry?.seq !== statement.seq || !equalBytes(entry.hash, statement.hash)) {
          throw new Problem('check-failed', `entry ${statement.seq} of this log is another`)
        }
        await addCountersignature(tx, row)
      },
      { durable: true },
    )
    return row
  }

  async #authentic(signed: Uint8Array, party: string): Promise<Countersignature> {
    const countersignature = parseCountersignature(signed)
    const { witness, statement } = countersignature
    const { database } = this.#services
    const known = await findWitness(database.db, party, witness)
    if (!known) {
      throw new Problem('not-permitted', `${witness} is no witness of this log`)
    }
    if (!(await isSignedBy(countersignature, importSpki(known.spki)))) {
      throw new Problem('check-failed', `this was not signed by ${witness}`)
    }
    if (statement.party !== party) {
      throw new Problem('check-failed', 'this is the head of another log')
    }
    if (!isTime(statement.witnessedAt)) {
      throw new Problem('invalid-request', 'witnessed_at: not a time in UTC')
    }
    return countersignature
  }
}

function isTime(text: string): boolean {
  const time = new Date(text)
  return !Number.isNaN(time.getTime()) && time.toISOString() === text
}

function publicKeyOf(pem: string) {
  const [spki, ...more] = fromPem(pem) ?? []
  if (!spki || more.length > 0) {
    throw new Problem('invalid-request', 'public_key: not one public key in PEM')
  }
  try {
    return importSpki(spki)
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw new Problem('invalid-request', `public_key: ${cause.message}`, { cause })
  }
}

/**
 * Orders as a line takes them in: by a document that who placed the order has signed. It counts once,
 * and only where the signer is somebody that this line was told to listen to.
 */
import { hash } from 'node:crypto'
import type { NewEntry } from '../../../audit/log.ts'
import type { Executor } from '../../../database/connection.ts'
import type { Events } from '../../../events.ts'
import { Problem } from '../../../http/problem.ts'
import type { KeyInfo } from '../../../secrets/key-info.ts'
import { MANUFACTURER, type SigningKeys } from '../../keys.ts'
import { type Makers, demandMaker } from '../../makers.ts'
import type { FirstOwnerRule } from '../../orders/first-owner-rules.ts'
import type { NewOrder } from '../../orders/service.ts'
import { type OrderRow, insertOrder } from '../../orders/store.ts'
import type { Actor } from '../../stations/service.ts'
import { type ShareDocument, type Signed, lineText, readShare, signClosing } from '../document.ts'
import { Issuers, type IssuerServices } from './issuers.ts'
import * as store from './store.ts'

export interface OrderImportServices extends Omit<IssuerServices, 'events'> {
  readonly events: IssuerServices['events'] & Pick<Events, 'orderImported' | 'orderIssuerTrusted'>
  readonly parties: Makers
  readonly orders: {
    /** Checked, and stored nowhere yet. */
    draft(wanted: NewOrder, party: string): Promise<OrderRow>
    find(party: string, id: string): Promise<OrderRow>
  }
  /** The keys of a party, for every purpose. */
  keysOf(party: string): SigningKeys & {
    ranked(purpose: string): Promise<readonly Pick<KeyInfo, 'fingerprint' | 'spki'>[]>
  }
}

export interface WantedImport {
  /** PEM. */
  readonly document: string
  /** The fingerprint of the key that is to be trusted from now on. */
  readonly issuer: string | undefined
  /** Ids of stations; none for those that the document names, or all. */
  readonly stations: readonly string[]
  /** What it is to be called here; as where it was placed if undefined. */
  readonly name: string | undefined
}

/** As much of a document as the order it led to remembers. */
export interface Source extends Pick<ShareDocument, 'share' | 'order' | 'party' | 'url'> {
  readonly issuer: string
  /** The key of ours that it was made out to. */
  readonly line: string
  /** SHA-256 of the document, hex. */
  readonly document: string
}

/** What is to be stored of an order that was taken in. */
const NAME = /^[\w][\w .:+-]{0,99}$/

export class OrderImports {
  readonly #services: OrderImportServices
  readonly issuers: Issuers

  constructor(services: OrderImportServices) {
    this.#services = services
    this.issuers = new Issuers(services)
  }

  /** Open at once: it was tried where it was placed. A repeat gives the order it led to before. */
  async import(
    wanted: WantedImport,
    { id: by, party }: Actor,
  ): Promise<{ row: OrderRow; isNew: boolean }> {
    const { clock, events, parties } = this.#services
    await demandMaker(parties, party)
    const document = await readShare(wanted.document)
    const source = sourceOf(document, wanted.document)
    const known = await this.#findKnown(this.#services.database.db, party, source)
    if (known) return { row: known, isNew: false }
    const now = clock.now()
    await this.#check(document, wanted.issuer, party, now)
    const order = await this.#rowOf(document, source, wanted, party)
    const { row, isTrusted } = await this.#store(order, source, wanted, by)
    const { share, issuer } = source
    if (isTrusted) events.orderIssuerTrusted({ issuer, party: source.party, by })
    const isNew = row.id === order.id
    if (isNew) events.orderImported({ order: row.id, share, issuer, by })
    return { row, isNew }
  }

  /** Throws conflict for another document of a share that is here already. */
  async #findKnown(db: Executor, party: string, source: Source): Promise<OrderRow | undefined> {
    const known = await store.findImported.first(db, { party, share: source.share })
    if (!known) return undefined
    const before = JSON.parse(known.source ?? '{}') as Partial<Source>
    if (before.document === source.document) return known
    throw new Problem('conflict', `share ${source.share} is here already, by another document`)
  }

  /** Throws check-failed for what was not meant for this line, or not now, or by nobody it knows. */
  async #check(
    document: Signed<ShareDocument>,
    trusted: string | undefined,
    party: string,
    now: Date,
  ): Promise<void> {
    const { database, keysOf } = this.#services
    const { signer, expiresAt, url } = document
    const ours = await keysOf(party).ranked(MANUFACTURER)
    const line = lineText(document)
    if (!ours.some(({ fingerprint }) => fingerprint === line)) {
      throw refused('other-line', `it is for the line ${line}: firstlight order line tells ours`)
    }
    if (trusted !== undefined && trusted !== signer) {
      throw refused('other-issuer', `it was signed by ${signer}, not by ${trusted}`)
    }
    if (trusted === undefined)
      await this.issuers.demand(database.db, party, { issuer: signer, url })
    if (!(new Date(expiresAt) > now)) {
      const next = 'close it where it was placed, and have another one made out'
      throw refused('expired', `it was good until ${expiresAt}: ${next}`)
    }
  }

  async #rowOf(
    document: ShareDocument,
    source: Source,
    wanted: WantedImport,
    party: string,
  ): Promise<OrderRow> {
    const { orders, clock } = this.#services
    const { quantity, model, label, deviceCas, uniqueSerials, expiresAt } = document
    const name = wanted.name ?? document.name
    if (!NAME.test(name)) throw new Problem('invalid-request', 'name: give it another with --name')
    const stations = await this.#stationsFor(document, wanted.stations, party)
    const draft = await orders.draft(
      {
        ...{ name, quantity, model, label, deviceCas, stations },
        rendezvousInfo: directivesOf(document),
        firstOwner: document.firstOwner.map(ruleOf),
        isSerialUnique: uniqueSerials,
        expiresAt: new Date(expiresAt),
      },
      party,
    )
    const opened_at = clock.now().toISOString()
    const { share } = source
    return { ...draft, state: 'open', opened_at, share, source: JSON.stringify(source) }
  }

  /** Those the document names are known here by the same names. */
  async #stationsFor(
    { stations: named }: ShareDocument,
    chosen: readonly string[],
    party: string,
  ): Promise<readonly string[]> {
    if (named.length === 0) return chosen
    if (chosen.length > 0) {
      throw new Problem('invalid-request', `it is for the stations ${named.join(', ')} only`)
    }
    const { db } = this.#services.database
    const found: string[] = []
    for (const name of named) {
      const station = await store.findStation.first(db, { party, name })
      const next = `firstlight station add --name '${name}'`
      if (!station) throw new Problem('conflict', `there is no station ${name} here: ${next}`)
      found.push(station.id)
    }
    return found
  }

  async #store(
    order: OrderRow,
    source: Source,
    wanted: WantedImport,
    by: string,
  ): Promise<{ row: OrderRow; isTrusted: boolean }> {
    const { database, audit } = this.#services
    const { issuers } = this
    const { id, party, name, quantity } = order
    const { share, issuer } = source
    const imported: NewEntry = {
      ...{ party, type: 'order-imported', by, subject: { id } },
      detail: { name, quantity, share, issuer },
    }
    return database.commit(
      async (tx) => {
        const isTrusted =
          wanted.issuer === undefined
            ? await issuers.demand(tx, party, source)
            : await issuers.trust(tx, party, source, by)
        if ((await insertOrder.run(tx, order)) > 0) {
          await audit.append(tx, imported)
          return { row: order, isTrusted }
        }
        const known = await this.#findKnown(tx, party, source)
        if (known) return { row: known, isTrusted }
        const next = 'give this one another with --name'
        throw new Problem('conflict', `there is an order ${name} already: ${next}`)
      },
      { durable: true },
    )
  }

  /** The line's last word on an order, for who placed it. Throws conflict where it may make more. */
  async close(id: string, { party }: Actor): Promise<{ order: OrderRow; statement: string }> {
    const { keysOf, orders, clock } = this.#services
    const order = await orders.find(party, id)
    const { share, source, state, made, closed_at } = order
    if (share === null || source === null)
      throw new Problem('conflict', 'this order was placed here')
    if (state !== 'closed') {
      throw new Problem('conflict', `devices are made to it: firstlight order close ${id}`)
    }
    const { line } = JSON.parse(source) as Source
    const ours = await keysOf(party).ranked(MANUFACTURER)
    const key = ours.find(({ fingerprint }) => fingerprint === line)
    const signer = key && (await keysOf(party).findSigner(MANUFACTURER, key.spki))
    if (!signer) throw new Problem('conflict', 'the key that the order was given to is gone')
    const closedAt = closed_at ?? clock.now().toISOString()
    return { order, statement: await signClosing(signer, { share, made, closedAt }) }
  }
}

function sourceOf(document: Signed<ShareDocument>, pem: string): Source {
  const { share, order, party, url, signer: issuer } = document
  const line = lineText(document)
  return { share, order, party, url, issuer, line, document: hash('sha256', pem.trim(), 'hex') }
}

function ruleOf({ model, to }: ShareDocument['firstOwner'][number]): FirstOwnerRule {
  // Words for parties stand for somebody else here.
  if (to !== 'none' && !to.includes('-----BEGIN')) {
    throw new Problem('invalid-request', `first_owner: neither none nor public keys: ${to}`)
  }
  return model === null ? { to } : { model, to }
}

function directivesOf({ rendezvousInfo }: ShareDocument): readonly unknown[] {
  try {
    const directives: unknown = JSON.parse(rendezvousInfo)
    if (Array.isArray(directives)) return directives
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
  }
  throw new Problem('invalid-request', 'rendezvous_info: no list of directives')
}

function refused(check: string, detail: string): Problem {
  return new Problem('check-failed', detail, { members: { check } })
}

/** The stations of all parties: told of by an administrator, known again when a device comes. */
import { randomBytes } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { parseCertificate } from '../../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../../protocol/x509/chain.ts'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { isRange, isWithin } from '../../addresses.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import type { Events } from '../../events.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import type { ListenerName, Source } from '../../http/source.ts'
import { type Makers, demandMaker } from '../makers.ts'
import { hashOfSecret } from '../../secrets/hash.ts'
import * as store from './store.ts'
import type { StationRow } from './store.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface StationServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'stationAdded' | 'stationRemoved'>
  readonly parties: Makers
  /** Which listeners there are. */
  readonly listeners: ReadonlySet<ListenerName>
}

export interface NewStation {
  readonly name: string
  readonly allow: readonly string[]
  /** PEM; empty for no certificates asked for. */
  readonly clientCas: string
  readonly withSecret: boolean
  /** Undefined for either. */
  readonly listener?: ListenerName | undefined
}

/** What a caller is known as. */
export interface KnownStations {
  readonly party: string
  readonly stations: readonly KnownStation[]
}

export interface KnownStation {
  readonly id: string
  readonly name: string
}

export type Actor = Pick<Principal, 'id' | 'party'>

interface Station extends KnownStation {
  readonly party: string
  readonly allow: readonly string[]
  readonly clientCas: readonly Bytes[]
  readonly secretHash: string | null
  readonly listener: '' | ListenerName
}

export class Stations {
  readonly #services: StationServices
  #known: { readonly stations: readonly Station[]; readonly readAt: number } | undefined

  constructor(services: StationServices) {
    this.#services = services
  }

  /** The secret is shown this once. */
  async add(wanted: NewStation, by: Actor): Promise<{ row: StationRow; secret: string | null }> {
    const { database, clock, events, audit, parties, listeners } = this.#services
    checkStation(wanted, by.party, listeners)
    await demandMaker(parties, by.party)
    const { name, allow, clientCas, withSecret, listener = '' } = wanted
    const secret = withSecret ? randomBytes(32).toString('base64url') : null
    const row: StationRow = {
      id: `${NAME_PREFIXES.station}${randomBytes(12).toString('hex')}`,
      party: by.party,
      name,
      allow: allow.join(' '),
      client_cas: clientCas,
      secret_hash: secret === null ? null : hashOfSecret(secret),
      listener,
      created_at: clock.now().toISOString(),
    }
    const { id, party } = row
    const cas = fromPem(clientCas)?.length ?? 0
    const detail = { name, allow: row.allow, client_cas: cas, secret: withSecret }
    const insert = async (tx: Executor) => {
      const added = await store.insertStation.run(tx, row)
      if (added === 0) throw new Problem('conflict', `there is a station ${name} already`)
      const about = { by: by.id, subject: { id }, detail }
      await audit.append(tx, { party, type: 'station-added', ...about })
    }
    await database.commit(insert, { durable: true })
    events.stationAdded({ station: row.id, name, by: by.id })
    return { row, secret }
  }

  list(page: Parameters<typeof store.listStations>[1]): Promise<StationRow[]> {
    return store.listStations(this.#services.database.db, page)
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<StationRow> {
    return (await store.findStation.first(this.#services.database.db, { party, id })) ?? none(id)
  }

  async remove(id: string, { id: by, party }: Actor): Promise<void> {
    const { database, events, audit } = this.#services
    const remove = async (tx: Executor) => {
      if ((await store.deleteStation.run(tx, { party, id })) === 0) none(id)
      await audit.append(tx, { party, type: 'station-removed', by, subject: { id } })
    }
    await database.commit(remove, { durable: true })
    events.stationRemoved({ station: id, by })
  }

  /** Whose station this caller shows the secret of. Throws for a secret of nobody's. */
  async withSecret(secret: string, source: Source): Promise<KnownStations> {
    const secretHash = hashOfSecret(secret)
    const station = (await this.#all()).find((one) => one.secretHash === secretHash)
    if (!station) throw refused('its enrolment secret is that of no station')
    const flaw = await this.#findFlaw(station, source)
    if (flaw) throw refused(`station ${station.id}: ${flaw}`)
    return this.#standing(station.party, [station])
  }

  /** By address and certificate: the party's own stations first, or those of all others. */
  async findHome(source: Source): Promise<KnownStations | undefined> {
    return this.#match(source, (party) => party === HOME_PARTY)
  }

  async findGuest(source: Source): Promise<KnownStations | undefined> {
    return this.#match(source, (party) => party !== HOME_PARTY)
  }

  async #match(
    source: Source,
    isMeant: (party: string) => boolean,
  ): Promise<KnownStations | undefined> {
    const matching: Station[] = []
    for (const station of await this.#all()) {
      if (station.secretHash !== null || !isMeant(station.party)) continue
      if ((await this.#findFlaw(station, source)) === undefined) matching.push(station)
    }
    const [first] = matching
    if (!first) return undefined
    const other = matching.find(({ party }) => party !== first.party)
    // Whoever is right, the devices of one party must not end up with another.
    if (other) throw refused(`stations of two parties fit it: ${first.id} and ${other.id}`)
    return this.#standing(first.party, matching)
  }

  async #standing(party: string, stations: readonly Station[]): Promise<KnownStations> {
    const { parties } = this.#services
    if (!(await parties.isActive(party))) throw refused(`${party} is suspended`)
    const isMaker = await parties.hasRole(party, 'manufacturer')
    if (!isMaker) throw refused(`${party} does not make devices here`)
    return { party, stations: stations.map(({ id, name }) => ({ id, name })) }
  }

  /** Why this caller is not at the station; undefined if it is. */
  async #findFlaw(station: Station, source: Source): Promise<string | undefined> {
    const { allow, clientCas, listener } = station
    if (listener !== '' && source.listener !== listener) return `it did not come in by ${listener}`
    if (allow.length > 0) {
      // Behind a proxy of somebody's, the address says nothing about the caller.
      if (source.forwarded) return 'it came through a proxy that is not trusted'
      if (!isWithin(source.address, allow)) return `${source.address} is not allowed`
    }
    if (clientCas.length === 0) return undefined
    const { clientCertificate } = source
    if (!clientCertificate) return 'no client certificate was shown'
    const now = this.#services.clock.now()
    const flaw = await findChainFlaw([clientCertificate], { anchors: clientCas, now })
    return flaw && `its client certificate: ${flaw}`
  }

  /** Read again only where some station has changed. */
  async #all(): Promise<readonly Station[]> {
    const { database } = this.#services
    const readAt = database.changesOf('station')
    if (this.#known?.readAt === readAt) return this.#known.stations
    const rows = await store.listAll.all(database.db, {})
    this.#known = { stations: rows.map(stationOf), readAt }
    return this.#known.stations
  }
}

/** Throws invalid-request for a station that others could be taken for, or that nobody could be at. */
function checkStation(
  { allow, clientCas, withSecret, listener }: NewStation,
  party: string,
  listeners: ReadonlySet<ListenerName>,
): void {
  checkListener(listener, clientCas, listeners)
  const bad = allow.find((range) => !isRange(range))
  if (bad !== undefined) throw invalid(`allow: neither an address nor a range: ${bad}`)
  if (clientCas !== '') checkCertificates('client_cas', clientCas)
  if (withSecret || clientCas !== '') return
  if (allow.length === 0) {
    throw invalid('a station needs addresses, client_cas or a secret to be known by')
  }
  // An address belongs to nobody for good: here it is the installation's own network.
  if (party !== HOME_PARTY) throw invalid('a station needs client_cas or a secret, too')
}

function checkListener(
  listener: ListenerName | undefined,
  clientCas: string,
  listeners: ReadonlySet<ListenerName>,
): void {
  if (listener === undefined) return
  if (!listeners.has(listener)) {
    const variable = listener === 'https' ? 'FIRSTLIGHT_TLS_PORT' : 'FIRSTLIGHT_PORT'
    throw invalid(`listener: there is none for ${listener} here: see ${variable}`)
  }
  if (listener === 'http' && clientCas !== '') {
    throw invalid('listener: client certificates are shown by https only')
  }
}

/** Throws invalid-request for what holds no certificates. */
export function checkCertificates(member: string, pem: string): readonly Bytes[] {
  const blocks = fromPem(pem)
  if (!blocks) throw invalid(`${member}: no certificates in PEM`)
  for (const block of blocks) {
    try {
      parseCertificate(block)
    } catch (cause) {
      if (!(cause instanceof FdoError)) throw cause
      throw new Problem('invalid-request', `${member}: ${cause.message}`, { cause })
    }
  }
  return blocks
}

function stationOf({
  id,
  name,
  party,
  allow,
  client_cas,
  secret_hash,
  listener,
}: StationRow): Station {
  return {
    id,
    name,
    party,
    allow: allow.split(' ').filter((range) => range !== ''),
    clientCas: fromPem(client_cas) ?? [],
    secretHash: secret_hash,
    listener,
  }
}

function invalid(detail: string): Problem {
  return new Problem('invalid-request', detail)
}

function none(id: string): never {
  throw new Problem('not-found', `there is no station ${id}`)
}

function refused(reason: string): FdoError {
  return new FdoError('INVALID_MESSAGE_ERROR', `DI is closed to this caller: ${reason}`)
}

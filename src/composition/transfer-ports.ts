/** Voucher transfer, over the vouchers, keys and parties of this service. Part of the composition root. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { DEFAULT_TYPE, X509, algorithmFor } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { Config } from '../config.ts'
import { afterCommit } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { Problem } from '../http/problem.ts'
import { OWNER } from '../manufacturing/keys.ts'
import type { Parties } from '../parties/service.ts'
import type { PartyRow } from '../parties/store.ts'
import { ALL_KINDS, type KeyInfo } from '../secrets/key-info.ts'
import type { KeyRing } from '../secrets/key-ring.ts'
import type { KeyStore } from '../secrets/key-store.ts'
import type { KeyPort, PartyPort, SalePort, Sold, VoucherPort } from '../transfer/ports.ts'
import type { Services } from '../services.ts'
import { type Transfer, openTransfer } from '../transfer/assembly.ts'
import type { VoucherDesk } from '../vouchers/desk.ts'
import { countSold, listSold } from '../vouchers/sold/store.ts'
import type { VoucherLedger } from '../vouchers/ledger.ts'
import type { IsKnownHolder } from '../vouchers/routes.ts'
import { type VoucherRow, findDeviceOf } from '../vouchers/store.ts'

/** Vouchers to and from the services of others. */
export function transferOf(
  services: Services,
  { desk, ledger }: { readonly desk: VoucherDesk; readonly ledger: VoucherLedger },
  addresses: { readonly publicUrl: () => string; readonly tlsUrl: () => string },
): Transfer {
  const { publicUrl } = addresses
  const { config, database, keyStore, parties, outbound: http } = services
  const transfer = openTransfer({
    ...{ ...services, http, publicUrl, random: Math.random },
    forbids: (url, party) => http.forbids(url, party),
    trustedProxies: config.trustedProxies,
    didScheme: didSchemeOf(config),
    didUrl: () => didUrlOf(publicUrl(), addresses.tlsUrl()),
    vouchers: voucherPort(desk, database),
    sales: salePort(desk),
    keys: keyPort(keyStore),
    parties: partyPort(parties, keyStore),
    rounds: services.leases?.of('rules'),
  })
  ledger.watch({
    held: async (tx, { party, guid }) => afterCommit(tx, () => transfer.rules.wakeFor(party, guid)),
    released: async () => {},
  })
  return transfer
}

/** Keys of parties here, and those that partners have proven. */
export function knownHolders({ keyStore }: Services, transfer: Transfer): IsKnownHolder {
  return async (party, fingerprint) => {
    const { keys } = await keyStore.read()
    return isOwnerKey(keys, fingerprint) || transfer.isProven(party, fingerprint)
  }
}

export function voucherPort(desk: VoucherDesk, { db }: Pick<Database, 'db'>): VoucherPort {
  const find = (party: string, guid: string) => findIn(desk, party, guid)
  return {
    admit: (party, voucher, by) => desk.admit(voucher, { id: by, party }),
    findDevice: async (tx, voucher) => (await findDeviceOf.first(tx, voucher))?.device_id,
    async listSold(page) {
      return listSold(db, page)
    },
    countSold: (query) => countSold(db, query),
    async fetchSold(party, ownerKey, guid): Promise<Bytes | undefined> {
      const row = await find(party, guid)
      if (row?.state !== 'handed-over' || row.owner_key !== ownerKey) return undefined
      return (await desk.export(party, guid)).cbor
    },
    /** Sent is given away: from here on it is with its buyer. */
    async findOutgoing(party, guid) {
      const row = await find(party, guid)
      if (row?.state !== 'handed-over') return undefined
      const { cbor: voucher, device_info: model } = await desk.export(party, guid)
      const [sold] = await listSold(db, {
        party,
        ownerKey: row.owner_key,
        after: before(guid),
        limit: 1,
      })
      return { voucher, serial: sold?.guid === guid ? sold.serial : null, model }
    },
  }
}

async function findIn(
  desk: VoucherDesk,
  party: string,
  guid: string,
): Promise<VoucherRow | undefined> {
  try {
    return await desk.find(party, guid)
  } catch (error) {
    if (error instanceof Problem && error.code === 'not-found') return undefined
    throw error
  }
}

/** The GUID before this one, as a place to begin a page at. */
function before(guid: string): string {
  return guid.slice(0, -1)
}

export function salePort(desk: VoucherDesk): SalePort {
  return {
    async find(party, guid) {
      const row = await findIn(desk, party, guid)
      if (!row) return undefined
      const manufacturerKey = desk.parse(row).header.value.publicKey.value
      return { ...soldOf(row), state: row.state, manufacturerKey }
    },
    async sell(by, { alongside, ...sale }) {
      await desk.sell(by, { ...sale, alongside: (tx, row) => alongside(tx, soldOf(row)) })
    },
  }
}

function soldOf({ guid, owner_key: ownerKey, cbor }: VoucherRow): Sold {
  return { guid, ownerKey, voucherHash: hash('sha256', cbor, 'hex') }
}

/** Suspended ones get nothing: nobody could act on it. */
export function partyPort(parties: Parties, keyStore: KeyStore): PartyPort {
  const active = (row: PartyRow | undefined) =>
    row?.suspended_at === null ? { id: row.id, name: row.name } : undefined
  return {
    isActive: (id) => parties.isActive(id),
    isSuspended: (id) => parties.isSuspended(id),
    find: async (name) => active(await parties.findNamed(name)),
    async findById(id) {
      return (await parties.isActive(id)) ? active(await parties.find(id)) : undefined
    },
    /** Whatever key of the kind it has goes before one that would have to be made. */
    async keyOf(id, kind) {
      const { key } = await keyStore.ring(id).signer(OWNER, kind)
      return { type: DEFAULT_TYPE[kind], encoding: X509, key }
    },
    holds: async (id, fingerprint) =>
      isOwnerKey(await keyStore.ring(id).ranked(OWNER), fingerprint),
  }
}

function isOwnerKey(keys: readonly KeyInfo[], fingerprint: string): boolean {
  return keys.some((one) => one.purpose === OWNER && one.fingerprint === fingerprint)
}

export function keyPort(keyStore: KeyStore): KeyPort {
  return {
    /** Its P-256 owner key in use: the kind that every partner reads. */
    async signerOf(party) {
      const ring = keyStore.ring(party)
      const known = await ring.active(OWNER, 'p256')
      return known && ring.findSigner(OWNER, known.spki)
    },
    findOwnerSigner: async (party, { type, key }) =>
      keyStore.ring(party).findSigner(OWNER, key.spki, algorithmFor(type, key.kind)),
    async ownerSigners(party) {
      const ring = keyStore.ring(party)
      return signersOf(ring, await ring.ranked(OWNER))
    },
    async publishedBy(party) {
      const ring = keyStore.ring(party)
      const owners = await ring.ranked(OWNER)
      const newestFirst = owners.toReversed()
      const kept = newestFirst.filter(({ retiredAt }) => retiredAt !== null).slice(0, MOST_FORMER)
      const active = await Promise.all(ALL_KINDS.map((kind) => ring.active(OWNER, kind)))
      if (!active[0]) return { active: [], former: [] }
      const [now, former] = await Promise.all([
        signersOf(
          ring,
          active.filter((one) => one !== undefined),
        ),
        signersOf(ring, kept),
      ])
      return { active: now.map(({ key }) => key), former: former.map(({ key }) => key) }
    },
  }
}

/** Those that are gone meanwhile are left out. */
async function signersOf(ring: KeyRing, keys: readonly KeyInfo[]): Promise<readonly Signer[]> {
  const signers = await Promise.all(keys.map(({ spki }) => ring.findSigner(OWNER, spki)))
  return signers.filter((one) => one !== undefined)
}

/** A document that grows with every rotation would at last be read by nobody. */
const MOST_FORMER = 50

/** What did:web stands for is HTTPS: the address others are told, or else the listener that has it. */
export function didUrlOf(publicUrl: string, tlsUrl: string): string | undefined {
  if (publicUrl.startsWith('https:')) return publicUrl
  return tlsUrl === '' ? undefined : tlsUrl
}

/**
 * A DID document says whom to trust, and plain HTTP is for trying things out: for a service that is
 * reached in no other way. One behind a proxy has no HTTPS of its own, and says so in its public URL.
 */
export function didSchemeOf({
  tlsPort,
  publicUrl,
}: Pick<Config, 'tlsPort' | 'publicUrl'>): 'http' | 'https' {
  return tlsPort === undefined && !publicUrl?.startsWith('https:') ? 'http' : 'https'
}

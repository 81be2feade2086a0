/** What voucher transfer needs of vouchers and keys, over those of this service. */
import type { Bytes } from '../protocol/bytes.ts'
import { algorithmFor } from '../protocol/crypto/public-key.ts'
import type { Config } from './config.ts'
import type { Database } from './database/open.ts'
import { Problem } from './http/problem.ts'
import { OWNER } from './manufacturing/keys.ts'
import type { KeyStore } from './secrets/key-store.ts'
import type { KeyPort, VoucherPort } from './transfer/ports.ts'
import type { VoucherDesk } from './vouchers/desk.ts'
import { countSold, listSold } from './vouchers/sold/store.ts'
import type { VoucherRow } from './vouchers/store.ts'

export function voucherPort(desk: VoucherDesk, { db }: Pick<Database, 'db'>): VoucherPort {
  const find = async (party: string, guid: string): Promise<VoucherRow | undefined> => {
    try {
      return await desk.find(party, guid)
    } catch (error) {
      if (error instanceof Problem && error.code === 'not-found') return undefined
      throw error
    }
  }
  return {
    async admit(party, voucher, by) {
      const [result] = await desk.import([voucher], { id: by, party })
      return result ?? { ok: false, check: 'malformed', detail: 'no voucher' }
    },
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

/** The GUID before this one, as a place to begin a page at. */
function before(guid: string): string {
  return guid.slice(0, -1)
}

export function keyPort(keyStore: KeyStore): KeyPort {
  return {
    /** Its P-256 owner key: the kind that every partner reads. */
    async signerOf(party) {
      const ring = keyStore.ring(party)
      const known = ring.list().find(({ purpose, kind }) => purpose === OWNER && kind === 'p256')
      return known && ring.findSigner(OWNER, known.spki)
    },
    findOwnerSigner: async (party, { type, key }) =>
      keyStore.ring(party).findSigner(OWNER, key.spki, algorithmFor(type, key.kind)),
    async ownerSigners(party) {
      const ring = keyStore.ring(party)
      const owners = ring.list().filter(({ purpose }) => purpose === OWNER)
      const signers = await Promise.all(owners.map(({ spki }) => ring.findSigner(OWNER, spki)))
      return signers.filter((one) => one !== undefined)
    },
  }
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

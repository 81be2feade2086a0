/** What moving vouchers between parties needs of the rest of this service, and of the network. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { PublicKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { VerifyKey } from '../../protocol/crypto/verify-key.ts'
import type { Executor } from '../database/connection.ts'

/** What came of taking a voucher in. */
export interface Admitted {
  readonly ok: boolean
  /** The check it failed, and more about it. */
  readonly check: string | null
  readonly detail: string | null
  /** Whether it was not here before. */
  readonly isNew: boolean
}

export interface SoldQuery {
  readonly party: string
  /** SHA-256 of the SubjectPublicKeyInfo it was sold to, hex. */
  readonly ownerKey: string
  /** Sold at or after, and before. */
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** Whether it has been fetched; either if undefined. */
  readonly isFetched?: boolean | undefined
}

export interface SoldPage extends SoldQuery {
  readonly limit: number
  /** The last GUID of the page before. */
  readonly after?: string | undefined
}

export interface SoldVoucher {
  readonly guid: string
  readonly serial: string | null
  readonly model: string | null
  readonly deviceInfo: string
  readonly soldAt: string
}

export interface VoucherPort {
  /** Verifies it, and takes it in before this resolves. A voucher held already is `ok`, too. */
  admit(party: string, voucher: Bytes, by: string): Promise<Admitted>
  /** The id of the device that a voucher of this party is, or was, for. */
  findDevice(
    tx: Executor,
    voucher: { readonly party: string; readonly guid: string },
  ): Promise<string | undefined>
  /** What a party has sold to a key and nobody has taken back, ordered by GUID. */
  listSold(page: SoldPage): Promise<readonly SoldVoucher[]>
  countSold(query: SoldQuery): Promise<number>
  /** The voucher, to be given away now. */
  fetchSold(party: string, ownerKey: string, guid: string): Promise<Bytes | undefined>
  /** One that is to be pushed, as it is now. */
  findOutgoing(
    party: string,
    guid: string,
  ): Promise<
    | { readonly voucher: Bytes; readonly serial: string | null; readonly model: string | null }
    | undefined
  >
}

/** A voucher as it was extended. */
export interface Sold {
  readonly guid: string
  /** SHA-256 of the SubjectPublicKeyInfo of who owns it now, hex. */
  readonly ownerKey: string
  /** SHA-256 of the voucher, hex. */
  readonly voucherHash: string
}

export interface Sellable extends Sold {
  /** `held` is what can be sold; `handed-over` has been. */
  readonly state: string
  /** The next owner's key is of the same kind, in the same encoding. */
  readonly manufacturerKey: PublicKey
}

export interface ToSell {
  readonly guid: string
  readonly to: PublicKey
  /** The party of this installation that is meant, if it is one. */
  readonly receiver?: string | undefined
  /** In the transaction that sells it: what throws undoes the sale. */
  readonly alongside: (tx: Executor, sold: Sold) => Promise<void>
}

export interface SalePort {
  find(party: string, guid: string): Promise<Sellable | undefined>
  /** Throws a Problem where it is refused, and nothing has changed. */
  sell(by: { readonly id: string; readonly party: string }, sale: ToSell): Promise<void>
}

/** Parties of this installation. */
export interface PartyPort {
  /** Whether anybody may act for it: it is there, and not suspended. */
  isActive(id: string): Promise<boolean>
  /** There is one, and nobody may act for it. */
  isSuspended(id: string): Promise<boolean>
  /** Undefined for none of this name, or one that nobody may act for. */
  find(name: string): Promise<{ readonly id: string; readonly name: string } | undefined>
  findById(id: string): Promise<{ readonly id: string; readonly name: string } | undefined>
  /** Its owner key of this kind. */
  keyOf(id: string, kind: KeyKind): Promise<PublicKey | undefined>
  holds(id: string, fingerprint: string): Promise<boolean>
}

export interface KeyPort {
  /** Of the key a party is known by: it is in its DID document, and signs its challenges. */
  signerOf(party: string): Promise<Signer | undefined>
  /** Signs as the owner that a voucher names. */
  findOwnerSigner(party: string, key: PublicKey): Promise<Signer | undefined>
  /** Of all keys that vouchers may have been sold to, those in use first. */
  ownerSigners(party: string): Promise<readonly Signer[]>
  /** What the world is told of them: the key of signerOf comes first. */
  publishedBy(party: string): Promise<PublishedKeys>
}

export interface PublishedKeys {
  /** In use. */
  readonly active: readonly VerifyKey[]
  /** No more, the last first: vouchers may still be with them. */
  readonly former: readonly VerifyKey[]
}

export interface HttpRequest {
  readonly method: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Bytes
  readonly maxBytes: number
  readonly timeoutMs: number
  /** For whom: what one party asks for holds up no other. */
  readonly party: string
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Bytes
}

/** Calls other people's addresses: what it must not call it refuses, and it follows no redirect. */
export interface Http {
  /** Throws an Error, its message fit to be shown, where there is no answer. */
  request(url: string, request: HttpRequest): Promise<HttpAnswer>
}

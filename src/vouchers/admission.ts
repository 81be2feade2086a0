/** Whether a voucher from elsewhere is taken in: whether it is genuine, ours, and news. */
import { type Bytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import { type PublicKey, sameKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { type EntryStyle, verifyVoucher } from '../../protocol/voucher/verify.ts'
import {
  type Voucher,
  type VoucherCheck,
  VoucherError,
  ownerKeyOf,
  parseVoucher,
} from '../../protocol/voucher/voucher.ts'
import { spkiOfCertificate } from '../../protocol/x509/certificate.ts'
import { deviceIdOf } from './device-id.ts'
import type { Principal } from '../http/authenticate.ts'
import type { VoucherRow } from './store.ts'
import { type TrustPolicy, anchorsOf, policyFlaw } from './trust/policy.ts'

/** Why an import is refused: a check of the voucher itself, or one of these. */
export type ImportCheck =
  | VoucherCheck
  | 'manufacturer-key-not-trusted'
  | 'rsa2048-not-allowed'
  | 'owner-key-not-ours'
  | 'guid-of-another-device'
  | 'voucher-differs'
  | 'voucher-truncated'
  | 'superseded'
  | 'already-onboarded'

export interface Refusal {
  readonly check: ImportCheck
  readonly detail: string
}

/** What is held against a voucher: keys and certificates a party knows, and the time. */
export interface Trust {
  /** Signs as the owner with this key; undefined if it is none of the party's. */
  findOwnerSigner(party: string, key: PublicKey): Promise<Signer | undefined>
  /** The device CAs that the installation trusts; undefined for any. */
  readonly deviceCas: readonly Bytes[] | undefined
  trustPolicy(party: string): Promise<TrustPolicy>
}

/** Who does something, and for whom. */
export type Actor = Pick<Principal, 'id' | 'party'>

export interface GenuineVoucher {
  readonly party: string
  readonly voucher: Voucher
  readonly guid: string
  readonly deviceId: string
  /** How its entries are signed: all that are added have to follow. */
  readonly entryStyle: EntryStyle
}

export type Verdict = GenuineVoucher | (Refusal & { readonly guid: string | null })

/** What is looked at, for whom, and when. */
export interface Candidate {
  readonly party: string
  readonly encoded: Bytes
  readonly now: Date
}

/** Whether it is genuine, and sold to the party. */
export async function verify(candidate: Candidate, trust: Trust): Promise<Verdict> {
  const verdict = await verifyGenuine(candidate, trust)
  if (isRefusal(verdict)) return verdict
  const { party, voucher, guid } = verdict
  if (voucher.entries.length === 0) {
    return { guid, ...refuse('no-entries', 'it has not been sold to anybody yet') }
  }
  if (!(await trust.findOwnerSigner(party, ownerKeyOf(voucher).value))) {
    return { guid, ...ownerKeyNotOurs() }
  }
  return verdict
}

/** Who wants such devices all the same is told where to say so. */
function withRemedy({ check, detail }: Refusal): Refusal {
  if (check !== 'device-ca-not-trusted') return { check, detail }
  return refuse(check, `${detail}: firstlight voucher trust says which are`)
}

/** Looks at the voucher alone, at every signature and hash. Whose it is, is not looked at. */
export async function verifyGenuine(
  { party, encoded, now }: Candidate,
  trust: Trust,
): Promise<Verdict> {
  const voucher = tryToParse(encoded)
  if (isRefusal(voucher)) return { guid: null, ...voucher }
  const guid = toHex(voucher.header.value.guid)
  const policy = await trust.trustPolicy(party)
  const anchors = anchorsOf(policy, trust.deviceCas)
  const options = { now, entryStyle: 'either', ...(anchors && { anchors }) } as const
  const verified = await verifyVoucher(voucher, options)
  if ('check' in verified) return { guid, ...withRemedy(verified) }
  const flaw = policyFlaw(voucher, policy)
  if (flaw) return { guid, ...flaw }
  const leaf = voucher.deviceCertChain?.[0] ?? new Uint8Array(0)
  const deviceId = deviceIdOf(party, spkiOfCertificate(leaf))
  return { party, voucher, guid, deviceId, entryStyle: verified.entryStyle }
}

export function ownerKeyNotOurs(): Refusal {
  return refuse('owner-key-not-ours', 'its last entry names a key we do not have')
}

function tryToParse(encoded: Bytes): Voucher | Refusal {
  try {
    return parseVoucher(encoded)
  } catch (error) {
    if (error instanceof VoucherError) return { check: error.check, detail: error.message }
    throw error
  }
}

export function isRefusal<T>(value: T | Refusal): value is Refusal {
  return typeof value === 'object' && value !== null && 'check' in value
}

/** `new`: no such GUID. `known`: the same voucher, ours by now. `same`: nothing to do. */
export type Admission = 'new' | 'known' | 'same' | Refusal

/**
 * Holds a verified voucher, whose last owner is one of us, against the one of the same GUID.
 *
 * A voucher with its last entries cut off verifies all the same: it is what each former owner
 * still has. Only more entries than we know of can tell us anything new.
 */
export function admit(voucher: Voucher, deviceId: string, ours: VoucherRow | undefined): Admission {
  if (!ours) return 'new'
  if (ours.device_id !== deviceId) {
    return refuse('guid-of-another-device', `this GUID is that of ${ours.device_id}`)
  }
  const state = ours.deleted_from ?? ours.state
  if (state === 'replaced' || state === 'used') {
    return refuse('already-onboarded', `replaced by ${ours.superseded_by} when it was onboarded`)
  }
  if (ours.superseded_by !== null) {
    return refuse('superseded', `the device has been made anew as ${ours.superseded_by}`)
  }
  const relation = compare(parseVoucher(ours.cbor), voucher)
  // Of one that was deleted another may be brought: who deleted it had a reason.
  if (relation === 'different' && ours.deleted_from === 'held') return 'known'
  if (relation === 'different') return refuse('voucher-differs', 'sold otherwise than ours was')
  if (relation === 'shorter') {
    return refuse('voucher-truncated', `${voucher.entries.length} of ${ours.entries} entries`)
  }
  // Sold to a key that we have been given since.
  if (relation === 'same' && ours.state === 'held') return 'same'
  return 'known'
}

/**
 * Holds it against what another party of this installation has, or had. Who sold a device may not
 * come back with a voucher that leaves the sale out, nor may anybody with one of another origin:
 * devices are answered by the last owner only.
 */
export function admitBeside(
  voucher: Voucher,
  { state, deleted_from, cbor }: Pick<VoucherRow, 'state' | 'deleted_from' | 'cbor'>,
): Refusal | undefined {
  const relation = compare(parseVoucher(cbor), voucher)
  if (relation === 'different') return refuse('voucher-differs', 'this GUID is sold otherwise')
  if (relation === 'shorter') return refuse('voucher-truncated', 'a longer one has been seen')
  const before = deleted_from ?? state
  if (before !== 'replaced' && before !== 'used') return undefined
  return refuse('already-onboarded', 'its device has been onboarded, and has another GUID')
}

/** What somebody else brings may not take the place of another maker's voucher of the device. */
export function admitInPlaceOf(voucher: Voucher, earlier: Voucher): Refusal | undefined {
  if (sameKey(makerOf(voucher), makerOf(earlier))) return undefined
  const detail = 'the device has a voucher of another manufacturer: import this one to replace it'
  return refuse('voucher-differs', detail)
}

function makerOf({ header }: Voucher) {
  return header.value.publicKey.value.key
}

/** Whether `known` is this same voucher, or what came of it by further sales. */
export function isContinuedBy(voucher: Voucher, known: Voucher): boolean {
  const relation = compare(voucher, known)
  return relation === 'same' || relation === 'longer'
}

type Relation = 'same' | 'longer' | 'shorter' | 'different'

/** How `theirs` stands to `ours`: entries are compared byte for byte, as are headers. */
function compare(ours: Voucher, theirs: Voucher): Relation {
  if (!equalBytes(ours.header.bytes, theirs.header.bytes)) return 'different'
  const shared = Math.min(ours.entries.length, theirs.entries.length)
  for (let i = 0; i < shared; i++) {
    if (!equalBytes(entry(ours, i), entry(theirs, i))) return 'different'
  }
  const more = theirs.entries.length - ours.entries.length
  return more === 0 ? 'same' : more > 0 ? 'longer' : 'shorter'
}

function entry(voucher: Voucher, index: number): Bytes {
  return voucher.entries[index]?.bytes ?? new Uint8Array(0)
}

/**
 * What becomes of a voucher when the Device gets another by DI or import. One that somebody else
 * has, or by which it was onboarded, is left alone; either way it is served no more.
 */
export function displaced(
  earlier: Pick<VoucherRow, 'state' | 'origin' | 'exported_at'>,
): VoucherRow['state'] {
  if (earlier.state === 'handed-over' && earlier.exported_at !== null) return 'handed-over'
  const wasUsed = earlier.state === 'replaced' || earlier.origin === 'onboarded'
  return wasUsed ? 'left' : 'superseded'
}

function refuse(check: ImportCheck, detail: string): Refusal {
  return { check, detail }
}

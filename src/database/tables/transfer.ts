/** What moves vouchers between parties: with whom, by which proof, and how it went. */
import type { Bytes } from '../../../protocol/bytes.ts'

/** To whom a party hands vouchers, and from whom it gets them. */
export interface PartnerTable {
  id: string
  party: string
  name: string
  /** The did:web its addresses and key came from. */
  did: string | null
  push_url: string | null
  pull_url: string | null
  /** What it gave us to show at its inbox, sealed under the master key. */
  token: Bytes | null
  created_at: string
  updated_at: string
}

/** The keys a party knows a partner by: each belongs to one. */
export interface PartnerKeyTable {
  party: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  fingerprint: string
  partner: string
  /** DER SubjectPublicKeyInfo. */
  spki: Bytes
  /** X5CHAIN: its certificate and the issuers', where it came with them. */
  chain: Bytes | null
  /** Since when it is known that the partner has the private half. */
  proven_at: string | null
  /** By a signed challenge, or by FDOKeyAuth at one of our doors. */
  proven_how: 'signature' | 'key-auth' | null
}

/** What a sender shows at a party's inbox. */
export interface InboxTokenTable {
  id: string
  party: string
  /** Of the sender. */
  name: string
  /** SHA-256 of the secret, hex. */
  hash: string
  created_at: string
  revoked_at: string | null
}

/** A caller that has been challenged and has not answered. Gone with its answer, right or wrong. */
export interface KeyAuthSessionTable {
  /** SHA-256 of the session id, hex. */
  id_hash: string
  party: string
  door: 'push' | 'pull'
  /** The packed PendingProof. */
  state: Bytes
  expires_at: string
}

/** What a caller gets that has proven its key. */
export interface KeyAuthTokenTable {
  /** SHA-256 of the token, hex. */
  hash: string
  party: string
  door: 'push' | 'pull'
  /** SHA-256 of the SubjectPublicKeyInfo that was proven, hex. */
  owner_key: string
  expires_at: string
}

/** A voucher on its way to a partner. */
export interface PushJobTable {
  id: string
  party: string
  partner: string
  guid: string
  /** SHA-256 of the voucher, hex. */
  voucher_hash: string
  state: 'waiting' | 'delivered' | 'failed'
  /** Failures in a row. */
  attempts: number
  next_at: string
  last_error: string | null
  created_at: string
  updated_at: string
}

/** How often vouchers are pulled from a partner, and how that went. */
export interface PullSourceTable {
  partner: string
  party: string
  /** Null: only when asked to. */
  every_seconds: number | null
  next_at: string | null
  last_at: string | null
  last_error: string | null
}

/** What has been taken in from a source, so that it is not fetched again. */
export interface PulledVoucherTable {
  partner: string
  /** As the source names it. */
  voucher_id: string
  /** `created_at` of its list. */
  listed_at: string
}

/** That a voucher has changed hands: the proof of it where the other side is a firstlight, too. */
export interface TransferReceiptTable {
  party: string
  /** `given`: by us, for a voucher received. `got`: by whom we sent a voucher to. */
  direction: 'given' | 'got'
  guid: string
  /** SHA-256 of the voucher, hex. */
  voucher_hash: string
  /** The other side, as this party calls it. */
  peer: string
  at: string
  /** COSE_Sign1. */
  receipt: Bytes | null
}

/** What a party lets the world know of it. */
export interface TransferProfileTable {
  party: string
  /** Whether its DID document is served. */
  is_public: number
  updated_at: string
}

/** To whom every voucher of a model goes. Either a partner or another party of the installation. */
export interface TransferRuleTable {
  id: string
  party: string
  /** The device info; null for all that no other rule is about. */
  model: string | null
  partner: string | null
  to_party: string | null
  /** Why the last voucher it was about stayed here; null once one was handed over. */
  last_error: string | null
  created_at: string
}

/** A voucher that a rule could not hand over, and when it tries again. */
export interface TransferRefusalTable {
  rule: string
  guid: string
  /** In a row. */
  attempts: number
  next_at: string
}

/**
 * The whole data model on one page (callers on caller-tables.ts). Times are ISO 8601 in UTC, blobs
 * say what they hold, flags are 0 or 1. migrations/ creates what is declared here; both are changed
 * together.
 */
import type { Generated } from 'kysely'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { CallerTables } from './caller-tables.ts'
import type { WebhookTable } from './webhook-tables.ts'
import type { TransferTables } from './transfer-tables.ts'
import type { ManufacturingTables } from './manufacturing-tables.ts'

/** The party an installation belongs to: it is there from the start, and runs what all share. */
export const HOME_PARTY = 'fdop_home'

export interface Tables extends CallerTables, ManufacturingTables, TransferTables {
  // ── fdo: conversations between one message and the next
  session: SessionTable
  sealing_key: SealingKeyTable

  // ── vouchers, devices
  voucher: VoucherTable
  device: DeviceTable
  device_event: DeviceEventTable
  device_group: DeviceGroupTable

  // ── rendezvous; onboarding: where our own vouchers are registered
  registration: RegistrationTable
  registration_alarm: RegistrationAlarmTable
  to0_job: To0JobTable

  // ── onboarding: what devices get, and what they have sent
  plan: PlanTable
  upload: UploadTable

  // ── pki
  certificate: CertificateTable

  // ── parties
  party: PartyTable
  invitation: InvitationTable
  // ── audit: what happened, and who outside has seen how far it went
  audit_entry: AuditEntryTable
  audit_witness: AuditWitnessTable
  audit_countersignature: AuditCountersignatureTable

  // ── webhooks: who is told of it
  webhook: WebhookTable

  // ── secrets, api-tokens, settings
  private_key: PrivateKeyTable
  api_token: ApiTokenTable
  setting: SettingTable

  // ── http: requests that must not be carried out twice
  idempotency: IdempotencyTable
}

/** A DI or TO2 run (from message 64 on). Cleared at its end, so that it is its own tombstone. */
export interface SessionTable {
  /** SHA-256 of the run id, hex. */
  run_id_hash: string
  /** The number of the message that begins the role's protocol. */
  role: number
  /** The packed state, sealed under a sealing key; null once the run has ended. */
  state: Bytes | null
  /** How many messages it has answered; every answer moves it on by compare-and-set. */
  version: number
  /** SHA-256 of the message answered last, its number included. */
  request_hash: Bytes
  /** What it was answered with, for a repeat; null after an error. */
  reply: Bytes | null
  reply_type: number | null
  /** When the run's first message came. */
  started_at: string
  /** Answered with `reply` for five minutes more, then only a tombstone. */
  ended_at: string | null
  expires_at: string
}

/** The keys that seal what travels in tokens, and the state of rows. Only the last two exist. */
export interface SealingKeyTable {
  id: Generated<number>
  /** 32 bytes, sealed under the master key. */
  wrapped: Bytes
  created_at: string
}

/** An organisation: everything else belongs to one of them. */
export interface PartyTable {
  id: string
  /** What people call it; fit for a URL. */
  name: string
  /** What it does, separated by spaces: manufacturer, reseller, owner. */
  roles: string
  created_at: string
  /** Since when nobody may act for it. */
  suspended_at: string | null
}

/** A code that brings a new party in. */
export interface InvitationTable {
  id: string
  /** SHA-256 of the secret, hex. */
  hash: string
  /** Of the party to be. */
  name: string
  roles: string
  created_at: string
  expires_at: string
  /** The party that came in by it. */
  used_by: string | null
}

export interface PrivateKeyTable {
  id: string
  party: string
  purpose: string
  kind: KeyKind
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  fingerprint: string
  origin: 'made' | 'imported'
  /** DER SubjectPublicKeyInfo. */
  spki: Bytes
  /** PKCS#8, sealed under the master key. */
  wrapped: Bytes
  created_at: string
}

export interface ApiTokenTable {
  id: string
  /** For whom it acts. */
  party: string
  name: string
  /** SHA-256 of the secret, hex. */
  hash: string
  /** Separated by spaces. */
  scopes: string
  created_at: string
  /** Null until somebody has shown it. */
  first_used_at: string | null
  expires_at: string | null
  revoked_at: string | null
}

/** A request that came with an Idempotency-Key. */
export interface IdempotencyTable {
  /** Who asked, by token or client: keys of others are none of theirs. */
  principal: string
  key: string
  party: string
  /** SHA-256 of what makes it the same request, hex. */
  request_hash: string
  /** `effected` is written in the transaction of the request's effect, `done` with the answer. */
  state: 'begun' | 'effected' | 'done'
  /** Which attempt carries it out: one that another has taken over can have no effect. */
  runner: string
  lease_until: string
  status: number | null
  content_type: string | null
  /** The body of the answer, sealed under the master key. */
  answer: Bytes | null
  expires_at: string
}

/** Small things an administrator may change while running, one JSON document each. */
export interface SettingTable {
  party: string
  name: string
  value: string
  version: number
  updated_at: string
}

export interface VoucherTable {
  /** 32 hexadecimal digits, here and everywhere. */
  guid: string
  /** Whose it is, or was: each party has its own of a device that went from one to the other. */
  party: string
  /** With the GUID it names a row: no two parties call a device the same. */
  device_id: string
  /** OVDeviceInfo: the model, mostly. */
  device_info: string
  /** SHA-256 of the SubjectPublicKeyInfo of the last owner, hex. */
  owner_key: string
  /**
   * `held`: ours, to serve once it has an entry. `handed-over`: sold to another party.
   * `replaced`: TO2 is done; served to a Device that did not hear so. `used`: nor will it any more.
   * `superseded`: its Device got another by DI or import. `left`: the same, but its Device had been
   * onboarded. None but the first three changes any more; they tell an old voucher from a new one.
   */
  state: 'held' | 'handed-over' | 'replaced' | 'used' | 'superseded' | 'left'
  origin: 'made' | 'imported' | 'onboarded'
  entries: number
  /** Moves on with every TO2 that ends: of two that run at once the first wins. */
  revision: number
  /** The GUID of the voucher that took its place. */
  superseded_by: string | null
  /** When a voucher that is handed over was first fetched. */
  exported_at: string | null
  /** The whole voucher, CBOR. */
  cbor: Bytes
  created_at: string
  updated_at: string
}

export interface DeviceTable {
  /** From the Device's own key: the same through all its lives with one party. */
  id: string
  party: string
  /** The one it has now. */
  guid: string
  serial: string | null
  model: string
  group_name: string
  state: 'manufactured' | 'owned' | 'registered' | 'onboarding' | 'onboarded' | 'failed'
  last_error: string | null
  created_at: string
  updated_at: string
  onboarded_at: string | null
}

/** How a device got where it is; never changed. */
export interface DeviceEventTable {
  seq: Generated<number>
  device_id: string
  at: string
  type: string
  /** The state it led to. */
  state: DeviceTable['state']
  /** A JSON document. */
  detail: string | null
}

export interface DeviceGroupTable {
  party: string
  name: string
  /** What its devices' tokens may carry, separated by spaces. */
  scopes: string
  created_at: string
  updated_at: string
}

/**
 * What an owner left in TO0 for its Device to find in TO1; afterwards, the memory of it: whoever
 * registers next must have the Device from this owner, or be this owner.
 */
export interface RegistrationTable {
  guid: string
  /** COSE_Sign1 by the owner, as received; null once it has lapsed or was withdrawn. */
  to1d: Bytes | null
  /** DER SubjectPublicKeyInfo of the Device; null with `to1d`. */
  device_key: Bytes | null
  /** SHA-256 of the SubjectPublicKeyInfo of the owner. */
  owner_key: Bytes
  /** Of the longest voucher seen: how many, and the SHA-256 of the last. */
  entries: number
  last_entry_hash: Bytes
  /** When the run began that registered it, or it was withdrawn: an older one changes nothing. */
  run_order: number
  /** The time that its owner's last request to withdraw it names, in milliseconds. */
  withdrawal: number | null
  registered_at: string
  /** Null with `to1d`. */
  expires_at: string | null
}

/** Attempts by owners of old to register a Device once more, counted for each. */
export interface RegistrationAlarmTable {
  guid: string
  /** SHA-256 of the SubjectPublicKeyInfo of who tried; empty for all beyond the first few. */
  owner_key: Bytes
  times: number
  /** Of the voucher that was shown last. */
  entries: number
  /** The address it came from last. */
  source: string
  first_at: string
  last_at: string
}

/** A rendezvous that a voucher of ours names, and how our registration there stands. */
export interface To0JobTable {
  guid: string
  party: string
  /** Of the directive in the voucher's RendezvousInfo, from 0. */
  directive: number
  /** The base URL tried first: what is to be registered at one place waits together. */
  origin: string
  state: 'waiting' | 'registered' | 'failing'
  /** Failures in a row. */
  attempts: number
  next_at: string
  last_error: string | null
  /** Until when the rendezvous keeps it. */
  expires_at: string | null
  /** A digest of the owner addresses it was told. */
  addresses: string | null
}

/** What a device gets in TO2, and which devices. */
export interface PlanTable {
  party: string
  name: string
  version: number
  /** A JSON document: see onboarding/plan.ts. */
  document: string
  created_at: string
  updated_at: string
}

/** A file that a device sent in TO2; its bytes are below the data directory. */
export interface UploadTable {
  id: Generated<number>
  device_id: string
  /** The TO2 run that brought it: the folder it is in. */
  run_id: string
  /** The plan's name for it, never the device's. */
  name: string
  length: number
  /** 0 until TO2 is done. */
  is_kept: number
  created_at: string
}

/** Every certificate issued here; its row is there before the signature is. */
export interface CertificateTable {
  /** Hexadecimal, without leading zeros. */
  serial: string
  profile: string
  /** Whom it names, or whose birth certificate it is. */
  device_id: string | null
  /** The TO2 run that brings it to the device. */
  run_id: string | null
  /** `pending` until TO2 is done, and worthless before. */
  status: 'pending' | 'active' | 'superseded' | 'revoked'
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  spki_hash: string
  not_before: string
  not_after: string
  /** DER. */
  der: Bytes
  created_at: string
  status_at: string
}

/** What happened, for each party a chain of its own: see audit/entry.ts. Never changed or removed. */
export interface AuditEntryTable {
  party: string
  /** From 1, without gaps. */
  seq: number
  at: string
  type: string
  /** Who did it: the id of a principal, `system` or `device`. */
  by: string
  guid: string | null
  device_id: string | null
  /** The id of anything else it is about. */
  subject_id: string | null
  /** A JSON document. */
  detail: string | null
  /** SHA-256, 32 bytes: of the entry before, and its own. */
  previous: Bytes
  hash: Bytes
}

/** Who outside the installation may countersign heads of a party's log. */
export interface AuditWitnessTable {
  party: string
  /** SHA-256 of the SubjectPublicKeyInfo, hex. */
  fingerprint: string
  name: string
  /** DER SubjectPublicKeyInfo. */
  spki: Bytes
  created_at: string
}

/** A head as a witness has signed it. Never changed or removed. */
export interface AuditCountersignatureTable {
  party: string
  /** Of the entry that was the last. */
  seq: number
  /** Fingerprint of the key that signed. */
  witness: string
  /** COSE_Sign1: see audit/head.ts. */
  signed: Bytes
  witnessed_at: string
  created_at: string
}

/** Where our own vouchers are registered; what devices get, and what they have sent. */
import type { Generated } from 'kysely'

/** A rendezvous that a voucher of ours names, and how our registration there stands. */
export interface To0JobTable {
  guid: string
  party: string
  /** Of the directive in the voucher's RendezvousInfo, from 0. */
  directive: number
  /** The base URL tried first: what is to be registered at one place waits together. */
  origin: string
  /** `withdrawing`: it is registered and is to be no longer; the row goes once that is done. */
  state: 'waiting' | 'registered' | 'failing' | 'withdrawing'
  /** Failures in a row. */
  attempts: number
  next_at: string
  last_error: string | null
  /** Until when the rendezvous keeps it. */
  expires_at: string | null
  /** A digest of the owner addresses it was told. */
  addresses: string | null
  /** SHA-256 of the SubjectPublicKeyInfo it was registered with, hex. */
  owner_key: string | null
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

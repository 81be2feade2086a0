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

/** What the process that registers, and those that do not, tell each other of one place. */
export interface To0PlaceTable {
  origin: string
  /** When somebody asked for it to be tried now; null once it is. */
  called_at: string | null
  /** Why nothing can be registered there at present. */
  last_error: string | null
}

/** What a device gets in TO2, and which of its versions devices get now. */
export interface PlanTable {
  party: string
  name: string
  /** The latest; whether it holds is for the others to say. */
  version: number
  /** Of the version that holds, a JSON document; without steps while none does. */
  document: string
  created_at: string
  updated_at: string
  /** The version for whom the trial is not; null while none has held. */
  stable: number | null
  /** The version that a share of the devices gets. */
  trial: number | null
  trial_state: 'rolling' | 'stopped' | null
  /** Of the trial, in per cent. */
  share: number
}

/** All that a plan has ever been; kept when it is removed. */
export interface PlanVersionTable {
  party: string
  name: string
  version: number
  /** A JSON document: see onboarding/plans/document.ts. What is approved is these very bytes. */
  document: string
  created_at: string
  /** A principal; `unknown` of what is older than this column. */
  created_by: string
  approved_at: string | null
  approved_by: string | null
}

/** How a device fared with a version on trial. */
export interface PlanOutcomeTable {
  party: string
  name: string
  version: number
  device_id: string
  /** The run that got it last, */
  run_id: string
  /** and how the last run that ended did. */
  outcome: 'onboarded' | 'failed' | null
  started_at: string
}

/** How far a run of TO2 has got that takes long. Those that do not are over before it is written. */
export interface OnboardingProgressTable {
  device_id: string
  run_id: string
  /** The one that was answered last. */
  message: number
  /** 68s so far, and bytes of ServiceInfo that came with them. */
  rounds: number
  received: number
  step: string | null
  module: string | null
  /** Bytes of the file that is under way. */
  done: number | null
  total: number | null
  updated_at: string
}

/** What a program of a device's last run printed: how it began and how it ended. */
export interface StepOutputTable {
  device_id: string
  run_id: string
  step: string
  stream: 'stdout' | 'stderr'
  head: Uint8Array
  tail: Uint8Array
  /** Of all of it, in bytes. */
  length: number
}

/** A file that a device sent in TO2; its bytes are below the data directory. */
export interface UploadTable {
  id: Generated<number>
  device_id: string
  /** The TO2 run that brought it: the folder it is in. */
  run_id: string
  /** The plan's name for it, never the device's. */
  name: string
  /** -1 until all of it is there. */
  length: number
  /** 0 until TO2 is done. */
  is_kept: number
  created_at: string
}

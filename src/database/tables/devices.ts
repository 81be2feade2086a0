/** Devices, how each got where it is, and the groups they are in. */
import type { Generated } from 'kysely'

export interface DeviceTable {
  /** From the Device's own key: the same through all its lives with one party. */
  id: string
  party: string
  /** The one it has now. */
  guid: string
  serial: string | null
  model: string
  group_name: string
  state:
    | 'manufactured'
    | 'owned'
    | 'registered'
    | 'onboarding'
    | 'onboarded'
    | 'failed'
    | 'handed-over'
    | 'retired'
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

/**
 * The tables of which it is known whether they have changed: see Database.changesOf. Seldom written,
 * since on PostgreSQL every write to one of them is told to all processes.
 */
import type { Tables } from './tables.ts'

export const WATCHED = [
  'identity_provider',
  'machine_client',
  'party',
  'plan',
  'private_key',
  'revocation_list',
  'setting',
  'station',
  'transfer_rule',
] as const satisfies readonly (keyof Tables)[]

export type WatchedTable = (typeof WATCHED)[number]

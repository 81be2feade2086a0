/** Registrations, alarms and the policy as the management API shows them. */
import { z } from '@hono/zod-openapi'
import { toHex } from '../../protocol/bytes.ts'
import { GuidText } from '../vouchers/view.ts'
import type { AlarmRow } from './alarms/store.ts'
import type { RegistrationRow } from './store.ts'

const MOST_LISTED = 10_000
const MOST_SECONDS = 0xffff_ffff

export const Fingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/i, 'the SHA-256 of a SubjectPublicKeyInfo, in hexadecimal')
  .transform((text) => text.toLowerCase())

const Fingerprints = z.array(Fingerprint).max(MOST_LISTED)
const Certificates = z
  .array(z.string().max(16_384))
  .max(100)
  .openapi({ description: 'certificates, each in PEM' })

const KeyLists = z.strictObject({
  owner_keys: Fingerprints,
  manufacturer_keys: Fingerprints,
  device_cas: Certificates,
})

const Waits = z.strictObject({
  default_seconds: z.number().int().min(1).max(MOST_SECONDS),
  most_seconds: z.number().int().min(1).max(MOST_SECONDS),
})

const Rate = z.strictObject({
  per_second: z.number().min(0.001).max(1e6),
  burst: z.number().int().min(1).max(1e6),
})

export const PolicyView = z
  .strictObject({
    anyone: z
      .boolean()
      .openapi({ description: 'whether any owner of a device of a trusted CA may register' }),
    allow: KeyLists.openapi({ description: 'who may besides' }),
    deny: KeyLists.extend({ guids: z.array(GuidText).max(MOST_LISTED) }).openapi({
      description: 'who may not, whatever else holds; an owner key spoils all it ever owned',
    }),
    waits: z
      .strictObject({ listed: Waits, others: Waits })
      .openapi({ description: 'for how long, to those whose key is listed and to all others' }),
    limits: z
      .strictObject({ source: Rate, guid: Rate })
      .openapi({ description: 'messages by one address, and for one GUID by one address' }),
  })
  .openapi('RendezvousPolicy')

export const RegistrationView = z
  .object({
    guid: z.string(),
    state: z.enum(['live', 'ended']).openapi({
      description: 'ended: lapsed or withdrawn; whoever registers next must follow this owner',
    }),
    owner_key: z.string().openapi({ description: 'SHA-256 of its SubjectPublicKeyInfo' }),
    entries: z.number().int().openapi({ description: 'of the longest voucher seen' }),
    registered_at: z.string(),
    expires_at: z.string().nullable(),
  })
  .openapi('Registration')

export function registrationView(
  row: Pick<RegistrationRow, 'guid' | 'owner_key' | 'entries' | 'registered_at' | 'expires_at'>,
  live: boolean,
) {
  return {
    guid: row.guid,
    state: live ? ('live' as const) : ('ended' as const),
    owner_key: toHex(row.owner_key),
    entries: row.entries,
    registered_at: row.registered_at,
    expires_at: live ? row.expires_at : null,
  }
}

export const AlarmView = z
  .object({
    guid: z.string(),
    owner_key: z
      .string()
      .nullable()
      .openapi({ description: 'who tried; null for all beyond the first few' }),
    times: z.number().int(),
    entries: z.number().int().openapi({ description: 'of the voucher shown last' }),
    source: z.string().openapi({ description: 'the address of the last attempt' }),
    first_at: z.string(),
    last_at: z.string(),
  })
  .openapi('RegistrationAlarm')

export function alarmView({ owner_key, ...row }: AlarmRow) {
  return { ...row, owner_key: owner_key.length === 0 ? null : toHex(owner_key) }
}

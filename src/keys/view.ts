/** Keys as /api/v1 shows them: what may be known, never a private part. */
import { z } from '@hono/zod-openapi'
import { LEAST_COUNTED, MOST_COUNTED, type ShownKey, VOUCHER_PURPOSES } from './service.ts'

const KeyType = z.enum(['p256', 'p384', 'rsa2048', 'rsa3072'])

export const KeyView = z
  .object({
    id: z.string(),
    purpose: z.string(),
    type: KeyType,
    fingerprint: z.string(),
    origin: z.enum(['made', 'imported', 'token']),
    state: z.enum(['active', 'kept', 'retired']).openapi({
      description:
        'active: what is new is signed with it, or sold to it. retired: another has taken its ' +
        'place. kept: it never was active, as keys that were imported beside our own',
    }),
    vouchers: z
      .number()
      .int()
      .openapi({
        description:
          `how many vouchers are with it, counted up to ${MOST_COUNTED}; ` +
          `of more than ten keys at once up to fewer, but to ${LEAST_COUNTED} at least`,
      }),
    vouchers_cut: z.boolean().openapi({ description: 'counting ended there: there may be more' }),
    public_key: z.string(),
    created_at: z.string(),
    retired_at: z.string().nullable(),
  })
  .openapi('Key')

export const NewKeyBody = z.strictObject({ purpose: z.enum(VOUCHER_PURPOSES), type: KeyType })

/** A key file under a passphrase. */
export const ProtectedKey = z
  .object({
    /** Base64. */
    file: z.base64().min(1).max(65_536).openapi({ format: 'byte' }),
    passphrase: z.string().max(1024),
  })
  .openapi('ProtectedKey')

export function keyView({ kind, spki, createdAt, retiredAt, ...key }: ShownKey) {
  const { id, purpose, fingerprint, origin, state, vouchers, isCut } = key
  return {
    ...{ id, purpose, type: kind, fingerprint, origin, state, vouchers },
    vouchers_cut: isCut,
    public_key: Buffer.from(spki).toString('base64'),
    ...{ created_at: createdAt, retired_at: retiredAt },
  }
}

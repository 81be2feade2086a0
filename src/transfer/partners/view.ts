/** Partners as the management API shows them. */
import { z } from '@hono/zod-openapi'
import { jwkOf } from '../../../protocol/crypto/jwk.ts'
import { hashOf } from '../secret.ts'
import type { Partner } from './service.ts'

export const PartnerView = z
  .object({
    id: z.string(),
    name: z.string(),
    did: z.string().nullable(),
    push_url: z.string().nullable(),
    pull_url: z.string().nullable(),
    has_token: z.boolean(),
    keys: z.array(
      z.object({
        fingerprint: z.string(),
        kind: z.string(),
        jwk: z.record(z.string(), z.string()),
        certificates: z
          .number()
          .int()
          .openapi({ description: 'how many came with it: vouchers may ask for them' }),
        proven_at: z.string().nullable(),
        proven_how: z.enum(['signature', 'key-auth']).nullable(),
      }),
    ),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Partner')

export function viewOf({ party: _, token, keys, ...partner }: Partner) {
  return {
    ...partner,
    has_token: token !== null,
    keys: keys.map((key) => ({
      ...{ fingerprint: hashOf(key.spki), kind: key.kind, jwk: jwkOf(key) },
      certificates: key.chain?.length ?? 0,
      ...{ proven_at: key.proven_at, proven_how: key.proven_how },
    })),
  }
}

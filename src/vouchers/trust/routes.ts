/** /api/v1/trust-policy: whose vouchers a party takes in, changed while it does. */
import { z } from '@hono/zod-openapi'
import type { Events } from '../../events.ts'
import { type Route, route } from '../../http/route.ts'
import type { Setting } from '../../settings/setting.ts'
import type { TrustPolicy } from './policy.ts'

const Pem = z.string().max(65_536)
const DEVICE_CAS = 'default, any, or a list of certificates in PEM, 100 at most'
const MANUFACTURER_KEYS = 'any, or a list of public keys in PEM or their SHA-256, 1000 at most'
const policy = {
  device_cas: z
    .union([z.enum(['default', 'any']), z.array(Pem).min(1).max(100)], { error: DEVICE_CAS })
    .default('default')
    .openapi({ description: 'default: what the installation trusts; any; or CAs in PEM' }),
  manufacturer_keys: z
    .union([z.literal('any'), z.array(Pem).min(1).max(1000)], { error: MANUFACTURER_KEYS })
    .default('any')
    .openapi({ description: 'any; or public keys in PEM, or their SHA-256' }),
  rsa2048: z.boolean().default(true).openapi({ description: 'whether such keys are accepted' }),
}
const Policy = z.strictObject(policy).openapi('TrustPolicy')
const result = z.object({ ...policy, is_default: z.boolean() })

export function trustRoutes(
  setting: Setting<TrustPolicy>,
  events: Pick<Events, 'trustPolicyChanged'>,
): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/trust-policy',
      summary: 'Which device CAs, manufacturers and keys imported vouchers may have',
      permission: 'trust-policy:read',
      result,
      handle: async ({ principal }) => viewOf(await setting.current(principal.party)),
    }),
    route({
      method: 'put',
      path: '/trust-policy',
      summary: 'Change whose vouchers are taken in; those held stay',
      permission: 'trust-policy:write',
      body: Policy,
      result,
      async handle({ body, principal: { party, id: by } }) {
        const changed = await setting.replace({ party, id: by }, body)
        events.trustPolicyChanged({ party, by })
        return viewOf(changed)
      },
    }),
  ]
}

function viewOf({ json, isDefault }: { readonly json: unknown; readonly isDefault: boolean }) {
  return { ...Policy.parse(json), is_default: isDefault }
}

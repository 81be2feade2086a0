/** Settings, partners, vouchers and devices: each needs what was made before it. */
import { sign } from 'node:crypto'
import { makeVoucher, partsOf } from '../vouchers.ts'
import {
  type Answer,
  type Change,
  type ChangingWorld,
  type Json,
  partnerKey,
  pemOf,
} from './world.ts'

const HTTP_RV = { dns: 'rv.example', dev_port: 80, owner_port: 80, protocol: 'http' }
const partner = (changes: object = {}) => ({ name: 'buyer', keys: [pemOf(partnerKey)], ...changes })

export const transferChanges = (world: ChangingWorld): readonly Change[] => {
  const { api, upload, keep, known, secrets } = world
  return [
    {
      operation: 'PUT /trust-policy',
      told: ['trust-policy-changed'],
      perform: () => api('PUT', '/trust-policy', {}),
    },
    {
      operation: 'PUT /rendezvous-info',
      told: ['rendezvous-info-changed'],
      perform: () => {
        secrets.push('open sesame')
        const wifi = { wifi_ssid: 'line', wifi_pw: 'open sesame' }
        return api('PUT', '/rendezvous-info', { directives: [{ ...HTTP_RV, ...wifi }] })
      },
    },
    {
      operation: 'PUT /owner-addresses',
      told: ['owner-addresses-changed'],
      perform: () =>
        api('PUT', '/owner-addresses', {
          addresses: [{ dns: 'owner.example', port: 80, protocol: 'http' }],
        }),
    },
    {
      operation: 'PUT /rendezvous-policy',
      told: ['rendezvous-policy-changed'],
      perform: async () => {
        const { is_default: _, ...policy } = (await api('GET', '/rendezvous-policy')).json as Json
        return api('PUT', '/rendezvous-policy', policy)
      },
    },
    {
      operation: 'PUT /transfer-profile',
      told: ['transfer-profile-changed'],
      perform: () => api('PUT', '/transfer-profile', { public: true }),
    },
    {
      operation: 'POST /partners',
      told: ['partner-added'],
      perform: async () => {
        const url = `${world.service.service.http}/transfer/nobody/api/v1/pull/vouchers`
        const wanted = partner({ token: 'what-they-gave-us', pull_url: url })
        secrets.push('what-they-gave-us')
        const answer = await keep({ partner: 'id' }, api('POST', '/partners', wanted))
        known['key'] = (answer.json as { keys: Json[] }).keys[0]?.['fingerprint'] ?? ''
        return answer
      },
    },
    {
      operation: 'POST /partners/{id}/keys/{fingerprint}/proof',
      told: ['partner-key-proven'],
      perform: () => proof(world),
    },
    {
      operation: 'POST /key-proofs',
      told: ['owner-key-proven'],
      perform: () => ownProof(world),
    },
    {
      operation: 'PUT /partners/{id}',
      told: ['partner-changed'],
      perform: async () => {
        const { pull_url } = (await api('GET', `/partners/${known['partner']}`)).json as Json
        return api('PUT', `/partners/${known['partner']}`, partner({ name: 'reseller', pull_url }))
      },
    },
    {
      operation: 'PUT /transfer-sources/{id}',
      told: ['pull-scheduled'],
      perform: () => api('PUT', `/transfer-sources/${known['partner']}`, { every_seconds: null }),
    },
    {
      operation: 'POST /transfer-rules',
      told: ['transfer-rule-added'],
      perform: () => {
        const rule = { model: 'never made', partner: known['partner'] }
        return keep({ rule: 'id' }, api('POST', '/transfer-rules', rule))
      },
    },
    {
      operation: 'DELETE /transfer-rules/{id}',
      told: ['transfer-rule-removed'],
      perform: () => api('DELETE', `/transfer-rules/${known['rule']}`),
    },
    {
      operation: 'POST /inbox-tokens',
      told: ['inbox-token-created'],
      perform: () => keep({ inbox: 'id' }, api('POST', '/inbox-tokens', { name: 'maker' })),
    },
    {
      operation: 'DELETE /inbox-tokens/{id}',
      told: ['inbox-token-revoked'],
      perform: () => api('DELETE', `/inbox-tokens/${known['inbox']}`),
    },
    {
      operation: 'POST /vouchers',
      told: ['voucher-imported'],
      perform: async () => {
        const { bytes } = await makeVoucher(partsOf())
        const answer = await upload('/vouchers', 'application/octet-stream', bytes)
        const [item] = (answer.json as { items: Json[] }).items
        known['guid'] = item?.['guid'] ?? ''
        return answer
      },
    },
    {
      operation: 'DELETE /vouchers/{guid}',
      told: ['voucher-deleted'],
      perform: () => api('DELETE', `/vouchers/${known['guid']}`),
    },
    {
      operation: 'POST /vouchers/{guid}/restore',
      told: ['voucher-restored'],
      perform: () => api('POST', `/vouchers/${known['guid']}/restore`),
    },
    {
      operation: 'POST /vouchers/{guid}/sell',
      told: ['voucher-extended'],
      perform: () => api('POST', `/vouchers/${known['guid']}/sell`, { to: 'self' }),
    },
    {
      operation: 'POST /groups',
      told: ['group-added'],
      perform: () => api('POST', '/groups', { name: 'field', scopes: ['device:whoami'] }),
    },
    {
      operation: 'PATCH /groups/{name}',
      told: ['group-changed'],
      perform: () => api('PATCH', '/groups/field', { scopes: [] }),
    },
    {
      operation: 'PATCH /devices/{device}',
      told: ['device-group-changed'],
      perform: () => api('PATCH', `/devices/${known['guid']}`, { group: 'field' }),
    },
    {
      operation: 'DELETE /groups/{name}',
      told: ['group-added', 'group-removed'],
      perform: async () => {
        await api('POST', '/groups', { name: 'empty', scopes: [] })
        return api('DELETE', '/groups/empty')
      },
    },
    {
      operation: 'POST /transfers',
      told: ['voucher-handed-over'],
      perform: () => {
        const vouchers = [known['guid']]
        return api('POST', '/transfers', { partner: known['partner'], vouchers, unproven: true })
      },
    },
    {
      operation: 'DELETE /partners/{id}',
      told: ['partner-removed'],
      perform: () => api('DELETE', `/partners/${known['partner']}`),
    },
  ]
}

/** The seller is nobody: what it asks says for which key it is. */
async function ownProof({ api }: ChangingWorld): Promise<Answer> {
  const { items } = (await api('GET', '/keys')).json as { items: Json[] }
  const { fingerprint } = items.find(({ purpose }) => purpose === 'owner') ?? {}
  return api('POST', '/key-proofs', { challenge: `firstlight-key-proof-1:${fingerprint}:x` })
}

async function proof({ api, known }: ChangingWorld): Promise<Answer> {
  const at = `/partners/${known['partner']}/keys/${known['key']}`
  const { challenge = '' } = (await api('POST', `${at}/challenge`)).json as Json
  const signature = sign('sha256', Buffer.from(challenge), partnerKey.privateKey)
  return api('POST', `${at}/proof`, { challenge, signature: signature.toString('base64') })
}

/** Who may call, and who is told: each needs what was made before it. */
import { generateKeyPairSync } from 'node:crypto'
import { HOME_PARTY } from '../../../src/database/tables.ts'
import { type Answer, type Change, type ChangingWorld, partnerKey, pemOf } from './world.ts'

export const callerChanges = (world: ChangingWorld): readonly Change[] => {
  const { api, upload, keep, known, secrets } = world
  return [
    {
      operation: 'PATCH /party',
      told: ['party-renamed'],
      perform: () => api('PATCH', '/party', { name: 'acme' }),
    },
    {
      operation: 'POST /invitations',
      told: ['party-invited'],
      perform: () =>
        keep(
          { invitation: 'id', code: 'code' },
          api('POST', '/invitations', { name: 'other', roles: ['owner'] }),
        ),
    },
    {
      operation: 'POST /parties',
      told: ['party-joined'],
      perform: () => joined(world),
    },
    {
      operation: 'DELETE /invitations/{id}',
      told: ['party-invitation-withdrawn'],
      perform: () => api('DELETE', `/invitations/${known['invitation']}`),
    },
    {
      operation: 'POST /parties/{id}/suspend',
      told: ['party-suspended'],
      perform: () => api('POST', `/parties/${known['party']}/suspend`),
    },
    {
      operation: 'POST /parties/{id}/resume',
      told: ['party-resumed'],
      perform: () => api('POST', `/parties/${known['party']}/resume`),
    },
    {
      operation: 'POST /tokens',
      told: ['token-created'],
      perform: () => keep({ token: 'id' }, api('POST', '/tokens', { name: 't', scopes: ['read'] })),
    },
    {
      operation: 'DELETE /tokens/{id}',
      told: ['token-revoked'],
      perform: () => api('DELETE', `/tokens/${known['token']}`),
    },
    {
      operation: 'POST /clients',
      told: ['client-added'],
      perform: () => {
        const auth = { method: 'client_secret_basic' }
        const wanted = { name: 'erp', scopes: ['read'], auth }
        return keep({ client: 'client_id' }, api('POST', '/clients', wanted))
      },
    },
    {
      operation: 'PATCH /clients/{id}',
      told: ['client-changed'],
      perform: () => api('PATCH', `/clients/${known['client']}`, { disabled: true }),
    },
    {
      operation: 'POST /clients/{id}/rotate',
      told: ['client-rotated'],
      perform: () => keep({}, api('POST', `/clients/${known['client']}/rotate`, {})),
    },
    {
      operation: 'DELETE /clients/{id}',
      told: ['client-removed'],
      perform: () => api('DELETE', `/clients/${known['client']}`),
    },
    {
      operation: 'POST /identity-providers',
      told: ['identity-provider-added'],
      perform: () => {
        const { http } = world.service.service
        const found = { issuer: http, audience: 'x', jwks_uri: `${http}/oauth/jwks` }
        const wanted = { name: 'p', ...found, claim: 'roles', roles: { x: ['read'] } }
        return keep({ provider: 'id' }, api('POST', '/identity-providers', wanted))
      },
    },
    {
      operation: 'PATCH /identity-providers/{id}',
      told: ['identity-provider-changed'],
      perform: () =>
        api('PATCH', `/identity-providers/${known['provider']}`, { roles: { y: ['auditor'] } }),
    },
    {
      operation: 'DELETE /identity-providers/{id}',
      told: ['identity-provider-removed'],
      perform: () => api('DELETE', `/identity-providers/${known['provider']}`),
    },
    {
      operation: 'POST /keys',
      told: ['key-imported'],
      perform: () => {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
        return keep({ imported: 'id' }, upload('/keys', 'application/octet-stream', pkcs8))
      },
    },
    {
      operation: 'DELETE /keys/{id}',
      told: ['key-removed'],
      perform: () => api('DELETE', `/keys/${known['imported']}`),
    },
    {
      operation: 'POST /keys/make',
      told: ['key-made'],
      given: () => forgetKeys(world, { purpose: 'owner', kind: 'p384' }),
      perform: () =>
        keep({ made: 'id' }, api('POST', '/keys/make', { purpose: 'owner', type: 'p384' })),
    },
    {
      operation: 'POST /keys/{id}/rotate',
      told: ['key-rotated'],
      perform: () => api('POST', `/keys/${known['made']}/rotate`),
    },
    {
      operation: 'POST /audit/witnesses',
      told: ['witness-added'],
      perform: () => {
        const witness = { name: 'notary', public_key: pemOf(partnerKey) }
        return keep({ witness: 'fingerprint' }, api('POST', '/audit/witnesses', witness))
      },
    },
    {
      operation: 'DELETE /audit/witnesses/{fingerprint}',
      told: ['witness-removed'],
      perform: () => api('DELETE', `/audit/witnesses/${known['witness']}`),
    },
    {
      operation: 'POST /webhooks',
      told: ['webhook-added'],
      perform: () => {
        const url = `${world.service.service.http}/hidden-in-the-path`
        secrets.push('hidden-in-the-path')
        return keep({ webhook: 'id' }, api('POST', '/webhooks', { url, types: ['registered'] }))
      },
    },
    {
      operation: 'PATCH /webhooks/{id}',
      told: ['webhook-changed'],
      perform: () => api('PATCH', `/webhooks/${known['webhook']}`, { enabled: false }),
    },
    {
      operation: 'POST /webhooks/{id}/replay',
      told: ['webhook-replayed'],
      perform: () => api('POST', `/webhooks/${known['webhook']}/replay`, { from_seq: 1 }),
    },
    {
      operation: 'DELETE /webhooks/{id}',
      told: ['webhook-removed'],
      perform: () => api('DELETE', `/webhooks/${known['webhook']}`),
    },
  ]
}

async function joined({ service, known, secrets }: ChangingWorld): Promise<Answer> {
  const token = known['code'] ?? ''
  const answer = await service.api('POST', '/api/v1/parties', { token })
  const { party, token: made } = answer.json as { party: { id: string }; token: string }
  secrets.push(made.slice(-43))
  known['party'] = party.id
  return answer
}

/** As if none had been made yet. */
async function forgetKeys(
  { service }: ChangingWorld,
  { purpose, kind }: { readonly purpose: string; readonly kind: 'p384' },
): Promise<void> {
  const { database } = service.service.services
  await database.commit((tx) =>
    tx
      .deleteFrom('private_key')
      .where('party', '=', HOME_PARTY)
      .where('purpose', '=', purpose)
      .where('kind', '=', kind)
      .execute(),
  )
}

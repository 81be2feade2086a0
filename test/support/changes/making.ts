/** What a rendezvous keeps, and how devices are made: each needs what was made before it. */
import { certificatesToPem } from '../../../protocol/x509/pem.ts'
import { CA_USAGE, certificateOf, ecKey } from '../certificates.ts'
import type { Change, ChangingWorld, Json } from './world.ts'

const maker = { key: ecKey(), subject: 'maker' }
const makersCa = certificateOf({ ...maker, isCa: true, keyUsage: CA_USAGE })
const NEVER = '2999-01-01T00:00:00Z'

export const makingChanges = (world: ChangingWorld): readonly Change[] => {
  const { api, upload, keep, known } = world
  return [
    {
      operation: 'DELETE /registrations/{guid}',
      told: ['registration-withdrawn', 'registration-forgotten'],
      given: () => someoneRegisters(world),
      perform: async () => {
        await api('DELETE', `/registrations/${known['guid']}`)
        return api('DELETE', `/registrations/${known['guid']}?forget=true`)
      },
    },
    {
      operation: 'DELETE /rendezvous-alarms/{guid}',
      told: ['rendezvous-alarms-dismissed'],
      perform: () => api('DELETE', `/rendezvous-alarms/${known['guid']}`),
    },
    {
      operation: 'POST /stations',
      told: ['station-added'],
      perform: () =>
        keep({ station: 'id' }, api('POST', '/stations', { name: 'line', secret: true })),
    },
    {
      operation: 'POST /orders',
      told: ['order-created'],
      perform: () => {
        const wanted = { name: 'PO-1', quantity: 1, expires_at: NEVER }
        const device_cas = certificatesToPem([makersCa])
        return keep({ order: 'id' }, api('POST', '/orders', { ...wanted, device_cas }))
      },
    },
    {
      operation: 'POST /orders/{id}/device-certificates',
      told: ['order-certificate-added'],
      perform: () => {
        const leaf = certificateOf({ key: ecKey(), subject: 'device', issuer: maker })
        const path = `/orders/${known['order']}/device-certificates`
        return upload(path, 'application/x-pem-file', certificatesToPem([leaf, makersCa]))
      },
    },
    {
      operation: 'POST /orders/{id}/open',
      told: ['order-opened'],
      perform: () => api('POST', `/orders/${known['order']}/open`, { force: true }),
    },
    {
      operation: 'POST /orders/{id}/close',
      told: ['order-closed'],
      perform: () => api('POST', `/orders/${known['order']}/close`),
    },
    {
      operation: 'DELETE /orders/{id}',
      told: ['order-created', 'order-deleted'],
      perform: async () => {
        const wanted = { name: 'PO-2', quantity: 1, expires_at: NEVER }
        const { id } = (await api('POST', '/orders', wanted)).json as Json
        return api('DELETE', `/orders/${id}`)
      },
    },
    {
      operation: 'DELETE /stations/{id}',
      told: ['station-removed'],
      perform: () => api('DELETE', `/stations/${known['station']}`),
    },
    {
      operation: 'POST /plans',
      told: ['plan-changed'],
      perform: () => api('POST', '/plans', { name: 'cameras', steps: [] }),
    },
    {
      operation: 'PUT /plans/{name}',
      told: ['plan-changed'],
      perform: () => api('PUT', '/plans/cameras', { steps: [] }),
    },
    {
      operation: 'POST /plans/{name}/versions/{version}/approve',
      told: ['plan-approved'],
      given: () => putByAnother(world),
      perform: () => {
        const { version, digest } = known
        return api('POST', `/plans/cameras/versions/${version}/approve`, { digest, share: 10 })
      },
    },
    {
      operation: 'PATCH /plans/{name}/rollout',
      told: ['plan-rollout-changed'],
      perform: () => api('PATCH', '/plans/cameras/rollout', { share: 50 }),
    },
    {
      operation: 'DELETE /plans/{name}',
      told: ['plan-removed'],
      perform: () => api('DELETE', '/plans/cameras'),
    },
    {
      operation: 'POST /plan-contents',
      told: ['plan-content-added'],
      perform: () =>
        keep(
          { ref: 'ref' },
          upload('/plan-contents', 'application/octet-stream', Buffer.from('x')),
        ),
    },
    {
      operation: 'DELETE /plan-contents/{ref}',
      told: ['plan-content-removed'],
      perform: () => api('DELETE', `/plan-contents/${known['ref']}`),
    },
  ]
}

/** As the rendezvous would have it, had an owner and a former owner come by. */
async function someoneRegisters({ service, known }: ChangingWorld): Promise<void> {
  const { db } = service.service.services.database
  const { guid = '' } = known
  const [owner_key, at] = [Buffer.alloc(32, 1), '2026-01-01T00:00:00.000Z']
  const row = { guid, owner_key, entries: 1, last_entry_hash: Buffer.alloc(32), run_order: 1 }
  const none = { to1d: null, device_key: null, withdrawal: null, expires_at: null }
  await db.deleteFrom('registration').execute()
  await db
    .insertInto('registration')
    .values({ ...row, ...none, registered_at: at })
    .execute()
  const tried = { times: 1, entries: 1, source: '192.0.2.1', first_at: at, last_at: at }
  await db
    .insertInto('registration_alarm')
    .values({ guid, owner_key, ...tried })
    .execute()
}

/** What runs programs holds once somebody else has approved of it. */
async function putByAnother({ service, must, known }: ChangingWorld): Promise<void> {
  const { token = '' } = await must('POST', '/tokens', { name: 'author', scopes: ['plan:write'] })
  const steps = [{ type: 'command', name: 'wait', command: 'sleep', args: ['1'] }]
  const put = await service.api('PUT', '/api/v1/plans/cameras', { json: { steps }, token })
  const { version, digest } = put.json as { version: number; digest: string }
  Object.assign(known, { version: String(version), digest })
}

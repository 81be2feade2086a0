/**
 * Whatever the management API changes, the log tells of: what, by whom, and no secret. An operation
 * that is new fails here until somebody has said what it leaves behind, or why nothing.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EntryView } from '../../src/audit/lines.ts'
import { ENTRY_TYPES, type EntryType } from '../../src/audit/types.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { CA_USAGE, certificateOf, ecKey } from '../support/certificates.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { makeVoucher, partsOf, voucherVectors } from '../support/vouchers.ts'
import { fromHex } from '../support/wire.ts'

/** What changes nothing that an auditor would ask about, or is told of elsewhere. */
const UNTOLD: Readonly<Record<string, string>> = {
  'POST /audit/countersignatures': 'stands beside the log: it is about how far that goes',
  'POST /devices/{device}/register': 'does at once what is due anyway; its outcome is told',
  'POST /identity-providers/{id}/test': 'changes nothing',
  'POST /order-shares/{id}/devices': 'each device that is taken in has an entry of its own',
  'POST /orders/{id}/closing-statement': 'changes nothing',
  'POST /orders/{id}/try': 'asks addresses; nothing follows from it until the order is opened',
  'POST /partners/{id}/keys/{fingerprint}/challenge': 'nothing is kept; the proof is told of',
  'POST /transfer-sources/{id}/pull': 'each voucher that it brings has an entry of its own',
  'POST /transfers/{id}/retry': 'does at once what the sale decided, and was told of then',
  'POST /webhooks/{id}/test': 'changes nothing',
}

type Json = Record<string, string>
interface Answer {
  readonly status: number
  readonly json: unknown
}

let world: TestService
/** By what they are called below. */
const known: Json = {}
const secrets: string[] = []

const api = (method: string, path: string, json?: unknown) =>
  world.api(method, `/api/v1${path}`, json === undefined ? {} : { json })
const upload = (path: string, type: string, body: Uint8Array | string) =>
  world.api('POST', `/api/v1${path}`, { body, headers: { 'content-type': type } })

/** Keeps what the answer names, and what it shows this once. */
async function keep(names: Json, answer: Promise<Answer>): Promise<Answer> {
  const given = await answer
  const json = given.json as Json
  for (const [name, member] of Object.entries(names)) known[name] = json[member] ?? ''
  for (const member of ['token', 'secret', 'client_secret', 'code']) {
    if (json[member]) secrets.push(json[member].slice(-43))
  }
  return given
}

const partnerKey = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = ({ publicKey }: typeof partnerKey) =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString()
const maker = { key: ecKey(), subject: 'maker' }
const makersCa = certificateOf({ ...maker, isCa: true, keyUsage: CA_USAGE })
const partner = (changes: object = {}) => ({ name: 'buyer', keys: [pemOf(partnerKey)], ...changes })
const HTTP_RV = { dns: 'rv.example', dev_port: 80, owner_port: 80, protocol: 'http' }

async function proof(): Promise<Answer> {
  const at = `/partners/${known['partner']}/keys/${known['key']}`
  const { challenge = '' } = (await api('POST', `${at}/challenge`)).json as Json
  const signature = sign('sha256', Buffer.from(challenge), partnerKey.privateKey)
  return api('POST', `${at}/proof`, { challenge, signature: signature.toString('base64') })
}

/** By which the service signs orders, and is known as a line. */
async function manufacturerKey(): Promise<string> {
  const { items } = (await api('GET', '/keys')).json as { items: Json[] }
  const known = items.find(({ purpose, type }) => purpose === 'manufacturer' && type === 'p256')
  return known?.['fingerprint'] ?? ''
}

async function joined(): Promise<Answer> {
  const token = known['code'] ?? ''
  const answer = await world.api('POST', '/api/v1/parties', { token })
  const { party, token: made } = answer.json as { party: { id: string }; token: string }
  secrets.push(made.slice(-43))
  known['party'] = party.id
  return answer
}

/** In this order: each needs what was made before it. */
const CHANGES: readonly (readonly [
  operation: string,
  told: readonly EntryType[],
  perform: () => Promise<Answer>,
])[] = [
  ['PATCH /party', ['party-renamed'], () => api('PATCH', '/party', { name: 'acme' })],
  [
    'POST /invitations',
    ['party-invited'],
    () =>
      keep(
        { invitation: 'id', code: 'code' },
        api('POST', '/invitations', { name: 'other', roles: ['owner'] }),
      ),
  ],
  ['POST /parties', ['party-joined'], joined],
  [
    'DELETE /invitations/{id}',
    ['party-invitation-withdrawn'],
    () => api('DELETE', `/invitations/${known['invitation']}`),
  ],
  [
    'POST /parties/{id}/suspend',
    ['party-suspended'],
    () => api('POST', `/parties/${known['party']}/suspend`),
  ],
  [
    'POST /parties/{id}/resume',
    ['party-resumed'],
    () => api('POST', `/parties/${known['party']}/resume`),
  ],
  [
    'POST /tokens',
    ['token-created'],
    () => keep({ token: 'id' }, api('POST', '/tokens', { name: 't', scopes: ['read'] })),
  ],
  ['DELETE /tokens/{id}', ['token-revoked'], () => api('DELETE', `/tokens/${known['token']}`)],
  [
    'POST /clients',
    ['client-added'],
    () => {
      const auth = { method: 'client_secret_basic' }
      const wanted = { name: 'erp', scopes: ['read'], auth }
      return keep({ client: 'client_id' }, api('POST', '/clients', wanted))
    },
  ],
  [
    'PATCH /clients/{id}',
    ['client-changed'],
    () => api('PATCH', `/clients/${known['client']}`, { disabled: true }),
  ],
  [
    'POST /clients/{id}/rotate',
    ['client-rotated'],
    () => keep({}, api('POST', `/clients/${known['client']}/rotate`, {})),
  ],
  ['DELETE /clients/{id}', ['client-removed'], () => api('DELETE', `/clients/${known['client']}`)],
  [
    'POST /identity-providers',
    ['identity-provider-added'],
    () => {
      const { http } = world.service
      const found = { issuer: http, audience: 'x', jwks_uri: `${http}/oauth/jwks` }
      const wanted = { name: 'p', ...found, claim: 'roles', roles: { x: ['read'] } }
      return keep({ provider: 'id' }, api('POST', '/identity-providers', wanted))
    },
  ],
  [
    'PATCH /identity-providers/{id}',
    ['identity-provider-changed'],
    () => api('PATCH', `/identity-providers/${known['provider']}`, { roles: { y: ['auditor'] } }),
  ],
  [
    'DELETE /identity-providers/{id}',
    ['identity-provider-removed'],
    () => api('DELETE', `/identity-providers/${known['provider']}`),
  ],
  [
    'POST /audit/witnesses',
    ['witness-added'],
    () => {
      const witness = { name: 'notary', public_key: pemOf(partnerKey) }
      return keep({ witness: 'fingerprint' }, api('POST', '/audit/witnesses', witness))
    },
  ],
  [
    'DELETE /audit/witnesses/{fingerprint}',
    ['witness-removed'],
    () => api('DELETE', `/audit/witnesses/${known['witness']}`),
  ],
  [
    'POST /webhooks',
    ['webhook-added'],
    () => {
      const url = `${world.service.http}/hidden-in-the-path`
      secrets.push('hidden-in-the-path')
      return keep({ webhook: 'id' }, api('POST', '/webhooks', { url, types: ['registered'] }))
    },
  ],
  [
    'PATCH /webhooks/{id}',
    ['webhook-changed'],
    () => api('PATCH', `/webhooks/${known['webhook']}`, { enabled: false }),
  ],
  [
    'POST /webhooks/{id}/replay',
    ['webhook-replayed'],
    () => api('POST', `/webhooks/${known['webhook']}/replay`, { from_seq: 1 }),
  ],
  [
    'DELETE /webhooks/{id}',
    ['webhook-removed'],
    () => api('DELETE', `/webhooks/${known['webhook']}`),
  ],
  ['PUT /trust-policy', ['trust-policy-changed'], () => api('PUT', '/trust-policy', {})],
  [
    'PUT /rendezvous-info',
    ['rendezvous-info-changed'],
    () => {
      secrets.push('open sesame')
      const wifi = { wifi_ssid: 'line', wifi_pw: 'open sesame' }
      return api('PUT', '/rendezvous-info', { directives: [{ ...HTTP_RV, ...wifi }] })
    },
  ],
  [
    'PUT /owner-addresses',
    ['owner-addresses-changed'],
    () =>
      api('PUT', '/owner-addresses', {
        addresses: [{ dns: 'owner.example', port: 80, protocol: 'http' }],
      }),
  ],
  [
    'PUT /rendezvous-policy',
    ['rendezvous-policy-changed'],
    async () => {
      const { is_default: _, ...policy } = (await api('GET', '/rendezvous-policy')).json as Json
      return api('PUT', '/rendezvous-policy', policy)
    },
  ],
  [
    'PUT /transfer-profile',
    ['transfer-profile-changed'],
    () => api('PUT', '/transfer-profile', { public: true }),
  ],
  [
    'POST /partners',
    ['partner-added'],
    async () => {
      const url = `${world.service.http}/transfer/nobody/api/v1/pull/vouchers`
      const wanted = partner({ token: 'what-they-gave-us', pull_url: url })
      secrets.push('what-they-gave-us')
      const answer = await keep({ partner: 'id' }, api('POST', '/partners', wanted))
      known['key'] = (answer.json as { keys: Json[] }).keys[0]?.['fingerprint'] ?? ''
      return answer
    },
  ],
  ['POST /partners/{id}/keys/{fingerprint}/proof', ['partner-key-proven'], proof],
  [
    'PUT /partners/{id}',
    ['partner-changed'],
    async () => {
      const { pull_url } = (await api('GET', `/partners/${known['partner']}`)).json as Json
      return api('PUT', `/partners/${known['partner']}`, partner({ name: 'reseller', pull_url }))
    },
  ],
  [
    'PUT /transfer-sources/{id}',
    ['pull-scheduled'],
    () => api('PUT', `/transfer-sources/${known['partner']}`, { every_seconds: null }),
  ],
  [
    'POST /transfer-rules',
    ['transfer-rule-added'],
    () => {
      const rule = { model: 'never made', partner: known['partner'] }
      return keep({ rule: 'id' }, api('POST', '/transfer-rules', rule))
    },
  ],
  [
    'DELETE /transfer-rules/{id}',
    ['transfer-rule-removed'],
    () => api('DELETE', `/transfer-rules/${known['rule']}`),
  ],
  [
    'POST /inbox-tokens',
    ['inbox-token-created'],
    () => keep({ inbox: 'id' }, api('POST', '/inbox-tokens', { name: 'maker' })),
  ],
  [
    'DELETE /inbox-tokens/{id}',
    ['inbox-token-revoked'],
    () => api('DELETE', `/inbox-tokens/${known['inbox']}`),
  ],
  [
    'POST /vouchers',
    ['voucher-imported'],
    async () => {
      const { bytes } = await makeVoucher(partsOf())
      const answer = await upload('/vouchers', 'application/octet-stream', bytes)
      const [item] = (answer.json as { items: Json[] }).items
      known['guid'] = item?.['guid'] ?? ''
      return answer
    },
  ],
  [
    'DELETE /vouchers/{guid}',
    ['voucher-deleted'],
    () => api('DELETE', `/vouchers/${known['guid']}`),
  ],
  [
    'POST /vouchers/{guid}/restore',
    ['voucher-restored'],
    () => api('POST', `/vouchers/${known['guid']}/restore`),
  ],
  [
    'POST /vouchers/{guid}/sell',
    ['voucher-extended'],
    () => api('POST', `/vouchers/${known['guid']}/sell`, { to: 'self' }),
  ],
  [
    'POST /devices/{device}/retire',
    ['device-retired', 'voucher-deleted', 'voucher-restored'],
    async () => {
      const answer = await api('POST', `/devices/${known['guid']}/retire`)
      await api('POST', `/vouchers/${known['guid']}/restore`)
      return answer
    },
  ],
  [
    'POST /groups',
    ['group-added'],
    () => api('POST', '/groups', { name: 'field', scopes: ['device:whoami'] }),
  ],
  ['PATCH /groups/{name}', ['group-changed'], () => api('PATCH', '/groups/field', { scopes: [] })],
  [
    'PATCH /devices/{device}',
    ['device-group-changed'],
    () => api('PATCH', `/devices/${known['guid']}`, { group: 'field' }),
  ],
  [
    'DELETE /groups/{name}',
    ['group-added', 'group-removed'],
    async () => {
      await api('POST', '/groups', { name: 'empty', scopes: [] })
      return api('DELETE', '/groups/empty')
    },
  ],
  [
    'POST /transfers',
    ['voucher-handed-over'],
    () => {
      const vouchers = [known['guid']]
      return api('POST', '/transfers', { partner: known['partner'], vouchers, unproven: true })
    },
  ],
  [
    'DELETE /partners/{id}',
    ['partner-removed'],
    () => api('DELETE', `/partners/${known['partner']}`),
  ],
  [
    'DELETE /registrations/{guid}',
    ['registration-withdrawn', 'registration-forgotten'],
    async () => {
      await api('DELETE', `/registrations/${known['guid']}`)
      return api('DELETE', `/registrations/${known['guid']}?forget=true`)
    },
  ],
  [
    'DELETE /rendezvous-alarms/{guid}',
    ['rendezvous-alarms-dismissed'],
    () => api('DELETE', `/rendezvous-alarms/${known['guid']}`),
  ],
  [
    'POST /stations',
    ['station-added'],
    () => keep({ station: 'id' }, api('POST', '/stations', { name: 'line', secret: true })),
  ],
  [
    'DELETE /stations/{id}',
    ['station-removed'],
    () => api('DELETE', `/stations/${known['station']}`),
  ],
  [
    'POST /orders',
    ['order-created'],
    () => {
      const wanted = { name: 'PO-1', quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
      const device_cas = certificatesToPem([makersCa])
      return keep({ order: 'id' }, api('POST', '/orders', { ...wanted, device_cas }))
    },
  ],
  [
    'POST /orders/{id}/device-certificates',
    ['order-certificate-added'],
    () => {
      const leaf = certificateOf({ key: ecKey(), subject: 'device', issuer: maker })
      const path = `/orders/${known['order']}/device-certificates`
      return upload(path, 'application/x-pem-file', certificatesToPem([leaf, makersCa]))
    },
  ],
  [
    'POST /orders/{id}/open',
    ['order-opened'],
    () => api('POST', `/orders/${known['order']}/open`, { force: true }),
  ],
  [
    'POST /orders/{id}/shares',
    ['order-shared'],
    async () => {
      const line = await manufacturerKey()
      const path = `/orders/${known['order']}/shares`
      return keep({ share: 'id', document: 'document' }, api('POST', path, { line }))
    },
  ],
  [
    'POST /order-documents',
    ['order-issuer-trusted', 'order-imported'],
    async () => {
      const issuer = await manufacturerKey()
      const wanted = { document: known['document'], issuer, name: 'from afar' }
      const answer = await api('POST', '/order-documents', wanted)
      known['taken'] = (answer.json as { order: Json }).order['id'] ?? ''
      return answer
    },
  ],
  [
    'POST /order-shares/{id}/close',
    ['order-closed', 'order-share-closed'],
    async () => {
      await api('POST', `/orders/${known['taken']}/close`)
      const said = await api('POST', `/orders/${known['taken']}/closing-statement`)
      const { statement } = said.json as Json
      return api('POST', `/order-shares/${known['share']}/close`, { statement })
    },
  ],
  [
    'DELETE /order-issuers/{fingerprint}',
    ['order-issuer-forgotten'],
    async () => api('DELETE', `/order-issuers/${await manufacturerKey()}`),
  ],
  [
    'POST /orders/{id}/close',
    ['order-closed'],
    () => api('POST', `/orders/${known['order']}/close`),
  ],
  [
    'DELETE /orders/{id}',
    ['order-created', 'order-deleted'],
    async () => {
      const wanted = { name: 'PO-2', quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
      const { id } = (await api('POST', '/orders', wanted)).json as Json
      return api('DELETE', `/orders/${id}`)
    },
  ],
  [
    'POST /keys',
    ['key-imported'],
    () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const file = privateKey.export({ type: 'pkcs8', format: 'der' })
      return keep({ spare: 'id' }, upload('/keys', 'application/octet-stream', file))
    },
  ],
  ['DELETE /keys/{id}', ['key-removed'], () => api('DELETE', `/keys/${known['spare']}`)],
  [
    'POST /keys/make',
    ['key-made'],
    async () => {
      const { db } = world.service.services.database
      // All kinds are made at the start: as if this one never had been.
      await db.deleteFrom('private_key').where('kind', '=', 'p384').execute()
      return keep({ made: 'id' }, api('POST', '/keys/make', { purpose: 'owner', type: 'p384' }))
    },
  ],
  ['POST /keys/{id}/rotate', ['key-rotated'], () => api('POST', `/keys/${known['made']}/rotate`)],
  ['POST /plans', ['plan-changed'], () => api('POST', '/plans', { name: 'cameras', steps: [] })],
  ['PUT /plans/{name}', ['plan-changed'], () => api('PUT', '/plans/cameras', { steps: [] })],
  ['DELETE /plans/{name}', ['plan-removed'], () => api('DELETE', '/plans/cameras')],
  [
    'POST /plan-contents',
    ['plan-content-added'],
    () =>
      keep({ ref: 'ref' }, upload('/plan-contents', 'application/octet-stream', Buffer.from('x'))),
  ],
  [
    'DELETE /plan-contents/{ref}',
    ['plan-content-removed'],
    () => api('DELETE', `/plan-contents/${known['ref']}`),
  ],
]

beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_TRUST: 'any' })
  const [vector] = voucherVectors.filter(({ name }) => name === 'p256-x509-devP256')
  const owner = fromHex(vector?.ownerKeysPkcs8[1] ?? '')
  expect((await upload('/keys', 'application/octet-stream', owner)).status).toBe(201)
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

/** The newest first. */
async function entriesAfter(seq: number): Promise<EntryView[]> {
  const { items } = (await api('GET', '/audit?limit=50')).json as { items: EntryView[] }
  return items.filter((entry) => entry.seq > seq)
}

async function headSeq(): Promise<number> {
  return ((await api('GET', '/audit/head')).json as { seq: number }).seq
}

/** As the rendezvous would have it, had an owner and a former owner come by. */
async function someoneRegisters(guid: string): Promise<void> {
  const { db } = world.service.services.database
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

describe('the log', () => {
  it('tells of every operation that changes something, or it is said why not', async () => {
    const { paths } = (await api('GET', '/openapi.json')).json as { paths: Record<string, object> }
    const changing = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const told = [...CHANGES.map(([operation]) => operation), ...Object.keys(UNTOLD)]
    const expected = changing.filter((operation) => !operation.startsWith('GET '))
    expect(told.toSorted()).toEqual(expected.toSorted())
  })

  it.each(CHANGES)('of %s has %j', { timeout: PATIENCE_MS }, async (operation, told, perform) => {
    if (operation === 'DELETE /registrations/{guid}') await someoneRegisters(known['guid'] ?? '')
    const before = await headSeq()
    const { status, json } = await perform()
    expect([operation, status < 300, json]).toEqual([operation, true, json])
    // What goes on by itself meanwhile is another matter.
    const entries = (await entriesAfter(before)).filter(({ by }) => by !== 'system').toReversed()
    expect(entries.map(({ type }) => type)).toEqual(told)
    const caller =
      operation === 'POST /parties' ? known['invitation'] : world.adminToken.slice(0, 21)
    for (const { by, party } of entries) expect([party, by]).toEqual([HOME_PARTY, caller])
  })

  it('of the other party has what was done to it, without saying who in ours', async () => {
    const { database } = world.service.services
    const rows = await database.db
      .selectFrom('audit_entry')
      .select(['type', 'by'])
      .where('party', '=', known['party'] ?? '')
      .orderBy('seq')
      .execute()
    const told = rows.map(({ type, by }) => `${type} ${by}`)
    const joining = [`party-joined ${HOME_PARTY}`, `token-created ${known['invitation']}`]
    const [suspended, resumed] = ['party-suspended', 'party-resumed']
    expect(told).toEqual([...joining, `${suspended} ${HOME_PARTY}`, `${resumed} ${HOME_PARTY}`])
  })

  it('holds no secret, and nothing but the types that are listed', async () => {
    const { body } = await world.api('GET', '/api/v1/audit/export')
    const text = body.toString()
    expect(secrets.length).toBeGreaterThan(9)
    for (const secret of secrets) expect([secret, text.includes(secret)]).toEqual([secret, false])
    const types = text
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as EntryView).type)
    const unlisted = types.filter((type) => !Object.hasOwn(ENTRY_TYPES, type))
    expect(unlisted).toEqual([])
  })

  it('of what was refused has nothing', async () => {
    const before = await headSeq()
    const refused = [
      await api('DELETE', '/tokens/fdoa_none'),
      await api('DELETE', '/clients/fdom_none'),
      await api('DELETE', '/identity-providers/fdoo_none'),
      await api('DELETE', '/partners/fdor_none'),
      await api('DELETE', '/transfer-rules/fdol_none'),
      await api('DELETE', '/inbox-tokens/fdoi_none'),
      await api('DELETE', '/stations/fdost_none'),
      await api('DELETE', `/order-issuers/${'0'.repeat(64)}`),
      await api('DELETE', '/keys/fdok_none'),
      await api('DELETE', '/invitations/fdoi_none'),
      await api('POST', '/parties/fdop_none/suspend'),
      await api('DELETE', '/groups/none'),
      await api('PATCH', '/groups/none', { scopes: [] }),
      await api('DELETE', '/groups/field'),
      await api('POST', '/groups', { name: 'field', scopes: [] }),
      await api('DELETE', '/plans/none'),
      await api('DELETE', `/plan-contents/${'0'.repeat(96)}`),
      await api('DELETE', `/registrations/${'0'.repeat(32)}`),
      await api('DELETE', `/registrations/${'0'.repeat(32)}?forget=true`),
      await api('DELETE', `/rendezvous-alarms/${'0'.repeat(32)}`),
    ]
    expect(refused.filter(({ status }) => status !== 404 && status !== 409)).toEqual([])
    expect(await headSeq()).toBe(before)
  })

  it('of what was so already has nothing', async () => {
    const before = await headSeq()
    await api('PATCH', '/party', { name: 'acme' })
    await api('POST', `/parties/${known['party']}/resume`)
    await api('POST', `/orders/${known['order']}/close`)
    expect(await headSeq()).toBe(before)
  })
})

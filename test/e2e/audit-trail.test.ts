/**
 * Whatever the management API changes, the log tells of: what, by whom, and no secret. An operation
 * that is new fails here until somebody has said what it leaves behind, or why nothing.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { EntryView } from '../../src/audit/lines.ts'
import { settleAll } from '../../src/audit/settle.ts'
import { ENTRY_TYPES } from '../../src/audit/types.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { callerChanges } from '../support/changes/callers.ts'
import { lineChanges } from '../support/changes/lines.ts'
import { makingChanges } from '../support/changes/making.ts'
import { transferChanges } from '../support/changes/transfer.ts'
import { ChangingWorld } from '../support/changes/world.ts'
import { PATIENCE_MS, startTestService } from '../support/service.ts'
import { voucherVectors } from '../support/vouchers.ts'
import { fromHex } from '../support/wire.ts'

/** What changes nothing that an auditor would ask about, or is told of elsewhere. */
const UNTOLD: Readonly<Record<string, string>> = {
  'POST /audit/countersignatures': 'stands beside the log: it is about how far that goes',
  'POST /devices/{device}/dry-run': 'changes nothing',
  'POST /devices/{device}/register': 'does at once what is due anyway; its outcome is told',
  'POST /identity-providers/{id}/test': 'changes nothing',
  'POST /orders/{id}/closing-statement': 'says, signed, how much was made before it was closed',
  'POST /orders/{id}/try': 'asks addresses; nothing follows from it until the order is opened',
  'POST /partners/{id}/keys/{fingerprint}/challenge': 'nothing is kept; the proof is told of',
  'POST /transfer-sources/{id}/pull': 'each voucher that it brings has an entry of its own',
  'POST /transfers/{id}/retry': 'does at once what the sale decided, and was told of then',
  'POST /webhooks/{id}/test': 'changes nothing',
}

const world = new ChangingWorld()
const { api, known, secrets } = world

/** In this order: each needs what was made before it. */
const CHANGES = [callerChanges, transferChanges, makingChanges, lineChanges].flatMap((changes) =>
  changes(world),
)

beforeAll(async () => {
  world.service = await startTestService({ FIRSTLIGHT_TRUST: 'any' })
  const [vector] = voucherVectors.filter(({ name }) => name === 'p256-x509-devP256')
  const owner = fromHex(vector?.ownerKeysPkcs8[1] ?? '')
  expect((await world.upload('/keys', 'application/octet-stream', owner)).status).toBe(201)
}, PATIENCE_MS)
afterAll(() => world.service.remove(), PATIENCE_MS)

/** The newest first; what goes on by itself meanwhile is another matter. */
async function changesAfter(seq: number): Promise<EntryView[]> {
  const { items } = (await api('GET', '/audit?limit=50')).json as { items: EntryView[] }
  return items.filter((entry) => entry.seq > seq && entry.by !== 'system')
}

async function headSeq(): Promise<number> {
  return ((await api('GET', '/audit/head')).json as { seq: number }).seq
}

describe('the log', () => {
  it('tells of every operation that changes something, or it is said why not', async () => {
    const { paths } = (await api('GET', '/openapi.json')).json as { paths: Record<string, object> }
    const changing = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const told = [...CHANGES.map(({ operation }) => operation), ...Object.keys(UNTOLD)]
    const expected = changing.filter((operation) => !operation.startsWith('GET '))
    expect(told.toSorted()).toEqual(expected.toSorted())
  })

  it.each(CHANGES)('of $operation has $told', { timeout: PATIENCE_MS }, async (change) => {
    const { operation, told, given, perform } = change
    await given?.()
    const before = await headSeq()
    const { status, json } = await perform()
    expect([operation, status < 300, json]).toEqual([operation, true, json])
    const entries = (await changesAfter(before)).toReversed()
    expect(entries.map(({ type }) => type)).toEqual(told)
    const caller =
      operation === 'POST /parties' ? known['invitation'] : world.service.adminToken.slice(0, 21)
    for (const { by, party } of entries) expect([party, by]).toEqual([HOME_PARTY, caller])
  })

  it('of the other party has what was done to it, without saying who in ours', async () => {
    const { database } = world.service.service.services
    await settleAll(database)
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
    const { body } = await world.service.api('GET', '/api/v1/audit/export')
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
    expect(await changesAfter(before)).toEqual([])
  })

  it('of what was so already has nothing', async () => {
    const before = await headSeq()
    await api('PATCH', '/party', { name: 'acme' })
    await api('POST', `/parties/${known['party']}/resume`)
    await api('POST', `/orders/${known['order']}/close`)
    expect(await changesAfter(before)).toEqual([])
  })
})

import { afterEach, describe, expect, it, vi } from 'vitest'
import { DEFAULT_TYPE, X509 } from '../../../../protocol/crypto/public-key.ts'
import { importSpki } from '../../../../protocol/crypto/verify-key.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import type { TransferServices } from '../../../../src/transfer/assembly.ts'
import { ecKey, spkiOf } from '../../../support/certificates.ts'
import { PARTY, TESTER, openTransferWorld, someVouchers } from '../../../support/transfer-world.ts'
import { partsOf } from '../../../support/vouchers.ts'

const MINUTE_MS = 60_000
const parts = partsOf()
const model = parts.header.deviceInfo
const buyer = spkiOf(ecKey())
const manufacturerKey = parts.header.publicKey.value

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** A party that rules are at work for, and a partner of it. */
async function worldWith({
  proven = true,
  services = {},
}: { proven?: boolean; services?: Partial<TransferServices> } = {}) {
  const owners = [parts.signers[1] ?? expect.fail()]
  const world = await openTransferWorld({ owners, services })
  open.push(world)
  const keys = [toPem('PUBLIC KEY', buyer)]
  const { json: partner } = await world.api('POST', '/partners', { name: 'Buyer', keys })
  const prove = () =>
    world.database.commit((tx) =>
      tx
        .updateTable('partner_key')
        .set({ proven_at: '2026-01-01', proven_how: 'signature' })
        .execute(),
    )
  if (proven) await prove()
  return {
    ...world,
    partner,
    keys,
    prove,
    add: (body: object = {}) =>
      world.api('POST', '/transfer-rules', { model, partner: partner.id, ...body }),
    rules: () => world.api('GET', '/transfer-rules').then(({ json }) => json.items),
    import: async (count: number) =>
      world.desk.import(
        (await someVouchers(count)).map(({ bytes }) => bytes),
        TESTER,
      ),
    untilStates: (...states: string[]) =>
      world.until(
        async () => Object.values(await world.voucherStates()),
        (seen) => seen.join() === states.join(),
      ),
    refusals: () => world.database.db.selectFrom('transfer_refusal').selectAll().execute(),
  }
}

describe('a rule', () => {
  it('hands over what there is, and what comes', async () => {
    const world = await worldWith()
    await world.import(1)
    world.transfer.start()
    const { status, json } = await world.add()
    expect([status, json]).toMatchObject([
      201,
      { model, partner: world.partner.id, party: null, last_error: null },
    ])
    await world.untilStates('handed-over')
    await world.import(3)
    await world.untilStates('handed-over', 'handed-over', 'handed-over')
  })

  it('finds within a minute what another process took in', async () => {
    const world = await worldWith()
    world.transfer.start()
    await world.add()
    await world.import(1)
    await world.untilStates('handed-over')
    const { db } = world.database
    await db.updateTable('voucher').set({ state: 'held' }).execute()
    const [row] = await db.selectFrom('voucher').select('revision').execute()
    world.clock.advance(MINUTE_MS)
    // It is tried, and refused: who owns it by its last entry is not here.
    await world.until(world.refusals, (rows) => rows.length === 1)
    expect(await db.selectFrom('voucher').select('revision').execute()).toEqual([row])
  })

  it('is about its model alone, and leaves alone what came of onboarding', async () => {
    const world = await worldWith()
    await world.import(2)
    const { db } = world.database
    const onboarded = db.updateTable('voucher').set({ origin: 'onboarded' })
    await onboarded.where('guid', 'like', '01%').execute()
    world.transfer.start()
    await world.add({ model: `${model}!` })
    await world.add()
    await world.untilStates('held', 'handed-over')
  })

  it('about any model yields to one about this model', async () => {
    const world = await worldWith()
    const other = { name: 'Other', keys: [toPem('PUBLIC KEY', spkiOf(ecKey('P-384')))] }
    const { json: to } = await world.api('POST', '/partners', other)
    await world.add({ partner: to.id })
    await world.add({ model: null })
    await world.import(1)
    world.transfer.start()
    const refused = (items: { model: string | null; last_error: string | null }[]) =>
      items.find((one) => one.model === model)?.last_error
    const items = await world.until(world.rules, (seen) => refused(seen) !== null)
    expect(refused(items)).toContain('no P-256 key of Other')
    expect(Object.values(await world.voucherStates())).toEqual(['held'])
    const { json } = await world.api('GET', '/transfer-rules')
    const exact = json.items.find((one: { model: string }) => one.model === model)
    expect((await world.api('DELETE', `/transfer-rules/${exact.id}`)).status).toBe(204)
    await world.untilStates('handed-over')
  })

  it('is not followed while its party is suspended', async () => {
    const world = await worldWith()
    await world.import(1)
    await world.add()
    world.suspended.add(PARTY)
    const asked = vi.spyOn(world.suspended, 'has')
    world.transfer.start()
    const times = async () => asked.mock.calls.length
    await world.until(times, (count) => count > 0)
    expect(Object.values(await world.voucherStates())).toEqual(['held'])
    world.suspended.delete(PARTY)
    const later = async () => {
      world.clock.advance(MINUTE_MS)
      return Object.values(await world.voucherStates())
    }
    await world.until(later, ([state]) => state === 'handed-over')
  })

  it('shows why it cannot be followed, and tries ever more rarely', async () => {
    const world = await worldWith({ proven: false })
    await world.import(1)
    world.transfer.start()
    await world.add()
    const [shown] = await world.until(world.rules, ([one]) => one.last_error !== null)
    expect(shown.last_error).toContain('is not proven: firstlight partner challenge')
    const attempts = (n: number) =>
      world.until(world.refusals, ([row]) => {
        if (row?.attempts !== n) world.clock.advance(MINUTE_MS)
        return row?.attempts === n
      })
    const began = world.clock.now().getTime()
    const [fifth] = await attempts(5)
    const tookMs = world.clock.now().getTime() - began
    expect(tookMs).toBeGreaterThanOrEqual(15 * MINUTE_MS)
    const nextMs = Date.parse(fifth?.next_at ?? '') - began
    expect(nextMs).toBeGreaterThanOrEqual(31 * MINUTE_MS)
    expect(nextMs).toBeLessThanOrEqual(tookMs + 16 * MINUTE_MS)
  })

  it('is followed at once when its partner’s key is proven or replaced', async () => {
    const world = await worldWith({ proven: false })
    await world.import(1)
    world.transfer.start()
    await world.add()
    await world.until(world.rules, ([one]) => one.last_error !== null)
    await world.prove()
    const { keys, partner } = world
    await world.api('PUT', `/partners/${partner.id}`, { name: 'Buyer', keys })
    await world.untilStates('handed-over')
    await world.until(world.rules, ([one]) => one.last_error === null)
  })

  it('forgets in a day what it could not hand over and is gone', async () => {
    const world = await worldWith({ proven: false })
    await world.import(1)
    world.transfer.start()
    await world.add()
    await world.until(world.refusals, (rows) => rows.length === 1)
    await world.desk.delete('01'.repeat(16), TESTER)
    await world.until(world.refusals, (rows) => {
      if (rows.length > 0) world.clock.advance(MINUTE_MS * 60)
      return rows.length === 0
    })
    await world.until(world.rules, ([one]) => one.last_error === null)
  })

  it('keeps its partner from being removed', async () => {
    const world = await worldWith()
    const { json: rule } = await world.add()
    const remove = () => world.api('DELETE', `/partners/${world.partner.id}`)
    const refused = await remove()
    expect([refused.status, refused.json.detail]).toEqual([
      409,
      expect.stringContaining(`firstlight transfer rule remove ${rule.id}`),
    ])
    expect((await world.api('GET', `/partners/${world.partner.id}`)).json.keys).toHaveLength(1)
    await world.api('DELETE', `/transfer-rules/${rule.id}`)
    expect((await remove()).status).toBe(204)
  })

  it('is the only one about its model', async () => {
    const world = await worldWith()
    for (const body of [{}, { model: null }]) {
      expect((await world.add(body)).status).toBe(201)
      expect((await world.add(body)).status).toBe(409)
    }
  })

  it.each([
    [{ model: '' }, 400],
    [{ model: undefined }, 400],
    [{ party: 'x' }, 400],
    [{ partner: undefined }, 400],
    [{ partner: 'none' }, 404],
  ])('is refused: %j', async (body, status) => {
    const { add } = await worldWith()
    expect((await add(body)).status).toBe(status)
  })

  it('is one party’s own', async () => {
    const world = await worldWith()
    const { json } = await world.add()
    const path = `/transfer-rules/${json.id}`
    expect((await world.api('GET', path)).json).toEqual(json)
    world.actAs('fdop_other')
    expect(await world.rules()).toEqual([])
    expect((await world.api('GET', path)).status).toBe(404)
    expect((await world.api('DELETE', path)).status).toBe(404)
    expect((await world.add()).status).toBe(404)
  })
})

describe('a rule to another party of the installation', () => {
  const key = importSpki(buyer)
  const worldOf = (isActive: () => boolean) =>
    worldWith({
      services: {
        parties: {
          find: async (name) => ({ id: 'fdop_b', name }),
          findById: async (id) => (isActive() ? { id, name: 'b' } : undefined),
          keyOf: async (_id, kind) => ({ type: DEFAULT_TYPE[kind], encoding: X509, key }),
          isActive: async () => true,
          isSuspended: async () => false,
          holds: async () => false,
        },
      },
    })

  it('hands over to its key, for as long as somebody may act for it', async () => {
    let active = false
    const world = await worldOf(() => active)
    await world.import(1)
    world.transfer.start()
    const { json } = await world.add({ partner: undefined, party: 'b' })
    expect(json).toMatchObject({ partner: null, party: null })
    const [shown] = await world.until(world.rules, ([one]) => one.last_error !== null)
    expect(shown.last_error).toContain('nobody may act for')
    active = true
    expect((await world.rules())[0].party).toBe('b')
    world.clock.advance(MINUTE_MS)
    await world.untilStates('handed-over')
  })
})

describe('as a device is made', () => {
  const firstOwner = async ({ transfer }: Awaited<ReturnType<typeof worldWith>>, of = model) =>
    transfer.rules.firstOwner(PARTY, manufacturerKey, of)

  it('no rule, no owner', async () => {
    const world = await worldWith()
    await world.add()
    expect(await firstOwner(world, 'another model')).toBeUndefined()
    const { transfer } = world
    expect(await transfer.rules.firstOwner('fdop_x', manufacturerKey, model)).toBeUndefined()
  })

  it('it is sold to whom the rule names', async () => {
    const world = await worldWith()
    await world.add({ model: null })
    expect((await firstOwner(world))?.key.spki).toEqual(buyer)
  })

  it('it stays here where that key is not proven, or there is something to push', async () => {
    const world = await worldWith({ proven: false })
    await world.add()
    expect(await firstOwner(world)).toBeNull()
    const { partner, keys } = world
    const push_url = 'http://127.0.0.1:1/v'
    await world.prove()
    expect(await firstOwner(world)).not.toBeNull()
    await world.api('PUT', `/partners/${partner.id}`, { name: 'Buyer', keys, push_url })
    expect(await firstOwner(world)).toBeNull()
  })
})

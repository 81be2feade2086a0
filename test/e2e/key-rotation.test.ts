/** Keys replaced in the middle of devices' lives, over sockets; the clock stands still. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hash, randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { FakeClock } from '../../src/clock.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { addParty } from '../support/callers.ts'
import { officeOf } from '../support/factory.ts'
import { share, takeIn } from '../support/lines.ts'
import { until } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { deviceIn, leadTo, make, powerUp } from '../support/simulated.ts'

interface Key {
  readonly id: string
  readonly purpose: string
  readonly type: string
  readonly fingerprint: string
  readonly state: string
  readonly vouchers: number
  readonly retired_at: string | null
}

const folder = mkdtempSync(join(tmpdir(), 'key-rotation-'))
const clock = new FakeClock(new Date())
const QUARTER_MS = 15 * 60_000
let world: TestService
let office: ReturnType<typeof officeOf>
let stranger: ReturnType<typeof officeOf>
beforeAll(async () => {
  world = await startTestService({ FIRSTLIGHT_FIRST_OWNER: 'self' }, { clock })
  office = officeOf(world)
  stranger = officeOf(world, (await addParty(world, 'stranger')).token)
}, PATIENCE_MS)
afterAll(async () => {
  await world.remove()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

const list = async () => (await office.must<{ items: Key[] }>('GET', '/keys?limit=500')).items
const activeOf = async (purpose: string, type = 'p256') =>
  (await list()).find(
    (key) => [key.purpose, key.type, key.state].join() === `${purpose},${type},active`,
  )!
const show = (id: string) => office.must<Key>('GET', `/keys/${id}`)
const rotate = (id: string) => office.must<Key>('POST', `/keys/${id}/rotate`)
const refused = async (method: string, path: string, from = office, options = {}) => {
  const { status, json } = await from.call<{ detail?: string }>(method, path, options)
  return [status, json?.detail]
}
/** The newest first; what is told of devices meanwhile comes when it comes. */
const lastEntries = async (type: string, count: number) => {
  const path = `/audit?type=${type}&limit=${count}`
  const { items } = await office.must<{ items: object[] }>('GET', path)
  return items
}
const fingerprintIn = async (guid: string, which: typeof ownerKeyOf) => {
  const { body } = await world.api('GET', `/api/v1/vouchers/${guid}?format=cbor`)
  return hash('sha256', which(parseVoucher(new Uint8Array(body))).value.key.spki, 'hex')
}
const makerOf = (voucher: Parameters<typeof ownerKeyOf>[0]) => voucher.header.value.publicKey

describe('in the middle of a life', { timeout: PATIENCE_MS }, () => {
  it('an owner key that was rotated still onboards its devices; new ones go to the new key', async () => {
    const url = world.service.http!
    const before = deviceIn(folder, 'before')
    const guid = await make(url, 'before', before)
    const [old, oldMaker] = [await activeOf('owner'), await activeOf('manufacturer')]
    expect(old.vouchers).toBe(1)
    const [now, maker] = [await rotate(old.id), await rotate(oldMaker.id)]
    expect(now).toMatchObject({ purpose: 'owner', type: 'p256', state: 'active', vouchers: 0 })
    expect(await show(old.id)).toMatchObject({ state: 'retired', retired_at: expect.any(String) })
    expect(await lastEntries('key-rotated', 2)).toMatchObject([
      { type: 'key-rotated', subject: { id: maker.id }, detail: { replaces: oldMaker.id } },
      { type: 'key-rotated', subject: { id: now.id }, detail: { replaces: old.id } },
    ])

    const after = await make(url, 'after', deviceIn(folder, 'after'))
    expect(await fingerprintIn(after, ownerKeyOf)).toBe(now.fingerprint)
    expect(await fingerprintIn(after, makerOf)).toBe(maker.fingerprint)
    expect(await fingerprintIn(guid, ownerKeyOf)).toBe(old.fingerprint)
    expect(await fingerprintIn(guid, makerOf)).toBe(oldMaker.fingerprint)

    leadTo(url, before)
    expect(await powerUp(before)).toMatchObject({ result: 'onboarded' })
    expect(await show(old.id)).toMatchObject({ state: 'retired', vouchers: 2 })
    expect(await refused('DELETE', `/keys/${old.id}`)).toEqual([
      409,
      expect.stringContaining('was in use until'),
    ])
    clock.advance(QUARTER_MS)
    expect(await office.call('DELETE', `/keys/${old.id}`)).toMatchObject({
      status: 409,
      json: { vouchers: 2, detail: expect.stringContaining('2 vouchers are with') },
    })
    expect(await refused('DELETE', `/keys/${oldMaker.id}`)).toEqual([204, undefined])
    expect(await lastEntries('key-removed', 1)).toMatchObject([
      { type: 'key-removed', subject: { id: oldMaker.id } },
    ])
    expect(await refused('GET', `/keys/${oldMaker.id}`)).toEqual([404, expect.anything()])
  })

  it('a manufacturer key is kept while an order from elsewhere is made out to it', async () => {
    const { id, fingerprint: line } = await activeOf('manufacturer')
    const { id: placed } = await office.open({ quantity: 2 })
    const { document } = await share(office, placed, { line })
    const taken = await takeIn(office, document, { issuer: line, name: 'at the line' })
    await rotate(id)
    clock.advance(QUARTER_MS)
    const needed = [409, expect.stringContaining(`${taken.id} was made out to ${id}`)]
    expect(await refused('DELETE', `/keys/${id}`)).toEqual(needed)
    await office.must('POST', `/orders/${taken.id}/close`)
    await office.must('POST', `/orders/${taken.id}/closing-statement`)
    expect(await refused('DELETE', `/keys/${id}`)).toEqual([204, undefined])
  })

  it('what was made by a former manufacturer key is sold all the same', async () => {
    const none = await startTestService({ FIRSTLIGHT_FIRST_OWNER: 'none' }, { clock })
    try {
      const there = officeOf(none)
      const keys = async () => (await there.must<{ items: Key[] }>('GET', '/keys')).items
      const guid = await make(none.service.http!, 'unsold', deviceIn(folder, 'unsold'))
      const [maker, owner] = ['manufacturer', 'owner'].map(
        (purpose) => async () =>
          (await keys()).find((key) => key.purpose === purpose && key.type === 'p256')!,
      )
      const { id } = await maker!()
      await there.must('POST', `/keys/${id}/rotate`)
      clock.advance(QUARTER_MS)
      expect(await there.call('DELETE', `/keys/${id}`)).toMatchObject({ status: 409 })
      const { public_key } = (await owner!()) as Key & { public_key: string }
      const to = `-----BEGIN PUBLIC KEY-----\n${public_key}\n-----END PUBLIC KEY-----\n`
      const sold = await there.must<{ state: string }>('POST', `/vouchers/${guid}/sell`, { to })
      expect(sold).toMatchObject({ state: 'held', entries: 1 })
      expect(await there.call('DELETE', `/keys/${id}`)).toMatchObject({ status: 204 })
    } finally {
      await none.remove()
    }
  })
})

describe('a rotation', { timeout: PATIENCE_MS }, () => {
  it('of two at once is one, and a repeat with the same key is the same', async () => {
    const old = await activeOf('owner', 'p384')
    const headers = { 'idempotency-key': randomUUID() }
    const path = `/keys/${old.id}/rotate`
    const [one, two] = await Promise.all([
      office.call<Key>('POST', path),
      office.call('POST', path),
    ])
    expect([one!.status, two!.status].toSorted()).toEqual([201, 409])
    const next = await activeOf('owner', 'p384')
    const again = async () =>
      (await office.call<Key>('POST', `/keys/${next.id}/rotate`, { headers })).json.id
    expect(await again()).toBe(await again())
    const active = await activeOf('owner', 'p384')
    expect(await refused('POST', path)).toEqual([409, `${old.id} is not in use: ${active.id} is`])
  })

  it('is for the keys of vouchers, in use, of one’s own party', async () => {
    const { id } = await activeOf('owner')
    const ca = (await list()).find(({ purpose }) => purpose === 'device-ca')!
    for (const method of ['POST', 'DELETE']) {
      const end = method === 'POST' ? '/rotate' : ''
      expect(await refused(method, `/keys/${id}${end}`, stranger)).toEqual([
        404,
        `there is no key ${id}`,
      ])
      expect(await refused(method, `/keys/${ca.id}${end}`)).toEqual([
        409,
        expect.stringContaining('this service keeps it itself'),
      ])
    }
    expect(await refused('GET', `/keys/${id}`, stranger)).toEqual([404, expect.anything()])
    expect(await refused('DELETE', `/keys/${id}`)).toEqual([
      409,
      expect.stringContaining('rotate it'),
    ])
    const { items } = await stranger.must<{ items: Key[] }>('GET', '/keys')
    expect(
      items.every(({ fingerprint }) => fingerprint !== '' && !items.some((k) => k.id === id)),
    ).toBe(true)
  })

  it('and a removal are made on the condition that nothing has changed', async () => {
    const old = await activeOf('owner', 'p384')
    const { headers: shown } = await world.api('GET', `/api/v1/keys/${old.id}`)
    await rotate(old.id)
    clock.advance(QUARTER_MS)
    const headers = { 'if-match': String(shown['etag']) }
    expect(await refused('DELETE', `/keys/${old.id}`, office, { headers })).toEqual([
      412,
      expect.anything(),
    ])
    expect(await refused('DELETE', `/keys/${old.id}`)).toEqual([204, undefined])
  })
})

describe('a key', { timeout: PATIENCE_MS }, () => {
  const wanted = (purpose: string, type: string) => ({ json: { purpose, type } })

  it('is made once of each kind, RSA too; after that it is rotated', async () => {
    const path = '/keys/make'
    const made = await stranger.must<Key>('POST', path, { purpose: 'owner', type: 'rsa2048' })
    expect(made).toMatchObject({ type: 'rsa2048', state: 'active', origin: 'made', vouchers: 0 })
    expect(await refused('POST', path, stranger, wanted('owner', 'rsa2048'))).toEqual([
      409,
      `there is one, ${made.id}: rotate it`,
    ])
    const { items } = await stranger.must<{ items: object[] }>('GET', '/audit?type=key-made')
    expect(items).toMatchObject([
      {
        subject: { id: made.id },
        detail: { purpose: 'owner', type: 'rsa2048', fingerprint: made.fingerprint },
      },
    ])
  })

  it('for making devices is for manufacturers; others are nobody’s to make', async () => {
    expect(await refused('POST', '/keys/make', office, wanted('device-ca', 'p256'))).toEqual([
      400,
      expect.anything(),
    ])
    expect(await refused('POST', '/keys/make', stranger, wanted('manufacturer', 'p256'))).toEqual([
      403,
      expect.stringContaining('does not make devices'),
    ])
    expect(await refused('POST', '/keys/make', office, wanted('owner', 'p521'))).toEqual([
      400,
      expect.anything(),
    ])
  })

  it('that is found by many at once keeps some of them waiting, and some away', async () => {
    await until('its own are found', async () => (await activeOf('owner', 'rsa3072')) !== undefined)
    const { id } = await activeOf('owner', 'rsa3072')
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => office.call('POST', `/keys/${id}/rotate`)),
    )
    const statuses = answers.map(({ status }) => status).toSorted()
    expect(statuses).toEqual([201, 409, 409, 409, 429, 429])
  })

  it('is one of 500 at most', async () => {
    const { database } = world.service.services
    const { party, ...key } = await database.db
      .selectFrom('private_key')
      .selectAll()
      .where('party', '<>', HOME_PARTY)
      .where('kind', '=', 'p256')
      .executeTakeFirstOrThrow()
    const { items: few } = await stranger.must<{ items: Key[] }>('GET', '/keys')
    const { id } = few.find(({ state }) => state === 'active')!
    const more = Array.from({ length: 500 }, (_, i) => ({
      ...{ ...key, party, id: `fdok_${i}`, fingerprint: `${i}`, origin: 'imported' as const },
    }))
    await database.commit((tx) => tx.insertInto('private_key').values(more).execute())
    const full = [409, '500 keys are enough: remove those nothing needs']
    expect(await refused('POST', `/keys/${id}/rotate`, stranger)).toEqual(full)
    expect(await refused('POST', '/keys/make', stranger, wanted('owner', 'rsa3072'))).toEqual(full)
    // What is refused leaves nothing behind.
    expect(await stranger.must('GET', `/keys/${id}`)).toMatchObject({ state: 'active' })
  })
})

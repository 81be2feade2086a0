import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../../../protocol/bytes.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { voucherToPem } from '../../../../protocol/voucher/pem.ts'
import { type Voucher, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { vouchersFromPem } from '../../../../protocol/voucher/pem.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const other = partsOf('p256-cosekey-devP256')
const first = await makeVoucher(parts, { header: { guid: guid(0xa1) } })
const second = await makeVoucher(other, { header: { guid: guid(0xa2) } })

let world: VoucherWorld
beforeEach(async () => {
  world = await openVoucherWorld({ owners: [...parts.signers.slice(1, 2), ...other.signers] })
})
afterEach(() => world.database.close())

const post = (body: Uint8Array | string, type = 'application/cbor') =>
  world.call('/vouchers', {
    method: 'POST',
    body: typeof body === 'string' ? body : new Uint8Array(body),
    headers: { 'content-type': type },
  })

const both = (a: Voucher, b: Voucher) => concat(a.bytes, b.bytes)

describe('POST /vouchers', () => {
  it('takes one in CBOR', async () => {
    const { status, json } = await post(first.bytes)
    expect(status).toBe(200)
    expect(json).toEqual({ items: [{ guid: guidText(0xa1), ok: true, check: null, detail: null }] })
  })

  it('takes many in CBOR, one after the other', async () => {
    const { json } = await post(both(first, second))
    expect(json.items).toMatchObject([{ ok: true }, { ok: true }])
  })

  it('takes one and many in PEM', async () => {
    const one = await post(voucherToPem(first.bytes), 'application/x-pem-file')
    expect(one.json.items).toMatchObject([{ ok: true }])
    const pem = [first, second].map(({ bytes }) => voucherToPem(bytes)).join('')
    const many = await post(pem, 'text/plain')
    expect(many.json.items).toMatchObject([{ detail: 'held already' }, { guid: guidText(0xa2) }])
  })

  it('says of each what is wrong', async () => {
    const sold = await makeVoucher(parts, { sales: 2, header: { guid: guid(0xa3) } })
    const { status, json } = await post(both(second, sold))
    expect(status).toBe(200)
    expect(json.items).toMatchObject([
      { ok: true },
      { guid: guidText(0xa3), ok: false, check: 'owner-key-not-ours' },
    ])
  })

  it.each([
    ['a voucher and a byte', concat(first.bytes, Uint8Array.of(0))],
    ['a voucher cut off', first.bytes.subarray(0, -1)],
    ['text', 'no voucher'],
    ['a PEM block cut off', voucherToPem(first.bytes).slice(0, -40)],
  ])('refuses %s as a whole', async (_, body) => {
    const { status, json } = await post(body)
    expect(status).toBe(422)
    expect(json).toMatchObject({
      code: 'check-failed',
      items: [{ guid: null, ok: false, check: 'malformed' }],
    })
    expect(await world.voucherStates()).toEqual({})
  })

  it('refuses nothing at all', async () => {
    expect(await post('')).toMatchObject({ status: 422, json: { items: [] } })
  })

  it('refuses other media types', async () => {
    expect((await post('{}', 'application/json')).status).toBe(415)
  })
})

describe('GET /vouchers', () => {
  beforeEach(() => post(both(first, second)))

  it('lists them a page at a time', async () => {
    const page = await world.call('/vouchers?limit=1')
    expect(page.json.items).toMatchObject([
      { guid: guidText(0xa1), state: 'held', origin: 'imported', entries: 1 },
    ])
    const next = await world.call(`/vouchers?limit=1&cursor=${page.json.next}`)
    expect(next.json).toMatchObject({ items: [{ guid: guidText(0xa2) }], next: null })
  })

  it('lists those of a time as they came, a page at a time', async () => {
    const later = new Date(world.clock.now().getTime() + 60_000)
    await world.database.db
      .updateTable('voucher')
      .set({ created_at: later.toISOString() })
      .where('guid', '=', guidText(0xa1))
      .execute()
    const query = '/vouchers?since=2020-01-01T00:00:00Z&limit=1'
    const page = await world.call(query)
    expect(page.json.items).toMatchObject([{ guid: guidText(0xa2) }])
    const next = await world.call(`${query}&cursor=${page.json.next}`)
    expect(next.json).toMatchObject({ items: [{ guid: guidText(0xa1) }], next: null })
    const byGuid = (await world.call('/vouchers?limit=1')).json.next
    expect((await world.call(`${query}&cursor=${byGuid}`)).status).toBe(400)
  })

  it('gives those that came at once one after the other', async () => {
    const query = '/vouchers?until=2999-01-01T00:00:00Z&limit=1'
    const page = await world.call(query)
    const next = await world.call(`${query}&cursor=${page.json.next}`)
    const items = [...page.json.items, ...next.json.items]
    expect(items.map(({ guid }: { guid: string }) => guid)).toEqual([
      guidText(0xa1),
      guidText(0xa2),
    ])
  })

  it.each([
    ['state=held', 2],
    ['state=replaced', 0],
    ['origin=imported', 2],
    ['origin=made', 0],
    ['device_info=vector-model-1', 2],
    ['device_info=other', 0],
    ['device_id=fdod_x', 0],
  ])('filters by %s', async (query, count) => {
    expect((await world.call(`/vouchers?${query}`)).json.items).toHaveLength(count)
  })

  it('refuses a filter that is none', async () => {
    expect((await world.call('/vouchers?state=lost')).status).toBe(400)
    expect((await world.call('/vouchers?cursor=%21')).status).toBe(400)
  })
})

describe('GET /vouchers/{guid}', () => {
  beforeEach(() => post(first.bytes))
  const path = `/vouchers/${guidText(0xa1)}`

  it('says what is in it', async () => {
    const { json } = await world.call(path)
    expect(json).toMatchObject({
      guid: guidText(0xa1),
      version: 101,
      device_info: 'vector-model-1',
      manufacturer_key: { type: 'p256', encoding: 'x509' },
      sold_to: [{ type: 'p256' }],
      bytes: first.bytes.length,
    })
    expect(json.sold_to[0].fingerprint).toBe(json.owner_key)
    expect(json.rendezvous_info[1]).toMatchObject({ dns: 'owner.example.test', bypass: true })
    expect(json.device_certificate.not_after).toMatch(/^2/)
  })

  it.each([
    ['?format=cbor', {}],
    ['', { accept: 'application/cbor' }],
    ['', { accept: 'application/octet-stream' }],
  ])('gives the voucher as CBOR%s', async (query, headers) => {
    const { type, bytes } = await world.call(`${path}${query}`, { headers })
    expect(type).toBe('application/cbor')
    expect(bytes).toEqual(new Uint8Array(first.bytes))
  })

  it.each([
    ['?format=pem', {}],
    ['', { accept: 'application/x-pem-file' }],
  ])('gives the voucher as PEM%s', async (query, headers) => {
    const { type, bytes } = await world.call(`${path}${query}`, { headers })
    expect(type).toBe('application/x-pem-file')
    expect(vouchersFromPem(Buffer.from(bytes).toString())).toEqual([new Uint8Array(first.bytes)])
  })

  it('takes a GUID with dashes and in capitals', async () => {
    const dashed = 'A1A1A1A1-A1A1-A1A1-A1A1-A1A1A1A1A1A1'
    expect((await world.call(`/vouchers/${dashed}`)).json.guid).toBe(guidText(0xa1))
  })

  it('knows what it is not', async () => {
    expect((await world.call('/vouchers/a1')).status).toBe(400)
    expect((await world.call(`/vouchers/${guidText(1)}`)).status).toBe(404)
  })

  it('gives the voucher itself only to who may have it', async () => {
    world.allow('voucher:read')
    expect((await world.call(path)).status).toBe(200)
    expect((await world.call(`${path}?format=pem`)).status).toBe(403)
  })
})

describe('POST /vouchers/{guid}/sell', () => {
  beforeEach(() => post(first.bytes))
  const sell = (body: object) =>
    world.call(`/vouchers/${guidText(0xa1)}/sell`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    })

  it('extends it to a public key', async () => {
    const spki = parts.publicKeys[2]?.key.spki ?? expect.fail()
    world.provenKeys.add(hash('sha256', spki, 'hex'))
    const { json } = await sell({ to: toPem('PUBLIC KEY', spki) })
    expect(json).toMatchObject({ state: 'handed-over', entries: 2 })
    const { bytes } = await world.call(`/vouchers/${guidText(0xa1)}?format=cbor`)
    expect(parseVoucher(bytes).entries).toHaveLength(2)
    expect((await world.call(`/vouchers/${guidText(0xa1)}`)).json.exported_at).not.toBeNull()
  })

  it('extends it to the key of a certificate', async () => {
    const { chain = [] } = partsOf('p256-x5chain-devP256').publicKeys[2] ?? {}
    const to = chain.map((der) => toPem('CERTIFICATE', der)).join('')
    const { json } = await sell({ to, unproven: true })
    expect(json).toMatchObject({ state: 'handed-over', entries: 2 })
  })

  it('extends it to who owns it already', async () => {
    const { json } = await sell({ to: 'self' })
    expect(json).toMatchObject({ state: 'held', entries: 2 })
  })

  it.each([
    ['no key', { to: 'x' }],
    ['a block that holds none', { to: toPem('PUBLIC KEY', Uint8Array.of(1)) }],
    ['nothing', {}],
  ])('refuses %s', async (_, body) => {
    expect((await sell(body)).status).toBe(400)
  })

  it('sells nothing to a key that nobody has proven to hold', async () => {
    const spki = parts.publicKeys[2]?.key.spki ?? expect.fail()
    const { status, json } = await sell({ to: toPem('PUBLIC KEY', spki) })
    expect([status, json.detail]).toEqual([409, expect.stringContaining('partner challenge')])
    expect((await world.call(`/vouchers/${guidText(0xa1)}`)).json).toMatchObject({
      state: 'held',
      entries: 1,
    })
  })

  it('names the check where the key does not fit', async () => {
    const spki = partsOf('p384-x509-devP384').publicKeys[0]?.key.spki ?? expect.fail()
    const { status, json } = await sell({ to: toPem('PUBLIC KEY', spki), unproven: true })
    expect([status, json.check]).toEqual([422, 'next-owner-key-type'])
  })
})

describe('DELETE /vouchers/{guid}', () => {
  it('removes it', async () => {
    await post(first.bytes)
    const init = { method: 'DELETE' }
    expect((await world.call(`/vouchers/${guidText(0xa1)}`, init)).status).toBe(204)
    expect((await world.call(`/vouchers/${guidText(0xa1)}`, init)).status).toBe(404)
  })
})

describe('each of them', () => {
  it.each([
    ['POST', '/vouchers', 'voucher:read'],
    ['GET', '/vouchers', 'voucher:import'],
    ['GET', `/vouchers/${guidText(1)}`, 'voucher:export'],
    ['DELETE', `/vouchers/${guidText(1)}`, 'voucher:read'],
    ['POST', `/vouchers/${guidText(1)}/sell`, 'voucher:export'],
  ])('%s %s wants its permission, not %s', async (method, path, scope) => {
    world.allow(scope)
    expect((await world.call(path, { method })).status).toBe(403)
  })
})

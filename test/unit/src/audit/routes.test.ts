/** /api/v1/audit, as one party sees it beside another. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { beginningOf } from '../../../../src/audit/entry.ts'
import { countersign } from '../../../../src/audit/head.ts'
import type { Line } from '../../../../src/audit/lines.ts'
import { parseLine } from '../../../../src/audit/lines.ts'
import { ChainWalk, walkLines } from '../../../../src/audit/verify.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import {
  AuditWorld,
  OTHER_PARTY,
  WITNESSED_AT,
  anEntry,
  guid,
  witnessKey,
} from '../../../support/audit-world.ts'

let world: AuditWorld
beforeEach(async () => {
  world = await AuditWorld.open()
})
afterEach(() => world.database.close())

const get = (path: string, options = {}) => world.call('GET', path, options)
const seqs = async (query: string, options = {}) =>
  (await get(`/audit${query}`, options)).json.items.map((one: { seq: number }) => one.seq)
const linesOf = (text: string) => text.split('\n').filter((line) => line !== '')

describe('GET /audit', () => {
  it('lists what happened, newest first, page after page', async () => {
    await world.fill(5)
    const first = await get('/audit?limit=3')
    expect(first.json.items.map(({ seq }: { seq: number }) => seq)).toEqual([5, 4, 3])
    await world.fill(1)
    const second = await get(`/audit?limit=3&cursor=${first.json.next}`)
    expect(second.json).toMatchObject({ items: [{ seq: 2 }, { seq: 1 }], next: null })
    expect(second.json.items[1]).toMatchObject({
      party: HOME_PARTY,
      type: 'voucher-made',
      by: 'system',
      subject: { guid: guid(0) },
      detail: null,
      previous: toHex(beginningOf(HOME_PARTY)),
    })
  })

  it('finds what happened to a voucher or a device, by type and by time', async () => {
    await world.append(anEntry({ subject: { guid: 'aa', device: 'fdod_1' } }))
    world.clock.advance(60_000)
    await world.append(
      anEntry({ subject: { guid: 'aa' }, type: 'onboarded' }),
      anEntry({ subject: { guid: 'bb', device: 'fdod_1' } }),
    )
    world.clock.advance(60_000)
    await world.append(anEntry({ subject: { guid: 'bb' }, type: 'onboarded' }))
    expect(await seqs('?guid=aa')).toEqual([2, 1])
    expect(await seqs('?device=fdod_1')).toEqual([3, 1])
    expect(await seqs('?type=onboarded')).toEqual([4, 2])
    expect(await seqs('?type=onboarded&guid=bb')).toEqual([4])
    expect(await seqs('?since=2026-01-02T03:05:05Z')).toEqual([4, 3, 2])
    expect(await seqs('?until=2026-01-02T03:05:05Z')).toEqual([1])
    const between = '?since=2026-01-02T04:05:05.000%2B01:00&until=2026-01-02T03:06:05Z'
    expect(await seqs(between)).toEqual([3, 2])
    expect((await get('/audit?since=yesterday')).status).toBe(400)
  })

  it('goes from page to page among entries of one moment', async () => {
    await world.append(...Array.from({ length: 5 }, () => anEntry()))
    world.clock.advance(-60_000)
    await world.append(anEntry())
    const found: number[] = []
    let next = ''
    do {
      const { json } = await get(`/audit?limit=2${next && `&cursor=${next}`}`)
      found.push(...json.items.map(({ seq }: { seq: number }) => seq))
      next = json.next ?? ''
    } while (next)
    expect(found).toEqual([5, 4, 3, 2, 1, 6])
    expect((await get('/audit?cursor=AAAA')).status).toBe(400)
  })

  it('shows nothing of another party', async () => {
    await world.fill(2)
    await world.fill(1, OTHER_PARTY)
    expect(await seqs('', { party: OTHER_PARTY })).toEqual([1])
    expect(await seqs(`?guid=${guid(1)}`, { party: OTHER_PARTY })).toEqual([])
    const { json } = await get('/audit/head', { party: OTHER_PARTY })
    expect(json).toMatchObject({ party: OTHER_PARTY, seq: 1 })
    const { text } = await get('/audit/export', { party: OTHER_PARTY })
    expect(linesOf(text)).toHaveLength(1)
    expect(text).not.toContain(HOME_PARTY)
  })

  it('needs the permission', async () => {
    for (const path of ['', '/head', '/export', '/countersignatures', '/witnesses']) {
      expect((await get(`/audit${path}`, { scope: 'audit:read' })).status).toBe(200)
      expect((await get(`/audit${path}`, { scope: 'audit:write audit:witness' })).status).toBe(403)
    }
  })
})

describe('GET /audit/head', () => {
  it('is the last entry, and before the first the beginning', async () => {
    const hash = toHex(beginningOf(HOME_PARTY))
    expect((await get('/audit/head')).json).toEqual({ party: HOME_PARTY, seq: 0, hash, at: null })
    await world.fill(3)
    const { hash: last, at } = (await world.entries())[2]!
    const head = { party: HOME_PARTY, seq: 3, hash: toHex(last), at }
    expect((await get('/audit/head')).json).toEqual(head)
  })
})

describe('GET /audit/export', () => {
  it('gives the log in parts that verify together', async () => {
    await world.fill(5)
    const parts = await Promise.all(
      [1, 3, 5, 6].map((from) => get(`/audit/export?from=${from}&limit=2`)),
    )
    const lines = parts.map(({ text }) => linesOf(text))
    expect(lines.map(({ length }) => length)).toEqual([2, 2, 1, 0])
    expect(await walkLines(new ChainWalk(), lines.flat())).toBeUndefined()
    expect((await get('/audit/export')).text).toBe(parts.map(({ text }) => text).join(''))
  })

  it('has countersignatures behind their entries, and those of no entry at the end', async () => {
    await world.fill(3)
    const witness = witnessKey()
    await add(witness)
    const entries = await world.entries()
    await sign(witness, entries[0]!)
    await sign(witness, entries[1]!)
    await world.tamper('delete from audit_entry where seq > 1')
    const kindOf = (line: Line) => (line.entry ? line.entry.seq : 'countersignature')
    const read = async (query: string) =>
      linesOf((await get(`/audit/export${query}`)).text)
        .map(parseLine)
        .map(kindOf)
    expect(await read('')).toEqual([1, 'countersignature', 'countersignature'])
    expect(await read('?limit=1')).toEqual([1, 'countersignature'])
    expect(await read('?from=2')).toEqual(['countersignature'])
    const all = linesOf((await get('/audit/export')).text)
    const walk = new ChainWalk({ witnesses: [witness.key] })
    expect(await walkLines(walk, all)).toMatchObject({ seq: 2, kind: 'cut' })
  })
})

type Witness = ReturnType<typeof witnessKey>

const add = (witness: Witness, options = {}) =>
  world.call('POST', '/audit/witnesses', {
    json: { name: 'auditor', public_key: witness.pem },
    ...options,
  })
type Head = Parameters<typeof countersign>[1]
const sign = async (witness: Witness, head: Head, options = {}, at = WITNESSED_AT) =>
  world.call('POST', '/audit/countersignatures', {
    body: await countersign(witness, head, at),
    type: 'application/cose',
    ...options,
  })

describe('witnesses', () => {
  it('are listed by their public keys, once, and removed; the log says so', async () => {
    const witness = witnessKey()
    const { status, json } = await add(witness)
    expect(status).toBe(201)
    expect(json).toMatchObject({ name: 'auditor', public_key: witness.pem })
    expect((await add(witness)).json).toEqual(json)
    expect((await get('/audit/witnesses')).json).toEqual({ items: [json], next: null })
    const path = `/audit/witnesses/${json.fingerprint}`
    expect((await world.call('DELETE', path)).status).toBe(204)
    expect((await world.call('DELETE', path)).status).toBe(404)
    expect(await world.entries()).toMatchObject([
      { type: 'witness-added', by: 'fdoa_1', subject: { id: json.fingerprint } },
      { type: 'witness-removed', by: 'fdoa_1', subject: { id: json.fingerprint } },
    ])
  })

  it('have a key that can be used', async () => {
    const wrong = ['x', `${witnessKey().pem}${witnessKey().pem}`, witnessKey().pem.slice(0, 80)]
    wrong.push('-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n')
    for (const pem of wrong) {
      expect([pem, (await add({ ...witnessKey(), pem })).status]).toEqual([pem, 400])
    }
  })

  it('are those of a party, added and removed by who may', async () => {
    const witness = witnessKey()
    const { json } = await add(witness)
    const path = `/audit/witnesses/${json.fingerprint}`
    expect((await world.call('DELETE', path, { party: OTHER_PARTY })).status).toBe(404)
    expect((await get('/audit/witnesses', { party: OTHER_PARTY })).json.items).toEqual([])
    expect((await add(witness, { scope: 'audit:read audit:witness' })).status).toBe(403)
    expect((await add(witness, { scope: 'operator' })).status).toBe(403)
    const asReader = { scope: 'audit:read audit:witness' }
    expect((await world.call('DELETE', path, asReader)).status).toBe(403)
  })
})

describe('POST /audit/countersignatures', () => {
  it('keeps what a listed witness has signed, once', async () => {
    const witness = witnessKey()
    const { fingerprint } = (await add(witness)).json
    const [head] = await world.entries()
    const answer = await sign(witness, head!, { scope: 'audit:witness' })
    expect(answer.status).toBe(201)
    const hash = toHex(head!.hash)
    const view = {
      party: HOME_PARTY,
      seq: 1,
      hash,
      witness: fingerprint,
      witnessed_at: WITNESSED_AT,
    }
    expect(answer.json).toMatchObject(view)
    expect((await sign(witness, head!)).status).toBe(201)
    const { json } = await get('/audit/countersignatures')
    expect(json).toMatchObject({ items: [view], next: null })
    expect(json.items[0].signed).toBe(answer.json.signed)
  })

  it('lists them newest first, page after page', async () => {
    const [a, b] = [witnessKey(), witnessKey()]
    await add(a)
    await add(b)
    for (const head of await world.entries()) {
      await sign(a, head)
      await sign(b, head)
    }
    const found: number[] = []
    let next = ''
    do {
      const { json } = await get(`/audit/countersignatures?limit=1${next && `&cursor=${next}`}`)
      found.push(...json.items.map(({ seq }: { seq: number }) => seq))
      next = json.next ?? ''
    } while (next)
    expect(found).toEqual([2, 2, 1, 1])
    expect((await get('/audit/countersignatures?cursor=AAAA')).status).toBe(400)
    expect((await get('/audit/countersignatures', { party: OTHER_PARTY })).json.items).toEqual([])
  })

  it('refuses what is not the head of this log, signed by a witness of it', async () => {
    const witness = witnessKey()
    await add(witness)
    await world.fill(1, OTHER_PARTY)
    const head = (await world.entries())[0]!
    const [other] = await world.entries(OTHER_PARTY)
    const refusals = [
      await sign(witnessKey(), head),
      await sign({ ...witnessKey(), key: witness.key }, head),
      await sign(witness, other!),
      await sign(witness, { ...head, seq: 2 }),
      await sign(witness, { ...head, hash: new Uint8Array(32) }),
      await sign(witness, head, {}, 'yesterday'),
      await sign(witness, head, { body: new Uint8Array(9) }),
      await sign(witness, head, { party: OTHER_PARTY }),
      await sign(witness, head, { scope: 'audit:read audit:write' }),
      await sign(witness, head, { type: 'application/cbor' }),
    ]
    expect(refusals.map(({ status }) => status)).toEqual([
      403, 422, 422, 422, 422, 400, 400, 403, 403, 415,
    ])
    expect((await get('/audit/countersignatures')).json.items).toEqual([])
  })

  it('takes none from a witness that was removed, and keeps those it gave', async () => {
    const witness = witnessKey()
    const { fingerprint } = (await add(witness)).json
    const [head] = await world.entries()
    await sign(witness, head!)
    await world.call('DELETE', `/audit/witnesses/${fingerprint}`)
    expect((await sign(witness, head!)).status).toBe(403)
    expect((await get('/audit/countersignatures')).json.items).toHaveLength(1)
  })
})

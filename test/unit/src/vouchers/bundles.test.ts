/** Many vouchers at once, in and out: archives, results line by line, and what breaks off. */
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { gunzipSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { concat } from '../../../../protocol/bytes.ts'
import { voucherToPem, vouchersFromPem } from '../../../../protocol/voucher/pem.ts'
import { Problem } from '../../../../src/http/problem.ts'
import { exportAll } from '../../../../src/vouchers/export.ts'
import { asLines, asList, importAll } from '../../../../src/vouchers/import.ts'
import { TAR_END, itemsOf, tarFile } from '../../../support/bundles.ts'
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

const pem = (voucher: { bytes: Uint8Array }) => voucherToPem(voucher.bytes)
const tarGz = (...files: readonly Buffer[]) => gzipSync(concat(...files, TAR_END))
const post = (body: Uint8Array, type: string, accept = 'application/json') =>
  world.call('/vouchers', {
    method: 'POST',
    body: new Uint8Array(body),
    headers: { 'content-type': type, accept },
  })
const good = (byte: number) => ({ guid: guidText(byte), ok: true, check: null, detail: null })
const linesOf = (bytes: Uint8Array): unknown[] =>
  Buffer.from(bytes)
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

describe('an archive', () => {
  it('is taken in, with the file of each voucher', async () => {
    const archive = tarGz(
      tarFile({ name: 'one.pem', content: pem(first) }),
      tarFile({ name: 'bad.pem', content: 'oh' }),
      tarFile({ name: 'two.pem', content: pem(second) }),
    )
    const expected = [
      { ...good(0xa1), name: 'one.pem' },
      {
        ...{ guid: null, ok: false, check: 'malformed', name: 'bad.pem' },
        detail: 'no PEM block OWNERSHIP VOUCHER in it',
      },
      { ...good(0xa2), name: 'two.pem' },
    ]
    expect(await post(archive, 'application/gzip')).toMatchObject({
      status: 200,
      json: { items: expected },
    })
    const again = await post(gunzipSync(archive), 'application/x-tar')
    expect(again.json.items).toMatchObject([
      { detail: 'held already' },
      { ok: false },
      { detail: 'held already' },
    ])
  })

  it('without any good voucher is refused as one that fails a check', async () => {
    const archive = tarGz(tarFile({ name: 'bad.pem', content: 'oh' }))
    const { status, json } = await post(archive, 'application/gzip')
    expect(status).toBe(422)
    expect(json).toMatchObject({ code: 'check-failed', items: [{ name: 'bad.pem' }] })
  })
})

describe('results line by line', () => {
  const LINES = 'application/x-ndjson'

  it('are those of the list', async () => {
    const { status, type, bytes } = await post(
      concat(first.bytes, second.bytes),
      'application/cbor',
      LINES,
    )
    expect({ status, type }).toEqual({ status: 200, type: LINES })
    expect(linesOf(bytes)).toEqual([good(0xa1), good(0xa2)])
  })

  it('end with what broke the body off, and what came before is taken in', async () => {
    async function* source() {
      yield { name: null, bytes: first.bytes }
      throw new Problem('too-slow', 'send it again')
    }
    const take = (some: readonly Uint8Array[]) =>
      world.desk.import(some, { id: 'me', party: HOME_PARTY })
    const lines: string[] = []
    for await (const line of asLines(importAll(source(), take))) lines.push(line)
    expect(linesOf(Buffer.from(lines.join('')))).toEqual([
      good(0xa1),
      { guid: null, ok: false, check: 'too-slow', detail: 'send it again' },
    ])
    async function* dead() {
      yield { name: null, bytes: second.bytes }
      throw new Error('the line is dead')
    }
    await expect(asList(importAll(dead(), take))).rejects.toThrow('dead')
    await expect(asLines(importAll(dead(), take)).next()).resolves.toBeTruthy()
    expect(await world.voucherStates()).toEqual({ a1a1: 'held', a2a2: 'held' })
  })
})

describe('an import', () => {
  it('takes in no more than a few before it gives their results', async () => {
    let asked = 0
    async function* endless() {
      for (;;) {
        asked++
        yield { name: null, bytes: Uint8Array.of(asked) }
      }
    }
    const taken: number[] = []
    const results = importAll(endless(), async (some) => {
      taken.push(some.length)
      return some.map(() => ({ guid: null, ok: false, check: null, detail: null }))
    })
    await results.next()
    expect({ asked, taken }).toEqual({ asked: 64, taken: [64] })
  })
})

describe('GET /vouchers/export', () => {
  beforeEach(() => post(concat(first.bytes, second.bytes), 'application/cbor'))

  it('gives them all, as tar.gz or PEM', async () => {
    const archive = await world.call('/vouchers/export')
    expect(archive.type).toBe('application/gzip')
    expect(await itemsOf(archive.bytes)).toEqual([
      { name: `${guidText(0xa1)}.pem`, bytes: new Uint8Array(first.bytes) },
      { name: `${guidText(0xa2)}.pem`, bytes: new Uint8Array(second.bytes) },
    ])
    const text = await world.call('/vouchers/export?format=pem')
    expect(vouchersFromPem(Buffer.from(text.bytes).toString())).toHaveLength(2)
  })

  it('gives those that fit the filter', async () => {
    for (const [query, count] of [
      ['state=held', 2],
      ['state=used', 0],
      ['origin=made', 0],
      ['device_info=other', 0],
      ['device_id=fdod_x', 0],
    ] as const) {
      const { bytes } = await world.call(`/vouchers/export?${query}`)
      expect([query, (await itemsOf(bytes)).length]).toEqual([query, count])
    }
  })

  it('is no voucher’s name, by whatever method', async () => {
    const { status, json } = await world.call('/vouchers/export', { method: 'DELETE' })
    expect([status, json.code]).toEqual([405, 'method-not-allowed'])
  })

  it('takes a permission of its own', async () => {
    world.allow('read')
    expect((await world.call('/vouchers/export')).status).toBe(403)
  })

  it('marks those sold to others as theirs', async () => {
    const row = await world.desk.find(HOME_PARTY, guidText(0xa1))
    const { desk } = world
    const marked: string[] = []
    const watching = {
      list: desk.list.bind(desk),
      async export(_party: string, one: string) {
        marked.push(one)
        if (one === guidText(0xa2)) throw new Problem('not-found', 'deleted meanwhile')
        return row
      },
    }
    const given: string[] = []
    for await (const one of exportAll(watching, { party: HOME_PARTY })) given.push(one.guid)
    expect({ given, marked }).toEqual({
      given: [guidText(0xa1)],
      marked: [guidText(0xa1), guidText(0xa2)],
    })
  })

  it('breaks off where the database fails', async () => {
    const failing = {
      list: world.desk.list.bind(world.desk),
      export: async () => {
        throw new Problem('unavailable', 'no')
      },
    }
    await expect(exportAll(failing, { party: HOME_PARTY }).next()).rejects.toThrow('no')
  })
})

import { afterEach, describe, expect, it, vi } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { readReceipt } from '../../../../protocol/transfer/receipt.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import type { TransferServices } from '../../../../src/transfer/assembly.ts'
import { buildPush } from '../../../../src/transfer/inbox/multipart.ts'
import { proveKey } from '../../../../src/transfer/key-auth/client.ts'
import { listReceipts } from '../../../../src/transfer/receipts/store.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { owner as stranger } from '../../../support/key-auth.ts'
import { call } from '../../../support/listening.ts'
import {
  PARTY,
  TESTER,
  openTrade,
  plainHttp,
  someVouchers,
} from '../../../support/transfer-world.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

const PULL = '/api/v1/pull/vouchers'

/** Vouchers sold to a buyer who knows where the seller is. */
async function trade(count = 1, buyer: Partial<TransferServices> = {}) {
  const made = await openTrade({ buyer })
  open.push(made)
  for (const voucher of await someVouchers(count)) await made.sell(voucher)
  const { json: partner } = await made.buyer.api('POST', '/partners', {
    name: 'Seller',
    pull_url: `${made.seller.base}${PULL}`,
    keys: [toPem('PUBLIC KEY', made.sellersKey.key.spki)],
  })
  const pull = () => made.buyer.api('POST', `/transfer-sources/${partner.id}/pull`)
  const source = async () => (await made.buyer.api('GET', '/transfer-sources')).json.items[0]
  return { ...made, partner, pull, source }
}

type Made = Awaited<ReturnType<typeof trade>>

async function tokenOf({ seller, buyersKey, sellersKey }: Made): Promise<string> {
  const root = `${seller.base}${PULL}`
  const proof = { root, signer: buyersKey, holderKeys: [sellersKey.key] }
  return (await proveKey(plainHttp, { ...proof, party: PARTY })).token
}

/** Changes what a seller answers to some requests. */
function through(
  change: (url: string, answer: Awaited<ReturnType<typeof plainHttp.request>>) => object,
) {
  return {
    async request(url: string, request: Parameters<typeof plainHttp.request>[1]) {
      const answer = await plainHttp.request(url, request)
      return { ...answer, ...change(url, answer) }
    },
  }
}

/** A seller that lists ids alone, and null where it has none. */
const undated = through((url, { body }) => {
  if (!url.includes('?limit=')) return {}
  const list = JSON.parse(Buffer.from(body).toString())
  const ids = list.vouchers.map(({ voucher_id }: { voucher_id: string }) => ({ voucher_id }))
  const shown = { vouchers: ids.length === 0 ? null : ids, continuation: '' }
  return { body: Buffer.from(JSON.stringify(shown)) }
})

describe('a buyer', () => {
  it('pulls what was sold to its key, and signs for it; both keep the receipt', async () => {
    const made = await trade(3)
    const { status, json } = await made.pull()
    expect({ status, json }).toEqual({
      status: 200,
      json: { taken: 3, known: 0, failed: [], more: false },
    })
    const states = Object.values(await made.buyer.voucherStates())
    expect(states).toEqual(['held', 'held', 'held'])
    const guid = '01'.repeat(16)
    const { cbor } = await made.buyer.desk.find(PARTY, guid)
    const [got] = await listReceipts(made.seller.database.db, PARTY, guid)
    const [given] = await listReceipts(made.buyer.database.db, PARTY, guid)
    expect(given?.peer).toBe('Seller')
    expect(got).toMatchObject({ direction: 'got', receipt: given?.receipt })
    await readReceipt(got?.receipt ?? expect.fail(), parseVoucher(cbor))
    const { json: shown } = await made.seller.api('GET', `/transfer-receipts?guid=${guid}`)
    expect(shown.items).toMatchObject([{ direction: 'got', voucher_hash: hashOf(cbor) }])
    made.seller.actAs('fdop_other')
    const { json: others } = await made.seller.api('GET', `/transfer-receipts?guid=${guid}`)
    expect(others.items).toEqual([])
  })

  it('fetches each once', async () => {
    const made = await trade(2)
    await made.pull()
    const admitted = made.buyer.admitted.length
    expect((await made.pull()).json).toMatchObject({ taken: 0, known: 2 })
    expect(made.buyer.admitted).toHaveLength(admitted)
  })

  it('knows what reached it otherwise: pushed, or as a file', async () => {
    const made = await trade(3)
    const sold = ['01', '02'].map((two) => made.seller.desk.find(PARTY, two.repeat(16)))
    const [pushed, brought] = await Promise.all(sold)
    await made.buyer.desk.import([brought?.cbor ?? expect.fail()], TESTER)
    const { json: inbox } = await made.buyer.api('POST', '/inbox-tokens', { name: 'Seller' })
    const { body, contentType } = buildPush(
      { voucher: pushed?.cbor ?? expect.fail(), serial: null, model: null },
      'ab',
    )
    const headers = { authorization: `Bearer ${inbox.token}`, 'content-type': contentType }
    const { status } = await call(`${made.buyer.base}/api/v1/vouchers`, 'POST', headers, body)
    expect(status).toBe(200)
    expect((await made.pull()).json).toEqual({ taken: 1, known: 2, failed: [], more: false })
    expect((await made.pull()).json).toEqual({ taken: 0, known: 3, failed: [], more: false })
  })

  it('goes on where it was broken off', async () => {
    let calls = 0
    const http = through((url) =>
      url.endsWith('/download') && ++calls === 3 ? { status: 503, body: new Uint8Array(0) } : {},
    )
    const made = await trade(5, { http })
    expect(await made.pull()).toMatchObject({
      status: 422,
      json: { code: 'check-failed', detail: 'answered 503' },
    })
    expect((await made.source()).last_error).toBe('answered 503')
    expect((await made.pull()).json).toMatchObject({ taken: 3, known: 2 })
    expect((await made.source()).last_error).toBeNull()
  })

  it('proves its key anew where the token is good no more', async () => {
    let calls = 0
    const http = through((url) =>
      url.endsWith('/download') && ++calls === 1 ? { status: 401, body: new Uint8Array(0) } : {},
    )
    const made = await trade(2, { http })
    expect((await made.pull()).json).toMatchObject({ taken: 2, failed: [] })
  })

  it('reads page after page', async () => {
    const pages: string[] = []
    const http = {
      request: (url: string, request: Parameters<typeof plainHttp.request>[1]) => {
        if (url.includes('?limit=')) pages.push(url)
        return plainHttp.request(url.replace('limit=200', 'limit=2'), request)
      },
    }
    const made = await trade(5, { http })
    expect((await made.pull()).json).toMatchObject({ taken: 5 })
    expect(pages).toHaveLength(3)
  })

  it('takes in the others where one is bad, and tells which', async () => {
    const http = through((url, { body }) => {
      if (url.endsWith(`${'01'.repeat(16)}/download`)) return { body: Uint8Array.of(...body, 0) }
      return {}
    })
    const made = await trade(3, { http })
    const { json } = await made.pull()
    expect(json).toMatchObject({ taken: 2, failed: [{ id: '01'.repeat(16) }] })
    expect(json.failed[0].reason).toMatch(/checksum/)
  })

  it('is content with a seller that keeps no receipts, lists null, or has no dates', async () => {
    const made = await trade(1, { http: undated })
    expect((await made.pull()).json).toMatchObject({ taken: 1 })
    expect((await made.pull()).json).toMatchObject({ taken: 0, known: 1 })
    expect(await listReceipts(made.seller.database.db, PARTY, '01'.repeat(16))).toEqual([])
    const empty = await trade(0, { http: undated })
    expect((await empty.pull()).json).toEqual({ taken: 0, known: 0, failed: [], more: false })
  })

  it('comes to an end with a seller that lists more than it takes at once, without dates', async () => {
    const downloads: string[] = []
    const http = {
      request: (url: string, request: Parameters<typeof undated.request>[1]) => {
        if (url.endsWith('/download')) downloads.push(url)
        return undated.request(url, request)
      },
    }
    const made = await trade(5, { http, mostPulledAtOnce: 2 })
    expect((await made.pull()).json).toMatchObject({ taken: 2, known: 0, more: true })
    expect((await made.pull()).json).toMatchObject({ taken: 2, known: 2, more: true })
    expect((await made.pull()).json).toMatchObject({ taken: 1, known: 4, more: false })
    expect(downloads).toHaveLength(2 + (2 + 2) + (2 + 1))
  })

  it('takes a refused receipt for no reason to fail', async () => {
    const http = through((url) => (url.endsWith('/receipt') ? { status: 400 } : {}))
    const made = await trade(1, { http })
    expect((await made.pull()).json).toMatchObject({ taken: 1, failed: [] })
  })

  it.each([
    ['another key', [toPem('PUBLIC KEY', stranger.key.spki)], 422],
    ['no key', [], 409],
  ])('pulls nothing from a seller it knows by %s', async (_, keys, status) => {
    const made = await trade(1)
    const path = `/partners/${made.partner.id}`
    const pull_url = `${made.seller.base}${PULL}`
    await made.buyer.api('PUT', path, { name: 'Seller', pull_url, keys })
    expect((await made.pull()).status).toBe(status)
    expect(made.buyer.admitted).toEqual([])
  })

  it.each([
    '[]',
    'hello',
    '{"vouchers":[],"\u00ff":1}',
    '{"vouchers":{}}',
    '{"vouchers":[{"voucher_id":"../x"}]}',
    '{"vouchers":[{"voucher_id":".."}]}',
    '{"vouchers":[7]}',
    '{"vouchers":[],"continuation":7}',
    '{"vouchers":[],"continuation":"again"}',
    `{"vouchers":[],"continuation":"${'x'.repeat(1_025)}"}`,
  ])('refuses a list that is none: %s', async (text) => {
    const http = through((url) => (url.includes('?limit=') ? { body: bytesOf(text) } : {}))
    const made = await trade(1, { http })
    expect((await made.pull()).status).toBe(422)
    expect(made.buyer.admitted).toEqual([])
  })

  /** ÿ is no UTF-8 as it stands. */
  const bytesOf = (text: string) => Buffer.from(text, 'latin1')

  /** A list that goes on for ever. */
  function endless(onPage: (page: number) => unknown) {
    let pages = 0
    return {
      async request(url: string, request: Parameters<typeof plainHttp.request>[1]) {
        if (!url.includes('?limit=')) return plainHttp.request(url, request)
        await onPage(++pages)
        const body = Buffer.from(`{"vouchers":[],"continuation":"${pages}"}`)
        return { status: 200, headers: {}, body }
      },
    }
  }

  it('gives up a list that never ends', async () => {
    const made = await trade(1, { http: endless(() => {}) })
    const { status, json } = await made.pull()
    expect({ status, json }).toMatchObject({ status: 422, json: { detail: 'its list never ends' } })
  })

  it('leaves a list where it is when it is stopped', async () => {
    let last = 0
    const stopAt = (page: number) => {
      last = page
      if (page === 3) void made.buyer.transfer.stop()
    }
    const made = await trade(1, { http: endless(stopAt) })
    expect((await made.pull()).json).toMatchObject({ taken: 0, more: true })
    expect(last).toBe(3)
  })

  it('pulls from others by schedule while one does not come to an end', async () => {
    let end = () => {}
    const ended = new Promise<void>((resolve) => (end = resolve))
    let begun = 0
    const http = {
      async request(url: string, request: Parameters<typeof plainHttp.request>[1]) {
        const isSlow = url.includes('fdop_slow')
        if (isSlow && ++begun > 0) await ended
        return plainHttp.request(url, request)
      },
    }
    const made = await trade(1, { http })
    const { buyer, partner, seller } = made
    const { json: slow } = await buyer.api('POST', '/partners', {
      name: 'Slow',
      pull_url: `${seller.url}/transfer/fdop_slow${PULL}`,
      keys: [toPem('PUBLIC KEY', stranger.key.spki)],
    })
    const every = (id: string, every_seconds: number) =>
      buyer.api('PUT', `/transfer-sources/${id}`, { every_seconds })
    await every(slow.id, 600)
    buyer.transfer.start()
    await buyer.until(
      async () => begun,
      (count) => count > 0,
    )
    await every(partner.id, 600)
    const later = async () => {
      buyer.clock.advance(600_000)
      return buyer.admitted.length
    }
    await buyer.until(later, (count) => count > 0)
    expect(begun).toBe(1)
    end()
  })

  it('skips a key that the seller does not know', async () => {
    const http = through((url) =>
      url.endsWith('/auth/hello') ? { status: 404, body: new Uint8Array(0) } : {},
    )
    const made = await trade(1, { http })
    expect((await made.pull()).json).toMatchObject({ taken: 0, failed: [] })
  })

  it('pulls by schedule', async () => {
    const made = await trade(1)
    const put = (every_seconds: number | null) =>
      made.buyer.api('PUT', `/transfer-sources/${made.partner.id}`, { every_seconds })
    expect((await put(600)).json).toMatchObject({ every_seconds: 600, last_at: null })
    made.buyer.transfer.start()
    await made.buyer.until(made.source, ({ last_at }) => last_at !== null)
    expect(made.buyer.admitted).toHaveLength(1)
    expect((await made.source()).next_at).toBe('2026-01-02T03:14:05.000Z')
    expect((await put(null)).json.next_at).toBeNull()
    expect((await put(5)).status).toBe(400)
  })

  it('pulls nothing while it is suspended, and is in nobody’s way', async () => {
    const made = await trade(1)
    const { buyer, partner, source } = made
    buyer.suspended.add(PARTY)
    const asked = vi.spyOn(buyer.suspended, 'has')
    await buyer.api('PUT', `/transfer-sources/${partner.id}`, { every_seconds: 600 })
    buyer.transfer.start()
    const times = async () => asked.mock.calls.length
    await buyer.until(times, (count) => count > 0)
    expect(await source()).toMatchObject({ last_at: null, next_at: '2026-01-02T03:14:05.000Z' })
    buyer.suspended.delete(PARTY)
    const later = () => {
      buyer.clock.advance(600_000)
      return source()
    }
    await buyer.until(later, ({ last_at }) => last_at !== null)
    expect(buyer.admitted).toHaveLength(1)
  })

  it('sees none of another party’s sources', async () => {
    const made = await trade(1)
    made.buyer.actAs('fdop_other')
    expect((await made.buyer.api('GET', '/transfer-sources')).json.items).toEqual([])
    expect((await made.pull()).status).toBe(404)
    const path = `/transfer-sources/${made.partner.id}`
    expect((await made.buyer.api('PUT', path, { every_seconds: null })).status).toBe(404)
  })
})

describe('a holder', () => {
  async function asked(count = 1) {
    const made = await trade(count)
    const headers = { authorization: `Bearer ${await tokenOf(made)}` }
    const get = async (path: string) => {
      const answer = await call(`${made.seller.base}${PULL}${path}`, 'GET', headers)
      const isJson = answer.headers['content-type'] === 'application/json'
      return { ...answer, json: isJson ? JSON.parse(answer.body.toString()) : undefined }
    }
    const post = (path: string, body: Uint8Array) =>
      call(`${made.seller.base}${PULL}${path}`, 'POST', headers, body)
    return { ...made, get, post }
  }

  const guid = '01'.repeat(16)

  it('lists what was sold, as go-fdo does', async () => {
    const { get } = await asked()
    const { json } = await get('')
    expect(json).toMatchObject({
      continuation: '',
      has_more: false,
      total_count: 1,
      vouchers: [
        {
          voucher_id: guid,
          model_number: expect.any(String),
          device_info: expect.any(String),
          created_at: '2026-01-02T03:04:05.000Z',
        },
      ],
    })
    expect(json.vouchers[0]).not.toHaveProperty('serial_number')
  })

  it('lists as it is asked to, and passes over what it cannot read', async () => {
    const { get } = await asked(3)
    const idsOf = async (query: string) =>
      (await get(query)).json.vouchers.map(({ voucher_id }: { voucher_id: string }) =>
        voucher_id.slice(0, 2),
      )
    const first = (await get('?limit=2')).json
    expect(first).toMatchObject({ has_more: true, total_count: 3 })
    expect(await idsOf(`?limit=2&continuation=${first.continuation}`)).toEqual(['03'])
    expect(await idsOf('?limit=-1&since=soon&until=x&continuation=%00&status=x')).toHaveLength(3)
    expect(await idsOf('?since=2026-01-02T03:04:06Z')).toEqual([])
    expect(await idsOf('?until=2026-01-02T03:04:05Z')).toEqual([])
    expect(await idsOf('?status=downloaded')).toEqual([])
    await get(`/${guid}/download`)
    expect(await idsOf('?status=downloaded')).toEqual(['01'])
    expect(await idsOf('?status=pending')).toEqual(['02', '03'])
    const { json } = await get('?limit=1&fields=device_info,other')
    expect(Object.keys(json.vouchers[0]).sort()).toEqual(['device_info', 'voucher_id'])
  })

  it('gives the voucher with its checksum, again and again', async () => {
    const { get, seller } = await asked()
    const { cbor } = await seller.desk.find(PARTY, guid)
    for (let i = 0; i < 2; i++) {
      const { status, headers, body } = await get(`/${guid}/download`)
      expect(status).toBe(200)
      expect(toHex(body)).toBe(toHex(cbor))
      expect(headers).toMatchObject({
        'content-type': 'application/x-fdo-voucher',
        'content-disposition': `attachment; filename="${guid}.fdoov"`,
        'x-fdo-checksum': `sha256:${hashOf(cbor)}`,
      })
    }
  })

  it('has nothing of what was not sold to this key', async () => {
    const made = await asked()
    const held = (await someVouchers(2))[1]
    await made.seller.desk.import([held?.bytes ?? expect.fail()], TESTER)
    for (const id of ['02'.repeat(16), 'x', `${guid}0`, '..%2F']) {
      const { status, json } = await made.get(`/${id}/download`)
      expect(status).toBe(404)
      expect(json).toEqual({ error: expect.any(String), request_id: expect.any(String) })
    }
    const root = `${made.seller.base}${PULL}`
    const other = { root, signer: made.sellersKey, holderKeys: [made.sellersKey.key] }
    const { token } = await proveKey(plainHttp, { ...other, party: PARTY })
    const headers = { authorization: `Bearer ${token}` }
    expect((await call(`${root}/${guid}/download`, 'GET', headers)).status).toBe(404)
    expect((await call(root, 'GET', {})).status).toBe(401)
  })

  it('is not there while it is suspended', async () => {
    const { get, seller } = await asked()
    seller.suspended.add(PARTY)
    expect((await get('')).status).toBe(404)
    expect((await get(`/${guid}/download`)).status).toBe(404)
    seller.suspended.delete(PARTY)
    expect((await get(`/${guid}/download`)).status).toBe(200)
  })

  it('keeps no receipt that is not the buyer’s', async () => {
    const { post, seller } = await asked()
    expect((await post(`/${guid}/receipt`, Uint8Array.of(0x80))).status).toBe(400)
    expect((await post(`/${guid}/receipt`, new Uint8Array(5_000))).status).toBe(413)
    expect((await post(`/${'02'.repeat(16)}/receipt`, Uint8Array.of(0x80))).status).toBe(404)
    expect(await listReceipts(seller.database.db, PARTY, guid)).toEqual([])
  })
})

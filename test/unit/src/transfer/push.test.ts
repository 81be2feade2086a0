import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { readReceipt } from '../../../../protocol/transfer/receipt.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { pauseMsOf } from '../../../../src/transfer/partner-error.ts'
import { listReceipts } from '../../../../src/transfer/receipts/store.ts'
import { putJob } from '../../../../src/transfer/push/store.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import type { VoucherRow } from '../../../../src/vouchers/store.ts'
import { PARTY, openTrade, someVouchers } from '../../../support/transfer-world.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

type Trade = Awaited<ReturnType<typeof openTrade>>

/** A buyer whose inbox the seller knows, and vouchers sold to it. */
async function trade(count = 1, options: Parameters<typeof openTrade>[0] = {}) {
  const made = await openTrade(options)
  open.push(made)
  const { seller, buyer } = made
  const { json: token } = await buyer.api('POST', '/inbox-tokens', { name: 'Seller' })
  const { json: partner } = await seller.api('POST', '/partners', {
    name: 'Buyer',
    push_url: `${buyer.base}/api/v1/vouchers`,
    token: token.token,
  })
  const sold: VoucherRow[] = []
  for (const voucher of await someVouchers(count)) sold.push(await made.sell(voucher))
  return { ...made, partner, sold, token }
}

async function enqueue({ seller }: Trade, partner: { id: string }, { guid, cbor }: VoucherRow) {
  const job = { party: PARTY, partner: partner.id, guid, voucherHash: hashOf(cbor) }
  await seller.database.commit((tx) => seller.transfer.pushes.enqueue(tx, job))
}

const allOf = (world: Trade['seller'], query = '') =>
  world.api('GET', `/transfers${query}`).then(({ json }) => json.items)

async function settled(world: Trade['seller']) {
  return world.until(
    () => allOf(world),
    (items) => items.length > 0 && items.every((one: { state: string }) => one.state !== 'waiting'),
  )
}

interface Answer {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly body?: string
}

/** Answers every push with this, and counts. */
async function partnerAnswering(answer: (calls: number) => Answer | Promise<Answer>) {
  let calls = 0
  const server = createServer((incoming, outgoing) => {
    incoming.resume()
    incoming.on('end', async () => {
      const { status, headers = {}, body = '' } = await answer(++calls)
      outgoing.writeHead(status, headers).end(body)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  open.push({
    close: async () => {
      server.closeAllConnections()
      server.close()
    },
  })
  return { url: `http://127.0.0.1:${port}/api/v1/vouchers`, calls: () => calls }
}

async function pushTo(answer: Parameters<typeof partnerAnswering>[0]) {
  const made = await trade()
  const target = await partnerAnswering(answer)
  const { json: partner } = await made.seller.api('POST', '/partners', {
    name: 'Other',
    push_url: target.url,
  })
  await enqueue(made, partner, made.sold[0] ?? expect.fail())
  made.seller.transfer.start()
  return { ...made, target }
}

describe('what was sold', () => {
  it('is pushed to its buyer, who signs for it; both keep the receipt', async () => {
    const made = await trade()
    const { seller, buyer, partner } = made
    const [voucher] = made.sold
    if (!voucher) return expect.fail()
    await enqueue(made, partner, voucher)
    seller.transfer.start()
    expect(await settled(seller)).toMatchObject([
      { state: 'delivered', guid: voucher.guid, partner: partner.id, last_error: null },
    ])
    expect((await buyer.desk.find(PARTY, voucher.guid)).cbor).toEqual(voucher.cbor)
    const [got] = await listReceipts(seller.database.db, PARTY, voucher.guid)
    const [given] = await listReceipts(buyer.database.db, PARTY, voucher.guid)
    expect(got).toMatchObject({ direction: 'got', peer: partner.id })
    expect(given).toMatchObject({ direction: 'given', peer: 'Seller' })
    expect(got?.receipt).toEqual(given?.receipt)
    const said = await readReceipt(got?.receipt ?? expect.fail(), parseVoucher(voucher.cbor))
    expect(said.sender).toBe('Seller')
    expect(seller.noted.map(([event]) => event)).toContain('voucher-delivered')
    expect(buyer.noted.map(([event]) => event)).toContain('voucher-received')
  })

  it('is pushed as it is put there, many at a time, each once', async () => {
    const made = await trade(9)
    made.seller.transfer.start()
    await made.seller.database.commit(async (tx) => {
      for (const { guid, cbor } of made.sold) {
        const job = { party: PARTY, partner: made.partner.id, guid, voucherHash: hashOf(cbor) }
        await made.seller.transfer.pushes.enqueue(tx, job)
        await made.seller.transfer.pushes.enqueue(tx, job)
      }
    })
    const items = await settled(made.seller)
    expect(items.map(({ state }: { state: string }) => state)).toEqual(Array(9).fill('delivered'))
    expect(made.buyer.admitted).toHaveLength(9)
  })

  it('waits while its seller is suspended', async () => {
    const made = await trade()
    const { seller, buyer, partner } = made
    seller.suspended.add(PARTY)
    const asked = vi.spyOn(seller.suspended, 'has')
    await enqueue(made, partner, made.sold[0] ?? expect.fail())
    seller.transfer.start()
    const times = async () => asked.mock.calls.length
    await seller.until(times, (count) => count > 0)
    expect(await allOf(seller)).toMatchObject([{ state: 'waiting', attempts: 0 }])
    expect(buyer.admitted).toEqual([])
    seller.suspended.delete(PARTY)
    const later = () => {
      seller.clock.advance(30_000)
      return allOf(seller)
    }
    await seller.until(later, ([one]) => one.state === 'delivered')
  })

  it('is not pushed where its transaction fails', async () => {
    const made = await trade()
    const [voucher] = made.sold
    const failing = made.seller.database.commit(async (tx) => {
      const { guid, cbor } = voucher ?? expect.fail()
      const job = { party: PARTY, partner: made.partner.id, guid, voucherHash: hashOf(cbor) }
      await made.seller.transfer.pushes.enqueue(tx, job)
      throw new Error('no sale')
    })
    await expect(failing).rejects.toThrow('no sale')
    expect(await allOf(made.seller)).toEqual([])
  })

  it('is taken once by a buyer who has it already, because we died before we knew', async () => {
    const made = await trade(1)
    const { seller, buyer, partner } = made
    const [voucher] = made.sold
    if (!voucher) return expect.fail()
    await enqueue(made, partner, voucher)
    // The answer is lost: what this process would have written down is not.
    const kill = new Error('killed')
    const { commit } = seller.database
    let answered = false
    seller.database.commit = async (work, commitOptions) => {
      if (buyer.admitted.length > 0) {
        answered = true
        throw kill
      }
      return commit(work, commitOptions)
    }
    seller.transfer.start()
    await seller.until(
      async () => answered,
      (seen) => seen,
    )
    expect(await allOf(seller)).toMatchObject([{ state: 'waiting' }])
    seller.database.commit = commit
    seller.clock.advance(30_000)
    expect(await settled(seller)).toMatchObject([{ state: 'delivered' }])
    expect(buyer.admitted).toHaveLength(1)
    expect(await listReceipts(buyer.database.db, PARTY, voucher.guid)).toHaveLength(1)
  })

  it('is taken up by itself half a minute after who was pushing it has died', async () => {
    const made = await trade(1)
    const { seller, buyer, partner } = made
    const [{ guid, cbor } = expect.fail()] = made.sold
    const job = {
      id: 'fdot_1',
      party: PARTY,
      partner: partner.id,
      guid,
      voucher_hash: hashOf(cbor),
    }
    const next_at = new Date(seller.clock.now().getTime() + 30_000).toISOString()
    await seller.database.commit((tx) => putJob.run(tx, { ...job, next_at }))
    seller.transfer.start()
    seller.clock.advance(29_999)
    expect(await allOf(seller)).toMatchObject([{ state: 'waiting', attempts: 0 }])
    seller.clock.advance(1)
    expect(await settled(seller)).toMatchObject([{ state: 'delivered' }])
    expect(buyer.admitted).toHaveLength(1)
  })

  it('is left to who is pushing it, however long that takes', async () => {
    let answer = () => {}
    const answered = new Promise<void>((resolve) => (answer = resolve))
    const { seller, target } = await pushTo(async () => {
      await answered
      return { status: 200 }
    })
    const untilOf = ([job]: readonly { next_at: string }[]) => Date.parse(job?.next_at ?? '')
    await seller.until(
      async () => target.calls(),
      (calls) => calls === 1,
    )
    const renewed = async () => {
      seller.clock.advance(10_000)
      const wanted = seller.clock.now().getTime() + 30_000
      await seller.until(
        () => allOf(seller),
        (items) => untilOf(items) === wanted,
      )
    }
    for (let i = 0; i < 4; i++) await renewed()
    // A disk that is full for a moment: it is still claimed, and then again.
    const { commit } = seller.database
    let failed = false
    seller.database.commit = async () => {
      failed = true
      throw new Error('full')
    }
    seller.clock.advance(10_000)
    await seller.until(
      async () => failed,
      (seen) => seen,
    )
    seller.database.commit = commit
    for (let i = 0; i < 4; i++) await renewed()
    answer()
    expect(await settled(seller)).toMatchObject([{ state: 'delivered', attempts: 0 }])
    expect(target.calls()).toBe(1)
  })
})

describe('a partner who does not take a voucher', () => {
  it.each([400, 401, 404, 413, 422, 302])('for good (%i) is not asked again', async (status) => {
    const body = JSON.stringify({ error: 'we do not want\u0007 it' })
    const { seller, target } = await pushTo(() => ({ status, body }))
    const [job] = await settled(seller)
    expect(job).toMatchObject({
      state: 'failed',
      attempts: 1,
      next_at: null,
      last_error: `answered ${status}: we do not want  it`,
    })
    seller.clock.advance(86_400_000)
    expect(target.calls()).toBe(1)
  })

  it.each([408, 429, 500, 503])('for now (%i) is asked again, ever more rarely', async (status) => {
    const { seller, target } = await pushTo((calls) => ({ status: calls < 3 ? status : 200 }))
    const look = () => allOf(seller)
    await seller.until(look, ([job]) => job.attempts === 1)
    seller.clock.advance(4_000)
    expect(target.calls()).toBe(1)
    seller.clock.advance(1_000)
    await seller.until(look, ([job]) => job.attempts === 2)
    seller.clock.advance(9_000)
    expect(target.calls()).toBe(2)
    seller.clock.advance(1_000)
    expect(await settled(seller)).toMatchObject([{ state: 'delivered' }])
  })

  it('is asked again when it said so', async () => {
    const { seller, target } = await pushTo((calls) =>
      calls === 1 ? { status: 503, headers: { 'retry-after': '600' } } : { status: 200 },
    )
    await seller.until(
      () => allOf(seller),
      ([job]) => job.attempts === 1,
    )
    seller.clock.advance(599_000)
    expect(target.calls()).toBe(1)
    seller.clock.advance(1_000)
    expect(await settled(seller)).toMatchObject([{ state: 'delivered' }])
  })

  it('that cannot be reached is asked again', async () => {
    const made = await trade()
    const { json: partner } = await made.seller.api('POST', '/partners', {
      name: 'Gone',
      push_url: 'http://127.0.0.1:1/api/v1/vouchers',
    })
    await enqueue(made, partner, made.sold[0] ?? expect.fail())
    made.seller.transfer.start()
    const [job] = await made.seller.until(
      () => allOf(made.seller),
      ([one]) => one.attempts === 1,
    )
    expect(job).toMatchObject({ state: 'waiting', last_error: expect.stringMatching(/ECONNREF/) })
  })

  it('is asked again at once when an administrator says so', async () => {
    const { seller, target } = await pushTo((calls) => ({ status: calls === 1 ? 400 : 200 }))
    const [job] = await settled(seller)
    expect((await seller.api('POST', `/transfers/${job.id}/retry`)).status).toBe(202)
    expect(await settled(seller)).toMatchObject([{ state: 'delivered' }])
    expect(target.calls()).toBe(2)
    await seller.api('POST', `/transfers/${job.id}/retry`)
    expect((await seller.api('GET', `/transfers/${job.id}`)).json.state).toBe('delivered')
  })

  it('holds up no other', async () => {
    const made = await pushTo(() => ({ status: 503 }))
    await made.seller.until(
      () => allOf(made.seller),
      ([job]) => job.attempts === 1,
    )
    await enqueue(made, made.partner, made.sold[0] ?? expect.fail())
    const delivered = await made.seller.until(
      () => allOf(made.seller, '?state=delivered'),
      (items) => items.length === 1,
    )
    expect(delivered[0].partner).toBe(made.partner.id)
  })
})

describe('a receipt', () => {
  it('that is not the buyer’s is not kept, and the transfer says so', async () => {
    const receipt = Buffer.from([0xd2, 0x84]).toString('base64')
    const { seller, sold } = await pushTo(() => ({
      status: 200,
      body: JSON.stringify({ receipt }),
    }))
    const [job] = await settled(seller)
    expect(job).toMatchObject({ state: 'delivered', last_error: expect.stringMatching(/./) })
    const [got] = await listReceipts(seller.database.db, PARTY, sold[0]?.guid ?? '')
    expect(got).toMatchObject({ direction: 'got', receipt: null })
  })

  it.each(['{"receipt":7}', 'null', 'OK', '\u00ff'])('need not be there: %s', async (body) => {
    const { seller } = await pushTo(() => ({ status: 201, body }))
    expect(await settled(seller)).toMatchObject([{ state: 'delivered', last_error: null }])
  })
})

describe('a voucher', () => {
  it('that has changed or is gone, or has no way to go, is not sent', async () => {
    const made = await trade()
    const { seller, partner, sold } = made
    const [voucher] = sold
    if (!voucher) return expect.fail()
    await enqueue(made, partner, { ...voucher, cbor: Uint8Array.of(1) })
    await enqueue(made, partner, { ...voucher, guid: '00' })
    await enqueue(made, { id: 'fdor_0' }, voucher)
    const { json: mute } = await seller.api('POST', '/partners', { name: 'Mute' })
    await enqueue(made, mute, voucher)
    seller.transfer.start()
    const reasons = (await settled(seller)).map((job: { last_error: string }) => job.last_error)
    expect(reasons.sort()).toEqual([
      'the partner has no address to push to',
      'the voucher has changed since it was to be sent',
      'the voucher is not here any more',
      'there is no partner fdor_0',
    ])
    expect(made.buyer.admitted).toEqual([])
  })

  it('is not sent to a partner that was removed', async () => {
    const made = await trade()
    await enqueue(made, made.partner, made.sold[0] ?? expect.fail())
    await made.seller.api('DELETE', `/partners/${made.partner.id}`)
    made.seller.transfer.start()
    expect(await settled(made.seller)).toMatchObject([
      { state: 'failed', last_error: 'the partner was removed' },
    ])
  })

  it('of another party is not there', async () => {
    const made = await trade()
    await enqueue(made, made.partner, made.sold[0] ?? expect.fail())
    const [job] = await allOf(made.seller)
    made.seller.actAs('fdop_other')
    expect(await allOf(made.seller)).toEqual([])
    expect((await made.seller.api('GET', `/transfers/${job.id}`)).status).toBe(404)
    expect((await made.seller.api('POST', `/transfers/${job.id}/retry`)).status).toBe(404)
  })
})

describe('Retry-After', () => {
  const now = new Date('2026-11-22T12:00:00Z')
  it.each([
    ['120', 120_000],
    ['Sun, 22 Nov 2026 12:01:00 GMT', 60_000],
    ['Sun, 22 Nov 2026 11:00:00 GMT', 5_000],
    ['0', 5_000],
    ['999999999', 86_400_000],
    ['soon', undefined],
    ['-5', undefined],
    [undefined, undefined],
  ])('%s is %s ms', (header, ms) => {
    expect(pauseMsOf(header, now)).toBe(ms)
  })
})

import { afterAll, describe, expect, it } from 'vitest'
import { fromBase64, toHex } from '../../../../protocol/bytes.ts'
import { readReceipt } from '../../../../protocol/transfer/receipt.ts'
import type { Voucher } from '../../../../protocol/voucher/voucher.ts'
import { buildPush } from '../../../../src/transfer/inbox/multipart.ts'
import { call } from '../../../support/listening.ts'
import { PARTY, openTransferWorld, someVouchers } from '../../../support/transfer-world.ts'

const [first, second, third, fourth] = await someVouchers(4)
const world = await openTransferWorld()
afterAll(() => world.close())

const { json: made } = await world.api('POST', '/inbox-tokens', { name: 'Maker' })

interface Push {
  readonly token?: string
  readonly base?: string
  readonly authorization?: string
}

async function push(voucher: Uint8Array, { token = made.token, base, authorization }: Push = {}) {
  const { body, contentType } = buildPush({ voucher, serial: 'SN-1', model: null }, 'ab')
  const headers = {
    'content-type': contentType,
    'content-length': String(body.length),
    authorization: authorization ?? `Bearer ${token}`,
  }
  const answer = await call(`${base ?? world.base}/api/v1/vouchers`, 'POST', headers, body)
  return { ...answer, json: JSON.parse(answer.body.toString()) }
}

function must(voucher: Voucher | undefined): Voucher {
  return voucher ?? expect.fail()
}

describe('an inbox', () => {
  it('takes a voucher in before it answers, and signs for it', async () => {
    const voucher = must(first)
    const { status, json, headers } = await push(voucher.bytes)
    const guid = toHex(voucher.header.value.guid)
    expect({ status, json }).toMatchObject({
      status: 200,
      json: { status: 'accepted', voucher_id: guid, timestamp: world.clock.now().toISOString() },
    })
    expect(headers['x-request-id']).toMatch(/^[0-9a-f]{16}$/)
    expect((await world.desk.find(PARTY, guid)).state).toBe('held')
    const receipt = await readReceipt(fromBase64(json.receipt) ?? expect.fail(), voucher)
    expect(receipt.sender).toBe('Maker')
  })

  it('gives the same answer to the same voucher, without taking it in again', async () => {
    const voucher = must(second)
    const before = await push(voucher.bytes)
    const admissions = world.admitted.length
    world.clock.advance(60_000)
    const again = await push(voucher.bytes)
    expect(again.json).toEqual(before.json)
    expect(world.admitted.length).toBe(admissions)
  })

  it('answers two at once who bring the same voucher alike', async () => {
    const answers = await Promise.all([1, 2, 3].map(() => push(must(third).bytes)))
    expect(new Set(answers.map(({ json }) => json.receipt)).size).toBe(1)
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  })

  it('refuses a voucher that is not sold to this party, and says which check failed', async () => {
    const [elsewhere] = await someVouchers(1, 2)
    const { status, json } = await push(must(elsewhere).bytes)
    expect(status).toBe(422)
    expect(json).toEqual({
      error: expect.stringMatching(/^owner-key-not-ours: /),
      request_id: expect.stringMatching(/^[0-9a-f]{16}$/),
    })
  })

  it('refuses what is no voucher, or has a byte after it', async () => {
    const { bytes } = must(fourth)
    expect((await push(Uint8Array.of(0x80))).status).toBe(400)
    expect((await push(Uint8Array.of(...bytes, 0))).status).toBe(400)
  })

  it('answers an unknown party, a wrong token and none alike', async () => {
    const { bytes } = must(fourth)
    const answers = await Promise.all([
      push(bytes, { base: `${world.url}/transfer/fdop_nobody` }),
      push(bytes, { token: `${made.token.slice(0, -1)}_` }),
      push(bytes, { token: 'x' }),
      push(bytes, { authorization: '' }),
      push(bytes, { authorization: `bearer ${made.token}` }),
      push(bytes, { base: `${world.url}/transfer/%00` }),
    ])
    for (const { status, json, headers } of answers) {
      expect(status).toBe(401)
      expect(json.error).toBe(answers[0]?.json.error)
      expect(Object.keys(headers).sort()).toEqual(Object.keys(answers[0]?.headers ?? {}).sort())
    }
  })

  it('is not there while its party is suspended, whatever the token', async () => {
    const { bytes } = must(fourth)
    world.suspended.add(PARTY)
    const answers = [await push(bytes), await push(bytes, { token: 'x' })]
    world.suspended.delete(PARTY)
    expect(answers.map(({ status }) => status)).toEqual([404, 404])
    expect(answers[0]?.json.error).toBe('there is nobody here at present')
    expect((await push(bytes)).status).toBe(200)
  })

  it('is each party’s own: a token of one opens no other’s', async () => {
    world.actAs('fdop_other')
    const { json: other } = await world.api('POST', '/inbox-tokens', { name: 'Maker' })
    expect((await world.api('GET', '/inbox-tokens')).json.items).toHaveLength(1)
    expect((await world.api('DELETE', `/inbox-tokens/${made.id}`)).status).toBe(404)
    world.actAs(PARTY)
    expect((await push(must(fourth).bytes, { token: other.token })).status).toBe(401)
  })

  it('is shut to a token that was revoked', async () => {
    const { json: token } = await world.api('POST', '/inbox-tokens', { name: 'Former' })
    expect((await push(must(fourth).bytes, token)).status).toBe(200)
    expect((await world.api('DELETE', `/inbox-tokens/${token.id}`)).status).toBe(204)
    expect((await push(must(fourth).bytes, token)).status).toBe(401)
    expect((await world.api('DELETE', `/inbox-tokens/${token.id}`)).status).toBe(404)
    const { json: list } = await world.api('GET', '/inbox-tokens')
    expect(list.items.find(({ id }: { id: string }) => id === token.id).revoked_at).not.toBeNull()
    expect(JSON.stringify(list)).not.toContain(token.token.slice(-20))
  })

  it('is open to a token from before inboxes had a prefix of their own', async () => {
    const { json } = await world.api('POST', '/inbox-tokens', { name: 'Early' })
    expect(json.token).toMatch(/^fdob_[0-9a-f]{16}_[\w-]{43}$/)
    const renamed = (text: string) => text.replace(/^fdob_/, 'fdoi_')
    const early = world.database.db.updateTable('inbox_token').where('id', '=', json.id)
    await early.set({ id: renamed(json.id) }).execute()
    expect((await push(must(fourth).bytes, { token: json.token })).status).toBe(401)
    expect((await push(must(fourth).bytes, { token: renamed(json.token) })).status).toBe(200)
  })

  it('takes no body longer than a voucher and some words', async () => {
    const headers = { authorization: `Bearer ${made.token}`, 'content-type': 'multipart/form-data' }
    const url = `${world.base}/api/v1/vouchers`
    const long = new Uint8Array(200 * 1024)
    expect((await call(url, 'POST', headers, long)).status).toBe(413)
    const chunked = { ...headers, 'transfer-encoding': 'chunked' }
    expect((await call(url, 'POST', chunked, long)).status).toBe(413)
  })

  it('makes who guesses tokens wait, and lets a good one through', async () => {
    const { bytes } = must(fourth)
    let refused
    for (let i = 0; i < 400 && refused?.status !== 429; i++) {
      refused = await push(bytes.subarray(0, 10), { token: `x${i}` })
    }
    expect(refused?.status).toBe(429)
    expect(Number(refused?.headers['retry-after'])).toBeGreaterThan(0)
    expect((await push(bytes)).status).toBe(200)
  })

  it('echoes the id of a request', async () => {
    const headers = { 'x-request-id': 'abc-1' }
    const answer = await call(`${world.base}/api/v1/vouchers`, 'POST', headers)
    expect(JSON.parse(answer.body.toString()).request_id).toBe('abc-1')
  })
})

/** Entries brought to webhooks: in order, at least once, whatever the receiver does. */
import { createHmac } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { headersOf } from '../../../../src/webhooks/message.ts'
import { OTHER_PARTY, anEntry } from '../../../support/audit-world.ts'
import { OutboundFailure, RECEIVER, WebhookWorld } from '../../../support/webhook-world.ts'

let world: WebhookWorld
beforeEach(async () => {
  world = await WebhookWorld.open()
})
afterEach(() => world.log.database.close())

const stateOf = async (id: string) => (await world.call('GET', `/webhooks/${id}`)).json
const SECOND = 1_000
const HOUR = 3_600 * SECOND
const DAY = 24 * HOUR

describe('a message', () => {
  it('is signed as the Standard Webhooks specification has it', () => {
    // The example of the specification's own libraries.
    const secret = Buffer.from('MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'base64')
    const message = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', body: '{"test": 2432232314}' }
    expect(headersOf(message, secret, new Date(1614265330_000))).toMatchObject({
      'webhook-id': message.id,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    })
  })

  it('is an entry of the log, and can be checked with the secret that was shown', async () => {
    const { id, secret } = await world.add()
    const detail = { to: 'Käufer' }
    await world.log.append(anEntry({ type: 'voucher-sold', detail }))
    await world.deliver()
    const [{ url, call } = {}] = world.receiver.calls
    expect(url).toBe(RECEIVER)
    const headers = call!.headers
    expect(headers['webhook-id']).toBe(`${id}_2`)
    const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${call!.body}`
    const key = Buffer.from(secret.replace('whsec_', ''), 'base64')
    const signature = createHmac('sha256', key).update(signed).digest('base64')
    expect(headers['webhook-signature']).toBe(`v1,${signature}`)
    expect(JSON.parse(call!.body)).toMatchObject({
      type: 'voucher-sold',
      timestamp: '2026-01-02T03:04:05.000Z',
      data: { party: HOME_PARTY, seq: 2, type: 'voucher-sold', detail },
    })
  })
})

describe('deliveries', () => {
  it('wait while the party is suspended', async () => {
    await world.add()
    await world.log.fill(3)
    world.suspended.add(HOME_PARTY)
    await world.deliver()
    expect(world.receiver.seqs).toEqual([])
    world.suspended.delete(HOME_PARTY)
    world.receiver.answer = () => {
      world.suspended.add(HOME_PARTY)
      return 204
    }
    await world.deliver()
    expect(world.receiver.seqs).toEqual([2])
  })

  it('are left to the process that holds the lease, in the middle, too', async () => {
    await world.add()
    await world.log.fill(3)
    world.lease.isHeld = false
    await world.deliver()
    expect(world.receiver.seqs).toEqual([])
    world.lease.isHeld = true
    world.receiver.answer = () => {
      world.lease.isHeld = false
      return 204
    }
    await world.deliver()
    expect(world.receiver.seqs).toEqual([2])
  })

  it('bring what happens from then on, in order, once', async () => {
    await world.log.fill(3)
    const { id } = await world.add()
    await world.log.append(...Array.from({ length: 250 }, () => anEntry()))
    await world.deliver()
    await world.deliver()
    expect(world.receiver.seqs).toEqual(Array.from({ length: 250 }, (_, i) => i + 5))
    expect(await stateOf(id)).toMatchObject({
      cursor: 254,
      pending: 0,
      attempts: 0,
      last_delivered_at: '2026-01-02T03:04:05.000Z',
    })
  })

  it('bring only what is asked for', async () => {
    const exact = await world.add({ url: `${RECEIVER}&exact`, types: ['onboarded', 'registered'] })
    const begun = await world.add({ url: `${RECEIVER}&begun`, types: ['voucher-*'] })
    await world.log.append(
      anEntry({ type: 'onboarded' }),
      anEntry({ type: 'voucher-made' }),
      anEntry({ type: 'onboarded-again' }),
      anEntry({ type: 'voucher-sold' }),
      anEntry({ type: 'x-ray' }),
    )
    await world.deliver()
    const told = (url: string) =>
      world.receiver.calls
        .filter((one) => one.url === url)
        .map(({ call }) => JSON.parse(call.body).type)
    expect(told(exact.url)).toEqual(['onboarded'])
    expect(told(begun.url)).toEqual(['voucher-made', 'voucher-sold'])
    for (const { id } of [exact, begun]) expect(await stateOf(id)).toMatchObject({ pending: 0 })
  })

  it('bring nothing of another party', async () => {
    await world.add()
    await world.log.fill(2, OTHER_PARTY)
    await world.deliver()
    expect(world.receiver.calls).toEqual([])
  })

  it('wait for an answer before the next, and hold up no other webhook', async () => {
    let open = (_: number) => {}
    const slow = await world.add({ url: `${RECEIVER}&slow` })
    const quick = await world.add({ url: `${RECEIVER}&quick`, types: ['voucher-made'] })
    world.receiver.answer = async () =>
      world.receiver.calls.at(-1)?.url === slow.url
        ? new Promise((resolve) => (open = resolve))
        : 200
    await world.log.fill(2)
    const callsOf = (url: string) => world.receiver.calls.filter((one) => one.url === url).length
    await world.deliveries.begin()
    while ((await stateOf(quick.id)).pending > 0 || callsOf(slow.url) === 0) {
      await new Promise(setImmediate)
    }
    await world.deliveries.begin()
    expect([callsOf(slow.url), callsOf(quick.url)]).toEqual([1, 2])
    world.receiver.answer = () => 200
    open(200)
    await world.deliveries.idle()
    expect(callsOf(slow.url)).toBe(3)
  })

  it('are tried again where they fail, less and less often, from the same entry on', async () => {
    const { id } = await world.add()
    await world.log.fill(2)
    world.receiver.answer = () => 503
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({
      cursor: 1,
      attempts: 1,
      last_error: 'entry 2 was answered 503',
      failing_since: '2026-01-02T03:04:05.000Z',
      next_at: '2026-01-02T03:04:10.000Z',
    })
    await world.deliver()
    expect(world.receiver.seqs).toEqual([2])
    world.log.clock.advance(5 * SECOND)
    world.chance = 1
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({ attempts: 2, next_at: '2026-01-02T03:04:22.500Z' })
    for (let i = 0; i < 12; i++) {
      world.log.clock.advance(2 * HOUR)
      await world.deliver()
    }
    const { next_at } = await stateOf(id)
    expect(Date.parse(next_at) - world.log.clock.now().getTime()).toBe(1.25 * HOUR)
    world.receiver.answer = () => 200
    world.log.clock.advance(2 * HOUR)
    await world.deliver()
    expect(world.receiver.seqs).toEqual([...Array.from({ length: 15 }, () => 2), 3])
    expect(await stateOf(id)).toMatchObject({ attempts: 0, last_error: null, failing_since: null })
    const ids = world.receiver.calls.map(({ call }) => call.headers['webhook-id'])
    expect(new Set(ids)).toEqual(new Set([`${id}_2`, `${id}_3`]))
  })

  it('note why there was no answer, and nothing of a bug', async () => {
    const { id } = await world.add()
    await world.log.fill(1)
    world.receiver.answer = () => Promise.reject(new OutboundFailure('no answer in time'))
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({ last_error: 'entry 2: no answer in time' })
    world.receiver.answer = () => Promise.reject(new Error('secret text'))
    world.log.clock.advance(HOUR)
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({
      last_error: 'entry 2: could not be sent',
      attempts: 2,
    })
  })

  it('take a redirect for a failure', async () => {
    const { id } = await world.add()
    await world.log.fill(1)
    world.receiver.answer = () => 302
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({ last_error: 'entry 2 was answered 302' })
  })

  it('end after five days of failure, which the log tells', async () => {
    const { id } = await world.add()
    await world.log.fill(1)
    world.receiver.answer = () => 500
    for (let hours = 0; hours < 5 * 24 + 2; hours += 2) {
      await world.deliver()
      world.log.clock.advance(2 * HOUR)
    }
    expect(await stateOf(id)).toMatchObject({ state: 'disabled', last_error: expect.any(String) })
    const disabled = { type: 'webhook-disabled', by: 'system', subject: { id } }
    expect((await world.log.entries()).at(-1)).toMatchObject(disabled)
    const { length } = world.receiver.calls
    world.log.clock.advance(DAY)
    await world.deliver()
    expect(world.receiver.calls).toHaveLength(length)
    world.receiver.answer = () => 200
    await world.call('PATCH', `/webhooks/${id}`, { json: { enabled: true } })
    await world.deliver()
    expect(world.receiver.seqs.slice(length)).toEqual([2, 3, 4])
  })

  it('end at once where the receiver is gone', async () => {
    const { id } = await world.add()
    await world.log.fill(1)
    world.receiver.answer = () => 410
    await world.deliver()
    expect(await stateOf(id)).toMatchObject({ state: 'disabled', attempts: 1 })
  })

  it.each([
    ['removed', (id: string) => world.call('DELETE', `/webhooks/${id}`)],
    [
      'disabled',
      (id: string) => world.call('PATCH', `/webhooks/${id}`, { json: { enabled: false } }),
    ],
    [
      'sent back',
      (id: string) => world.call('POST', `/webhooks/${id}/replay`, { json: { from_seq: 1 } }),
    ],
  ])('stop where the webhook is %s meanwhile', async (what, change) => {
    const { id } = await world.add()
    await world.log.fill(3)
    for (const status of [200, 500]) {
      world.receiver.answer = async () => {
        world.receiver.answer = () => 200
        await change(id)
        return status
      }
      const { length } = world.receiver.calls
      await world.deliver()
      expect(world.receiver.calls).toHaveLength(
        length + (what === 'sent back' || length === 0 ? 1 : 0),
      )
    }
    if (what === 'sent back') expect(await stateOf(id)).toMatchObject({ cursor: 0, attempts: 0 })
  })

  it('go on by themselves until they are stopped', async () => {
    await world.add()
    const stopped = new AbortController()
    const running = world.deliveries.run(stopped.signal)
    await world.log.fill(1)
    while (world.receiver.calls.length < 1) {
      world.log.clock.advance(SECOND)
      await new Promise(setImmediate)
    }
    stopped.abort()
    await running
    await world.deliveries.stop()
    await world.log.fill(1)
    await world.deliver()
    expect(world.receiver.seqs).toEqual([2])
  })
})

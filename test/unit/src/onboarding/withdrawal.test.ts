/** Registrations that are over are taken back: at our own rendezvous, at another's, or not renewed. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { TransportError } from '../../../../src/fdo/client.ts'
import { askBy } from '../../../../src/onboarding/register/withdrawal/ask.ts'
import { OutboundFailure } from '../../../../src/outbound/failure.ts'
import { guidText } from '../../../support/voucher-world.ts'
import { TESTER, URL_THERE, WithdrawalWorld, buyer } from '../../../support/withdrawal-world.ts'

const HOUR_MS = 3_600_000

let w: WithdrawalWorld
beforeEach(async () => {
  w = await WithdrawalWorld.make()
})
afterEach(() => w.close())

describe('at the rendezvous of the same installation', () => {
  beforeEach(async () => {
    await w.open('here')
    await w.hold()
    expect(await w.isLive()).toBe(true)
  })

  it.each([
    ['a sale', 'sell'],
    ['a deletion', 'remove'],
  ])(
    '%s withdraws what is registered in its transaction, and who owned it is remembered',
    async (_, end) => {
      await w[end as 'sell' | 'remove']()
      expect(await w.isLive()).toBe(false)
      expect(await w.jobs()).toEqual([])
      expect(await w.rendezvous.registrations.find(guidText(0xa1))).toMatchObject({ entries: 1 })
      expect(w.asked).toEqual([])
    },
  )

  it('a sale that is undone withdraws nothing', async () => {
    const alongside = () => Promise.reject(new Error('no'))
    await expect(
      w.world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer, alongside }),
    ).rejects.toThrow('no')
    expect(await w.isLive()).toBe(true)
    expect(await w.jobs()).toMatchObject([{ state: 'registered' }])
  })

  it('what another owner has registered meanwhile stays', async () => {
    await w.world.database.db
      .updateTable('registration')
      .set({ owner_key: new Uint8Array(32) })
      .execute()
    await w.remove()
    expect(await w.isLive()).toBe(true)
  })

  it('a TO2 that is done has a day until it is withdrawn, and is not renewed', async () => {
    await w.finishTo2()
    expect(await w.isLive()).toBe(true)
    expect(
      (await w.register.statusOf(HOME_PARTY, [guidText(0xa1)])).get(guidText(0xa1)),
    ).toMatchObject({ state: 'withdrawing', lastError: null })
    w.sent.length = 0
    w.world.clock.advance(24 * HOUR_MS - 1)
    await w.quiet()
    expect(await w.isLive()).toBe(true)
    w.world.clock.advance(1)
    await w.quiet()
    expect(await w.isLive()).toBe(false)
    expect([await w.jobs(), w.sent]).toEqual([[], []])
  })

  it('a device that shows up under its new GUID ends that day', async () => {
    await w.finishTo2()
    const deviceId = await w.deviceId()
    await w.world.database.commit((tx) =>
      w.world.vouchers.sawDevice(tx, { deviceId, guid: guidText(0xb1) }),
    )
    expect(await w.isLive()).toBe(false)
    expect(await w.jobs()).toEqual([])
  })

  it('a registration that was on its way when the voucher went is withdrawn all the same', async () => {
    await w.remove()
    await w.world.database.db.deleteFrom('registration').execute()
    await w.removeWhileRegistered()
    expect(await w.rendezvous.registrations.find(guidText(0xa1))).toMatchObject({ to1d: null })
    expect(await w.jobs()).toEqual([])
  })
})

describe('at the rendezvous of another firstlight', () => {
  beforeEach(async () => {
    await w.open('elsewhere')
    await w.hold()
  })

  it('what is sold is withdrawn by a proof', async () => {
    await w.sell()
    await w.quiet()
    expect(w.asked).toEqual([`${URL_THERE}/rendezvous/v1/withdraw`])
    expect(await w.isLive()).toBe(false)
    expect(await w.jobs()).toEqual([])
  })

  it('it is asked again, ever more rarely, while it does not answer', async () => {
    w.answer = () => Promise.reject(new TransportError('connection refused'))
    await w.remove()
    await w.quiet()
    expect(w.asked).toHaveLength(1)
    expect(await w.jobs()).toMatchObject([
      { state: 'withdrawing', attempts: 1, last_error: 'connection refused' },
    ])
    expect(await w.register.hasten({ party: HOME_PARTY, guid: guidText(0xa1) })).toBe(false)
    for (const [seconds, expected] of [
      [1, 1],
      [1, 2],
      [3, 2],
      [1, 3],
    ] as const) {
      w.world.clock.advance(seconds * 1000)
      await w.quiet()
      expect(w.asked).toHaveLength(expected)
    }
    w.answer = undefined
    w.world.clock.advance(60_000)
    await w.quiet()
    expect([await w.isLive(), await w.jobs()]).toEqual([false, []])
  })

  it.each([500, 409, 429])(
    'it is asked again where it answers %i, and others are not held up',
    async (status) => {
      w.answer = async () => status
      await w.remove()
      await w.quiet()
      expect(await w.jobs()).toMatchObject([
        { attempts: 1, last_error: `asked to withdraw it, ${URL_THERE} answered ${status}` },
      ])
      await w.hold(0xa2)
      expect(await w.jobs()).toHaveLength(2)
      expect((await w.jobs()).at(-1)).toMatchObject({ state: 'registered' })
    },
  )

  it.each([404, 405, 400])(
    'it is let lapse where it answers %i: go-fdo’s knows no such thing',
    async (status) => {
      w.answer = async () => status
      await w.remove()
      await w.quiet()
      w.world.clock.advance(24 * HOUR_MS)
      await w.quiet()
      expect([w.asked.length, await w.jobs()]).toEqual([1, []])
    },
  )

  it('it is let lapse where the key it was registered with is gone', async () => {
    w.world.owners.length = 0
    await w.remove()
    await w.quiet()
    expect([w.asked, await w.jobs()]).toEqual([[], []])
  })

  it('nobody is asked once it has lapsed, or where it was never registered', async () => {
    w.answer = () => Promise.reject(new TransportError('connection refused'))
    await w.remove()
    await w.quiet()
    w.world.clock.advance(7 * 24 * HOUR_MS)
    w.asked.length = 0
    await w.quiet()
    expect([w.asked, await w.jobs()]).toEqual([[], []])
    w.before = () => Promise.reject(new TransportError('connection refused'))
    await w.hold(0xa2)
    await w.world.desk.delete(guidText(0xa2), TESTER)
    expect([w.asked, await w.jobs()]).toEqual([[], []])
  })

  it('what registered late, after it was over, is withdrawn as well', async () => {
    await w.remove()
    await w.quiet()
    w.asked.length = 0
    await w.removeWhileRegistered()
    // Both within one millisecond: the first request is refused as too old.
    w.world.clock.advance(10_000)
    await w.quiet()
    expect(w.asked).toHaveLength(2)
    expect([await w.isLive(), await w.jobs()]).toEqual([false, []])
  })

  it('a renewal under way when TO2 was done leaves the day that the device has', async () => {
    w.before = async (number) => {
      w.before = async () => {}
      if (number === 20) await w.finishTo2()
    }
    await w.register.hasten({ party: HOME_PARTY, guid: guidText(0xa1) })
    await w.quiet()
    expect(w.asked).toEqual([])
    const expires_at = new Date(w.world.clock.now().getTime() + 7 * 24 * HOUR_MS).toISOString()
    expect(await w.jobs()).toMatchObject([{ state: 'withdrawing', expires_at }])
    w.world.clock.advance(24 * HOUR_MS)
    await w.quiet()
    expect([await w.isLive(), w.asked.length]).toEqual([false, 1])
  })

  it('a voucher that comes back is registered, whatever was to be withdrawn', async () => {
    w.answer = () => Promise.reject(new TransportError('connection refused'))
    await w.remove()
    await w.quiet()
    w.answer = undefined
    await w.world.desk.restore(guidText(0xa1), TESTER)
    w.world.clock.advance(60_000)
    await w.quiet()
    expect(await w.jobs()).toMatchObject([{ state: 'registered', last_error: null }])
    expect(await w.isLive()).toBe(true)
  })

  it('goes on after a restart with what was left', async () => {
    w.answer = () => Promise.reject(new TransportError('connection refused'))
    await w.remove()
    await w.quiet()
    await w.register.stop()
    w.answer = undefined
    w.world.clock.advance(60_000)
    await w.open('elsewhere')
    await w.quiet()
    expect([await w.isLive(), await w.jobs()]).toEqual([false, []])
  })
})

it('what cannot be asked is as a place that does not answer; a bug stays one', async () => {
  await w.open('elsewhere')
  const failing = (error: Error) =>
    askBy({ request: () => Promise.reject(error) })(URL_THERE, new Uint8Array())
  await expect(failing(new OutboundFailure('forbidden', 'not there'))).rejects.toThrow(
    TransportError,
  )
  await expect(failing(new TypeError('a bug'))).rejects.toThrow(TypeError)
  const calls: unknown[] = []
  const request = async (url: string, options?: object) => {
    calls.push([url, options])
    return { status: 204, headers: {}, body: new Uint8Array(), url }
  }
  expect(await askBy({ request })(URL_THERE, new Uint8Array([1]))).toBe(204)
  expect(calls).toMatchObject([
    [
      URL_THERE,
      { method: 'POST', headers: { 'content-type': 'application/cbor' }, maxBytes: 16_384 },
    ],
  ])
})

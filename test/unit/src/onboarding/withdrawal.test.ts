/** Registrations that are over are taken back: at our own rendezvous, at another's, or not renewed. */
import { createHash } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Bytes, concat } from '../../../../protocol/bytes.ts'
import type { FdoTransport } from '../../../../protocol/converse.ts'
import { SHA256, hashOf } from '../../../../protocol/crypto/hash.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import { to2AddressesFromText } from '../../../../protocol/types/to2-address.ts'
import { AuditLog } from '../../../../src/audit/log.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createEvents } from '../../../../src/events.ts'
import { TransportError } from '../../../../src/fdo/client.ts'
import { Problem } from '../../../../src/http/problem.ts'
import { silentLog } from '../../../../src/log.ts'
import { Register } from '../../../../src/onboarding/register/register.ts'
import { askBy } from '../../../../src/onboarding/register/withdrawal/ask.ts'
import type { RendezvousHere } from '../../../../src/onboarding/register/withdrawal/withdrawals.ts'
import { OutboundFailure } from '../../../../src/outbound/failure.ts'
import { type Rendezvous, openRendezvous } from '../../../../src/rendezvous/assembly.ts'
import { transportTo } from '../../../support/mounted.ts'
import { openTestPki, p256 } from '../../../support/pki.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const HOUR_MS = 3_600_000
const TESTER = { id: 'tok_1', party: HOME_PARTY }
const URL_THERE = 'http://rv.test:80'
const DIRECTIVES = [{ dns: 'rv.test', owner_port: 80, dev_port: 80, protocol: 'http' }]
const parts = partsOf()
const buyer = parts.publicKeys[2] ?? expect.fail()
const { pki } = await openTestPki()

let world: VoucherWorld
let rendezvous: Rendezvous
let register: Register
let here: RendezvousHere | undefined
/** What the rendezvous is asked beside TO0, and how it answers if not as it should. */
let asked: string[]
let answer: ((url: string) => Promise<number>) | undefined
/** Before a message of TO0 goes out. */
let before: (number: number) => Promise<unknown>
let sent: number[]

beforeEach(async () => {
  world = await openVoucherWorld({ owners: parts.signers.slice(0, 2) })
  rendezvous = openRendezvous({
    ...{ ...world, events: createEvents(silentLog), urls: () => [URL_THERE] },
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    deviceAnchors: () => undefined,
  })
  ;[asked, sent, answer, here] = [[], [], undefined, undefined]
  before = async () => {}
})
afterEach(async () => {
  await register.stop()
  await world.database.close()
})

const atHome = (): RendezvousHere => ({
  isAt: (url) => url === URL_THERE,
  withdraw: (tx, registration) => rendezvous.registrations.withdrawOf(tx, registration),
})

/** As the route does. */
async function ask(url: string, request: Bytes): Promise<number> {
  asked.push(url)
  if (answer) return answer(url)
  try {
    await rendezvous.registrations.withdrawOwn(request)
    return 204
  } catch (error) {
    if (error instanceof Problem)
      return { 'not-found': 404, conflict: 409 }[error.code as string] ?? 400
    throw error
  }
}

async function open(at: RendezvousHere | undefined = undefined): Promise<void> {
  here = at
  const transport = transportTo(rendezvous.roles, world.database)
  const connected: FdoTransport = async (message, authorization) => {
    sent.push(message.number)
    await before(message.number)
    return transport(message, authorization)
  }
  register = new Register({
    ...{ ...world, log: silentLog, audit: new AuditLog(world), events: createEvents(silentLog) },
    random: () => 0.5,
    askedSeconds: 7 * 86_400,
    ownerAddresses: {
      value: async () => to2AddressesFromText([{ dns: 'o.test', port: 80, protocol: 'http' }]),
      onChange: () => {},
    },
    connect: () => connected,
    here,
    findOwnerSigner: async (_party, fingerprint) =>
      world.owners.find(
        ({ key }) => createHash('sha256').update(key.spki).digest('hex') === fingerprint,
      ),
    ask,
  })
  world.ledger.watch(register)
  await register.start()
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 300; i++) await nextTurn()
}

async function hold(byte = 0xa1): Promise<void> {
  const chain = await pki.issueDeviceCertificate({ serial: String(byte), spki: p256().spki })
  const header = {
    guid: guid(byte),
    rvInfo: rendezvousInfoFromText(DIRECTIVES),
    deviceCertChainHash: hashOf(SHA256, concat(...chain)),
  }
  await world.make(await makeVoucher({ ...parts, chain }, { header }))
  await quiet()
}

const isLive = async () => {
  const row = await rendezvous.registrations.find(guidText(0xa1)).catch(() => undefined)
  return row !== undefined && rendezvous.registrations.isLive(row)
}
const jobs = () => world.database.db.selectFrom('to0_job').selectAll().execute()
const sell = () => world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer })
const remove = () => world.desk.delete(guidText(0xa1), TESTER)
async function finishTo2(): Promise<void> {
  const [{ id: deviceId } = expect.fail()] = await world.devices.list({
    party: HOME_PARTY,
    limit: 1,
  })
  const voucher = await makeVoucher(parts, { sales: 0, header: { guid: guid(0xb1) } })
  await world.database.commit(async (tx) => {
    await world.devices.moveDevice(tx, { id: deviceId, move: 'onboarding' })
    const replacement = { guid: guid(0xb1), voucher: voucher.bytes }
    await world.vouchers.replaceAfterTo2(tx, {
      guid: guid(0xa1),
      deviceId,
      revision: '1',
      replacement,
    })
  })
  await quiet()
}

describe('at the rendezvous of the same installation', () => {
  beforeEach(async () => {
    await open(atHome())
    await hold()
    expect(await isLive()).toBe(true)
  })

  it.each([
    ['a sale', sell],
    ['a deletion', remove],
  ])(
    '%s withdraws what is registered in its transaction, and who owned it is remembered',
    async (_, end) => {
      await end()
      expect(await isLive()).toBe(false)
      expect(await jobs()).toEqual([])
      expect(await rendezvous.registrations.find(guidText(0xa1))).toMatchObject({ entries: 1 })
      expect(asked).toEqual([])
    },
  )

  it('a sale that is undone withdraws nothing', async () => {
    const alongside = () => Promise.reject(new Error('no'))
    await expect(
      world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer, alongside }),
    ).rejects.toThrow('no')
    expect(await isLive()).toBe(true)
    expect(await jobs()).toMatchObject([{ state: 'registered' }])
  })

  it('what another owner has registered meanwhile stays', async () => {
    await world.database.db
      .updateTable('registration')
      .set({ owner_key: new Uint8Array(32) })
      .execute()
    await remove()
    expect(await isLive()).toBe(true)
  })

  it('a TO2 that is done has a day until it is withdrawn, and is not renewed', async () => {
    await finishTo2()
    expect(await isLive()).toBe(true)
    expect(
      (await register.statusOf(HOME_PARTY, [guidText(0xa1)])).get(guidText(0xa1)),
    ).toMatchObject({ state: 'withdrawing', lastError: null })
    sent.length = 0
    world.clock.advance(24 * HOUR_MS - 1)
    await quiet()
    expect(await isLive()).toBe(true)
    world.clock.advance(1)
    await quiet()
    expect(await isLive()).toBe(false)
    expect([await jobs(), sent]).toEqual([[], []])
  })

  it('a device that shows up under its new GUID ends that day', async () => {
    await finishTo2()
    const [{ id: deviceId } = expect.fail()] = await world.devices.list({
      party: HOME_PARTY,
      limit: 1,
    })
    await world.database.commit((tx) =>
      world.vouchers.sawDevice(tx, { deviceId, guid: guidText(0xb1) }),
    )
    expect(await isLive()).toBe(false)
    expect(await jobs()).toEqual([])
  })

  it('a registration that was on its way when the voucher went is withdrawn all the same', async () => {
    await remove()
    await world.database.db.deleteFrom('registration').execute()
    before = async (number) => (number === 22 ? remove() : undefined)
    await world.desk.restore(guidText(0xa1), TESTER)
    await quiet()
    expect(await rendezvous.registrations.find(guidText(0xa1))).toMatchObject({ to1d: null })
    expect(await jobs()).toEqual([])
  })
})

describe('at the rendezvous of another firstlight', () => {
  beforeEach(async () => {
    await open()
    await hold()
  })

  it('what is sold is withdrawn by a proof', async () => {
    await sell()
    await quiet()
    expect(asked).toEqual([`${URL_THERE}/rendezvous/v1/withdraw`])
    expect(await isLive()).toBe(false)
    expect(await jobs()).toEqual([])
  })

  it('it is asked again, ever more rarely, while it does not answer', async () => {
    answer = () => Promise.reject(new TransportError('connection refused'))
    await remove()
    await quiet()
    expect(asked).toHaveLength(1)
    expect(await jobs()).toMatchObject([
      { state: 'withdrawing', attempts: 1, last_error: 'connection refused' },
    ])
    expect(await register.hasten({ party: HOME_PARTY, guid: guidText(0xa1) })).toBe(false)
    for (const [seconds, expected] of [
      [1, 1],
      [1, 2],
      [3, 2],
      [1, 3],
    ] as const) {
      world.clock.advance(seconds * 1000)
      await quiet()
      expect(asked).toHaveLength(expected)
    }
    answer = undefined
    world.clock.advance(60_000)
    await quiet()
    expect([await isLive(), await jobs()]).toEqual([false, []])
  })

  it.each([500, 409, 429])(
    'it is asked again where it answers %i, and others are not held up',
    async (status) => {
      answer = async () => status
      await remove()
      await quiet()
      expect(await jobs()).toMatchObject([
        { attempts: 1, last_error: `asked to withdraw it, ${URL_THERE} answered ${status}` },
      ])
      await hold(0xa2)
      expect(await jobs()).toHaveLength(2)
      expect((await jobs()).at(-1)).toMatchObject({ state: 'registered' })
    },
  )

  it.each([404, 405, 400])(
    'it is let lapse where it answers %i: go-fdo’s knows no such thing',
    async (status) => {
      answer = async () => status
      await remove()
      await quiet()
      world.clock.advance(24 * HOUR_MS)
      await quiet()
      expect([asked.length, await jobs()]).toEqual([1, []])
    },
  )

  it('it is let lapse where the key it was registered with is gone', async () => {
    world.owners.length = 0
    await remove()
    await quiet()
    expect([asked, await jobs()]).toEqual([[], []])
  })

  it('nobody is asked once it has lapsed, or where it was never registered', async () => {
    answer = () => Promise.reject(new TransportError('connection refused'))
    await remove()
    await quiet()
    world.clock.advance(7 * 24 * HOUR_MS)
    asked.length = 0
    await quiet()
    expect([asked, await jobs()]).toEqual([[], []])
    before = () => Promise.reject(new TransportError('connection refused'))
    await hold(0xa2)
    await world.desk.delete(guidText(0xa2), TESTER)
    expect([asked, await jobs()]).toEqual([[], []])
  })

  it('what registered late, after it was over, is withdrawn as well', async () => {
    await remove()
    await quiet()
    asked.length = 0
    before = async (number) => (number === 22 ? remove() : undefined)
    await world.desk.restore(guidText(0xa1), TESTER)
    await quiet()
    // Both within one millisecond: the first request is refused as too old.
    world.clock.advance(10_000)
    await quiet()
    expect(asked).toHaveLength(2)
    expect([await isLive(), await jobs()]).toEqual([false, []])
  })

  it('a renewal under way when TO2 was done leaves the day that the device has', async () => {
    before = async (number) => {
      before = async () => {}
      if (number === 20) await finishTo2()
    }
    await register.hasten({ party: HOME_PARTY, guid: guidText(0xa1) })
    await quiet()
    expect(asked).toEqual([])
    const expires_at = new Date(world.clock.now().getTime() + 7 * 24 * HOUR_MS).toISOString()
    expect(await jobs()).toMatchObject([{ state: 'withdrawing', expires_at }])
    world.clock.advance(24 * HOUR_MS)
    await quiet()
    expect([await isLive(), asked.length]).toEqual([false, 1])
  })

  it('a voucher that comes back is registered, whatever was to be withdrawn', async () => {
    answer = () => Promise.reject(new TransportError('connection refused'))
    await remove()
    await quiet()
    answer = undefined
    await world.desk.restore(guidText(0xa1), TESTER)
    world.clock.advance(60_000)
    await quiet()
    expect(await jobs()).toMatchObject([{ state: 'registered', last_error: null }])
    expect(await isLive()).toBe(true)
  })

  it('goes on after a restart with what was left', async () => {
    answer = () => Promise.reject(new TransportError('connection refused'))
    await remove()
    await quiet()
    await register.stop()
    answer = undefined
    world.clock.advance(60_000)
    await open()
    await quiet()
    expect([await isLive(), await jobs()]).toEqual([false, []])
  })
})

it('what cannot be asked is as a place that does not answer; a bug stays one', async () => {
  await open()
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

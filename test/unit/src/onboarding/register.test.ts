/** The owner's side of TO0 as a service: when it registers what, where, and what it tells of it. */
import { AuditLog } from '../../../../src/audit/log.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { concat, toHex } from '../../../../protocol/bytes.ts'
import type { FdoTransport } from '../../../../protocol/converse.ts'
import { errorMessage } from '../../../../protocol/error-message.ts'
import { SHA256, hashOf } from '../../../../protocol/crypto/hash.ts'
import { messageOf } from '../../../../protocol/message.ts'
import { AcceptOwner } from '../../../../protocol/to0/messages.ts'
import { FdoError, HasteError } from '../../../../protocol/errors.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import { type To2Addresses, to2AddressesFromText } from '../../../../protocol/types/to2-address.ts'
import { TransportError } from '../../../../src/fdo/client.ts'
import type { Lease } from '../../../../src/leases/leases.ts'
import { type Log, silentLog } from '../../../../src/log.ts'
import { Register } from '../../../../src/onboarding/register/register.ts'
import { createEvents } from '../../../../src/events.ts'
import { openRendezvous } from '../../../../src/rendezvous/assembly.ts'
import { type Database, openDatabase } from '../../../support/database.ts'
import { transportTo } from '../../../support/mounted.ts'
import { openTestPki, p256 } from '../../../support/pki.ts'
import { quiet } from '../../../support/quiet.ts'
import { type VoucherWorld, guid, openVoucherWorld } from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const DAY_MS = 86_400_000
const NEAR = { dns: 'near.test', owner_port: 80, dev_port: 80, protocol: 'http' } as const
const FAR = { dns: 'far.test', owner_port: 80, dev_port: 80, protocol: 'http' } as const

const { pki } = await openTestPki()

let world: VoucherWorld
let register: Register
let rendezvous: FdoTransport
/** That of far.test, which knows nothing of what the other is told. */
let farRendezvous: FdoTransport
let farDatabase: Database
/** How each place behaves, if not well. */
let places: Map<string, FdoTransport>
/** Every message that was sent, by place. */
let sent: string[]
let atOnce: { now: number; most: number }
let addresses: To2Addresses
let announceAddresses: () => void
let logged: string[]
let reported: string[]
/** How many vouchers were read. */
let loaded = 0

beforeEach(async () => {
  reported = []
  world = await openVoucherWorld({ owners: partsOf().signers })
  farDatabase = await openDatabase(':memory:')
  rendezvous = newRendezvous(world.database)
  farRendezvous = newRendezvous(farDatabase)
  places = new Map()
  sent = []
  atOnce = { now: 0, most: 0 }
  logged = []
  addresses = to2AddressesFromText([{ dns: 'owner.test', port: 80, protocol: 'http' }])
  register = newRegister()
  world.ledger.watch(register)
  await register.start()
})
afterEach(async () => {
  await register.stop()
  await world.database.close()
  await farDatabase.close()
})

function newRendezvous(database: Database): FdoTransport {
  const randomBytes = (length: number) => crypto.getRandomValues(new Uint8Array(length))
  const { roles } = openRendezvous({
    ...{ ...world, database, randomBytes, events: createEvents(silentLog) },
    ...{ deviceAnchors: () => undefined, urls: () => [] },
  })
  return transportTo(roles, database)
}

function newRegister(lease?: Lease): Register {
  const log = { ...silentLog, error: (facts: object) => logged.push(JSON.stringify(facts)) }
  return new Register({
    ...world,
    log: log as unknown as Log,
    audit: new AuditLog(world),
    events: {
      registrationMade: ({ guid: name, seconds }) =>
        reported.push(`made ${name.slice(0, 2)} ${seconds}`),
      registrationFailed: ({ guid: name }) => reported.push(`failed ${name.slice(0, 2)}`),
    },
    lease,
    random: () => 0.5,
    askedSeconds: 7 * 86_400,
    vouchers: {
      findServableOf: (party, guid) => {
        loaded++
        return world.vouchers.findServableOf(party, guid)
      },
      findDeviceId: (voucher, executor) => world.vouchers.findDeviceId(voucher, executor),
    },
    ownerAddresses: {
      value: async () => addresses,
      onChange: (listener) => void (announceAddresses = () => listener(HOME_PARTY)),
    },
    connect: ({ host }) => counted(host),
    here: undefined,
    findOwnerSigner: async () => undefined,
    ask: async () => 404,
  })
}

function counted(host: string): FdoTransport {
  return async (message, authorization) => {
    sent.push(`${host} ${message.number}`)
    atOnce.most = Math.max(atOnce.most, ++atOnce.now)
    try {
      const there = host === 'far.test' ? farRendezvous : rendezvous
      return await (places.get(host) ?? there)(message, authorization)
    } finally {
      atOnce.now--
    }
  }
}

const gone: FdoTransport = () => Promise.reject(new TransportError('connection refused'))
const refusing: FdoTransport = async ({ number }) => ({
  message: errorMessage(new FdoError('INVALID_OWNERSHIP_VOUCHER', ''), number, new Date(0)),
  authorization: undefined,
})

/** Another device is made, and its voucher ours. */
async function hold(byte: number, ...directives: object[]): Promise<string> {
  const chain = await pki.issueDeviceCertificate({ serial: String(byte), spki: p256().spki })
  const header = {
    guid: guid(byte),
    rvInfo: rendezvousInfoFromText(directives),
    deviceCertChainHash: hashOf(SHA256, concat(...chain)),
  }
  await world.make(await makeVoucher({ ...partsOf(), chain }, { header }))
  return toHex(guid(byte))
}

const statusOf = async (name: string) => (await register.statusOf(HOME_PARTY, [name])).get(name)
const attempts = (host: string) => sent.filter((one) => one === `${host} 20`).length

describe('the register', () => {
  it('registers a voucher as soon as it is ours', async () => {
    const name = await hold(1, NEAR)
    await quiet()
    expect(sent).toEqual(['near.test 20', 'near.test 22'])
    expect(await statusOf(name)).toEqual({
      state: 'registered',
      lastError: null,
      expiresAt: new Date(world.clock.now().getTime() + 7 * DAY_MS).toISOString(),
    })
    const [device] = await world.devices.list({ party: HOME_PARTY, limit: 1 })
    expect(device?.state).toBe('registered')
  })

  it('registers at every rendezvous the voucher names, but once', async () => {
    await hold(1, NEAR, FAR, NEAR)
    await quiet()
    expect([attempts('near.test'), attempts('far.test')]).toEqual([1, 1])
  })

  it('leaves to devices what is for devices only, and has nothing to say of it', async () => {
    const name = await hold(1, { ...NEAR, dev_only: true })
    await quiet()
    expect(sent).toEqual([])
    expect(await statusOf(name)).toBeUndefined()
  })

  it('renews a registration when four fifths of its time are over', async () => {
    await hold(1, NEAR)
    await quiet()
    world.clock.advance(5.5 * DAY_MS)
    await quiet()
    expect(attempts('near.test')).toBe(1)
    world.clock.advance(0.2 * DAY_MS)
    await quiet()
    expect(attempts('near.test')).toBe(2)
  })

  it('is not kept busy by a rendezvous that grants next to no time', async () => {
    places.set('near.test', async (message, authorization) => {
      const answer = await rendezvous(message, authorization)
      if (answer.message.number !== AcceptOwner.number) return answer
      return { ...answer, message: messageOf(AcceptOwner, { waitSeconds: 1 }) }
    })
    await hold(1, NEAR)
    await quiet()
    world.clock.advance(9_000)
    await quiet()
    expect(attempts('near.test')).toBe(1)
    world.clock.advance(1_000)
    await quiet()
    expect(attempts('near.test')).toBe(2)
  })

  it('does not let a rendezvous that is gone hold up another', async () => {
    places.set('far.test', () => new Promise(() => {}))
    const names = await Promise.all([hold(1, FAR), hold(2, NEAR), hold(3, FAR, NEAR)])
    await quiet()
    const states = await register.statusOf(HOME_PARTY, names)
    expect(names.map((name) => states.get(name)?.state)).toEqual([
      'waiting',
      'registered',
      'registered',
    ])
    register = newRegister()
  })

  it('comes back to one that is gone ever more rarely, and says why it waits', async () => {
    places.set('far.test', gone)
    const name = await hold(1, FAR)
    await quiet()
    expect(await statusOf(name)).toMatchObject({
      state: 'failing',
      lastError: 'connection refused',
    })
    for (const [seconds, expected] of [
      [1, 1],
      [1, 2],
      [3, 2],
      [1, 3],
      [7, 3],
      [1, 4],
    ] as const) {
      world.clock.advance(seconds * 1000)
      await quiet()
      expect(attempts('far.test')).toBe(expected)
    }
  })

  it('tries only one of many at a place that is gone, and tells all of them why', async () => {
    places.set('far.test', gone)
    const first = await hold(1, FAR)
    await quiet()
    const others = await Promise.all([2, 3, 4, 5].map((byte) => hold(byte, FAR)))
    await quiet()
    expect(attempts('far.test')).toBe(1)
    world.clock.advance(2_000)
    await quiet()
    expect(attempts('far.test')).toBe(2)
    for (const name of [first, ...others]) {
      expect(await statusOf(name)).toMatchObject({ lastError: 'connection refused' })
    }
    places.clear()
    world.clock.advance(10_000)
    await quiet()
    for (const name of [first, ...others]) {
      expect(await statusOf(name)).toMatchObject({ state: 'registered', lastError: null })
    }
  })

  it('goes on with the others where one is refused', async () => {
    places.set('near.test', async (message, authorization) =>
      sent.length === 1 ? refusing(message, authorization) : rendezvous(message, authorization),
    )
    const names = [await hold(1, NEAR), await hold(2, NEAR)]
    await quiet()
    const lastError = expect.stringContaining('INVALID_OWNERSHIP_VOUCHER')
    const registered = { state: 'registered', lastError: null }
    const statuses = async () => [...(await register.statusOf(HOME_PARTY, names)).values()]
    // Where both are due they are tried together, and either may be the first to ask.
    expect(await statuses()).toHaveLength(2)
    expect(await statuses()).toContainEqual(
      expect.objectContaining({ state: 'failing', lastError }),
    )
    expect(await statuses()).toContainEqual(expect.objectContaining(registered))
    world.clock.advance(3_000)
    await quiet()
    expect(await statuses()).toMatchObject([registered, registered])
  })

  it('tries both addresses of a directive before it gives up', async () => {
    places.set('far.test', gone)
    await hold(1, { ...FAR, ip: '192.0.2.1' })
    await quiet()
    expect(sent).toEqual(['far.test 20', '192.0.2.1 20', '192.0.2.1 22'])
  })

  it('does not do everything at once', async () => {
    await Promise.all(Array.from({ length: 40 }, (_, i) => hold(i + 1, NEAR)))
    await quiet()
    expect(attempts('near.test')).toBe(40)
    expect(atOnce.most).toBeLessThanOrEqual(8)
  })

  it('goes on after a restart with what was left', async () => {
    places.set('near.test', gone)
    const name = await hold(1, NEAR)
    await quiet()
    await register.stop()
    places.clear()
    register = newRegister()
    await register.start()
    await quiet()
    world.clock.advance(5_000)
    await quiet()
    expect(await statusOf(name)).toMatchObject({ state: 'registered' })
  })

  it('forgets a voucher that is not ours any more', async () => {
    const name = await hold(1, NEAR)
    await quiet()
    await world.desk.delete(name, { id: 'tok_1', party: HOME_PARTY })
    world.clock.advance(6 * DAY_MS)
    await quiet()
    expect(attempts('near.test')).toBe(1)
    expect(await statusOf(name)).toBeUndefined()
  })

  it('says so when a registration has lapsed, and when it is back', async () => {
    await hold(1, NEAR)
    await quiet()
    places.set('near.test', gone)
    world.clock.advance(6 * DAY_MS)
    await quiet()
    const state = async () => (await world.devices.list({ party: HOME_PARTY, limit: 1 }))[0]
    expect(await state()).toMatchObject({ state: 'registered' })
    world.clock.advance(DAY_MS)
    await quiet()
    expect(await state()).toMatchObject({ state: 'owned', last_error: 'connection refused' })
    places.clear()
    world.clock.advance(DAY_MS)
    await quiet()
    expect(await state()).toMatchObject({ state: 'registered', last_error: null })
  })

  it('registers anew when the owner is to be found elsewhere', async () => {
    await Promise.all([hold(1, NEAR), hold(2, NEAR)])
    await quiet()
    addresses = to2AddressesFromText([{ dns: 'moved.test', port: 80, protocol: 'http' }])
    announceAddresses()
    await quiet()
    expect(attempts('near.test')).toBe(4)
    announceAddresses()
    await quiet()
    expect(attempts('near.test')).toBe(4)
  })

  it('notices that they change while it registers', async () => {
    places.set('near.test', async (message, authorization) => {
      if (sent.length === 1) {
        addresses = to2AddressesFromText([{ dns: 'moved.test', port: 80, protocol: 'http' }])
        announceAddresses()
      }
      return rendezvous(message, authorization)
    })
    await hold(1, NEAR)
    await quiet()
    expect(attempts('near.test')).toBe(2)
  })

  it('notices at its start that the addresses have changed meanwhile', async () => {
    await hold(1, NEAR)
    await quiet()
    await register.stop()
    addresses = to2AddressesFromText([{ dns: 'moved.test', port: 80, protocol: 'http' }])
    register = newRegister()
    await register.start()
    await quiet()
    expect(attempts('near.test')).toBe(2)
  })

  it('reports what is made and what is refused, and a place that is gone only as such', async () => {
    await hold(1, NEAR)
    places.set('far.test', refusing)
    await hold(2, FAR)
    await quiet()
    places.set('far.test', gone)
    await hold(3, FAR)
    await quiet()
    expect(reported.sort()).toEqual(['failed 02', 'made 01 604800'])
  })

  it('does not call a device registered whose voucher went while it was being registered', async () => {
    places.set('near.test', async (message, authorization) => {
      if (message.number === 22)
        await world.desk.delete(toHex(guid(1)), { id: 'tok_1', party: HOME_PARTY })
      return rendezvous(message, authorization)
    })
    await hold(1, NEAR)
    await quiet()
    expect((await world.devices.list({ party: HOME_PARTY, limit: 1 }))[0]?.state).toBe('owned')
  })

  it('says so when the key that owns a voucher is not here', async () => {
    places.set('near.test', gone)
    const name = await hold(1, NEAR)
    await quiet()
    world.owners.length = 0
    world.clock.advance(5_000)
    await quiet()
    expect(await statusOf(name)).toMatchObject({ lastError: expect.stringContaining('not here') })
  })

  it('says so when there is no such rendezvous in the voucher', async () => {
    places.set('near.test', gone)
    const name = await hold(1, NEAR)
    await quiet()
    await world.database.db.updateTable('to0_job').set({ directive: 7 }).execute()
    world.clock.advance(5_000)
    await quiet()
    expect(await statusOf(name)).toMatchObject({ lastError: expect.stringContaining('no such') })
  })

  it('survives what it does not expect', async () => {
    places.set('near.test', () => Promise.reject(new TypeError('a bug')))
    const name = await hold(1, NEAR)
    await quiet()
    expect(await statusOf(name)).toMatchObject({ lastError: 'an internal error, see the log' })
    expect(logged).toHaveLength(1)
  })

  it('tells of each rendezvous how it stands and when it is tried next', async () => {
    places.set('far.test', gone)
    const name = await hold(1, NEAR, FAR)
    await quiet()
    const now = world.clock.now().getTime()
    const in5Days = new Date(now + 5.6 * DAY_MS).toISOString()
    expect(await register.serversOf({ party: HOME_PARTY, guid: name })).toEqual([
      {
        url: 'http://near.test:80',
        state: 'registered',
        lastError: null,
        expiresAt: new Date(now + 7 * DAY_MS).toISOString(),
        nextAt: in5Days,
      },
      {
        url: 'http://far.test:80',
        state: 'failing',
        lastError: 'connection refused',
        expiresAt: null,
        nextAt: new Date(now + 2_000).toISOString(),
      },
    ])
    expect(await register.serversOf({ party: HOME_PARTY, guid: '00'.repeat(16) })).toEqual([])
  })

  it('registers at once what somebody asks for, at a place it had given up, too', async () => {
    places.set('far.test', gone)
    const name = await hold(1, NEAR, FAR)
    await quiet()
    places.clear()
    expect(await register.hasten({ party: HOME_PARTY, guid: name })).toBe(true)
    await quiet()
    expect([attempts('near.test'), attempts('far.test')]).toEqual([2, 2])
    expect(
      (await register.serversOf({ party: HOME_PARTY, guid: name })).map(({ state }) => state),
    ).toEqual(['registered', 'registered'])
    expect(await register.hasten({ party: HOME_PARTY, guid: '00'.repeat(16) })).toBe(false)
  })

  it('leaves a place alone that says it is asked too often', async () => {
    places.set('near.test', async ({ number }) => ({
      message: errorMessage(new HasteError(7), number, new Date(0)),
      authorization: undefined,
    }))
    const names = [await hold(1, NEAR), await hold(2, NEAR), await hold(3, NEAR)]
    await quiet()
    expect(sent.length).toBeLessThan(4)
    const states = await register.statusOf(HOME_PARTY, names)
    for (const name of names) {
      expect(states.get(name)?.lastError).toMatch('try again in 7 s')
    }
  })

  it('loads no voucher at its start that is not due', async () => {
    for (let byte = 1; byte <= 10; byte++) await hold(byte, byte < 6 ? NEAR : FAR)
    await quiet()
    await register.stop()
    loaded = 0
    register = newRegister()
    await register.start()
    await quiet()
    expect(loaded).toBe(0)
    world.clock.advance(5.7 * DAY_MS)
    await quiet()
    expect(loaded).toBe(10)
  })

  it('finds all that name old addresses, by whichever they are, and no others', async () => {
    const moveTo = async (dns: string) => {
      addresses = to2AddressesFromText([{ dns, port: 80, protocol: 'http' }])
      announceAddresses()
      await quiet()
    }
    await hold(1, NEAR)
    await quiet()
    places.set('near.test', gone)
    await moveTo('second.test')
    await hold(2, FAR)
    await quiet()
    await moveTo('third.test')
    expect(attempts('far.test')).toBe(2)
    places.clear()
    await moveTo('first.test')
    world.clock.advance(60_000)
    await quiet()
    expect(attempts('far.test')).toBe(3)
    const rows = await world.database.db.selectFrom('to0_job').select('addresses').execute()
    expect(new Set(rows.map((row) => row.addresses)).size).toBe(1)
  })
})

describe('of several registers on one database', () => {
  let take: () => void
  const lease = {
    isHeld: false,
    onTaken: (listener: () => void) =>
      void (take = () => {
        lease.isHeld = true
        listener()
      }),
  }
  beforeEach(async () => {
    // What is held from here on is left for others to register.
    await register.stop()
    lease.isHeld = false
    register = newRegister(lease)
    await register.start()
  })
  const pass = async (ms: number) => {
    await quiet()
    world.clock.advance(ms)
    await quiet()
  }

  it('the one that holds the lease finds within a second what another has left', async () => {
    await hold(1, NEAR)
    await pass(5_000)
    expect(attempts('near.test')).toBe(0)
    lease.isHeld = true
    await pass(1_000)
    expect(attempts('near.test')).toBe(1)
    await hold(2, FAR)
    await pass(1_020)
    expect(attempts('far.test')).toBe(1)
  })

  it('each tells how a place stands, and has it tried at once, whichever has the lease', async () => {
    lease.isHeld = true
    places.set('far.test', gone)
    const name = await hold(1, FAR)
    await pass(1_020)
    const waiting = await hold(2, FAR)
    const asked = newRegister({ isHeld: false, onTaken: () => {} })
    const stateOf = async (guid: string) =>
      (await asked.serversOf({ party: HOME_PARTY, guid })).map(({ state, lastError }) => {
        return [state, lastError]
      })
    expect(await stateOf(waiting)).toEqual([['failing', 'connection refused']])
    places.clear()
    const before = attempts('far.test')
    expect(await asked.hasten({ party: HOME_PARTY, guid: name })).toBe(true)
    await quiet()
    expect(attempts('far.test')).toBe(before)
    await pass(1_020)
    expect(await stateOf(name)).toEqual([['registered', null]])
    expect(await stateOf(waiting)).toEqual([['registered', null]])
    // It was called once.
    places.set('far.test', gone)
    const last = await hold(3, FAR)
    await pass(1_020)
    await pass(1_020)
    const tried = attempts('far.test')
    await pass(500)
    expect(attempts('far.test')).toBe(tried)
    expect(await stateOf(last)).toEqual([['failing', 'connection refused']])
    await asked.stop()
  })

  it('one that has lost it does nothing more, until it has it again', async () => {
    lease.isHeld = true
    await hold(1, NEAR)
    await pass(1_000)
    lease.isHeld = false
    await pass(6 * DAY_MS)
    expect(attempts('near.test')).toBe(1)
    take()
    await quiet()
    expect(attempts('near.test')).toBe(2)
  })

  it('the one that holds it follows addresses that another has changed', async () => {
    lease.isHeld = true
    await hold(1, NEAR)
    await pass(1_000)
    addresses = to2AddressesFromText([{ dns: 'moved.test', port: 80, protocol: 'http' }])
    await pass(1_010)
    expect(attempts('near.test')).toBe(1)
    const setting = { party: HOME_PARTY, name: 'any', value: '{}', version: 1, updated_at: '' }
    await world.database.db.insertInto('setting').values(setting).execute()
    await pass(1_010)
    expect(attempts('near.test')).toBe(2)
  })

  it('one that cannot look around looks again', async () => {
    lease.isHeld = true
    const look = vi.spyOn(world.database, 'changesOf').mockImplementationOnce(() => {
      throw new Error('away')
    })
    await pass(1_000)
    expect(logged).toHaveLength(1)
    look.mockRestore()
    await hold(1, NEAR)
    await pass(1_000)
    expect(attempts('near.test')).toBe(1)
  })
})

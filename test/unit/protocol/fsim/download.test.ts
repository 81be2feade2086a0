import { describe, expect, it } from 'vitest'
import { type Bytes, equalBytes, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { scan } from '../../../../protocol/cbor/scan.ts'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { SHA384, hashOf } from '../../../../protocol/crypto/hash.ts'
import { downloadDevice } from '../../../../protocol/fsim/download/device.ts'
import { fileStep } from '../../../../protocol/fsim/steps.ts'
import { HostFailure } from '../../../../protocol/service-info/device-host.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import type { PlanStep } from '../../../../protocol/service-info/plan.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import { type KeyValue, OwnerServiceInfo } from '../../../../protocol/service-info/service-info.ts'
import { MemoryHost } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'

const REQUIRED = { name: 'a file', required: true }

function bytesOfLength(length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 0xff)
}

/** An owner that sends one file; `name` is what it is called on the device. */
function sending(content: Bytes, options = {}, name = 'docs/a.bin', step = REQUIRED): OwnerWorld {
  const owner: OwnerWorld = new OwnerWorld(
    (): readonly PlanStep[] => [fileStep(step, owner.content('ref', content, name))],
    options,
  )
  return owner
}

describe('a file from owner to device', () => {
  it.each([0, 1, 1014, 1015, 20_000])('arrives, of %i bytes', async (length) => {
    const host = new MemoryHost()
    const owner = sending(bytesOfLength(length))
    await converse(owner, host)
    expect(equalBytes(host.stored.get('docs/a.bin')!, bytesOfLength(length))).toBe(true)
    expect(owner.effectsOf('file-delivered')).toEqual([
      { type: 'file-delivered', name: 'docs/a.bin', length },
    ])
    expect(host.unfinished).toBe(0)
  })

  it.each([1300, 4096, 64_000])('fills messages of up to %i bytes', async (sendLimit) => {
    const owner = sending(bytesOfLength(5 * sendLimit), { sendLimit })
    await converse(owner, new MemoryHost())
    const full = owner.replies.map((reply) => reply.length)
    for (const size of full) expect(size).toBeLessThanOrEqual(sendLimit - 5)
    for (const size of full.slice(1, 4)) expect(size).toBeGreaterThan(sendLimit - 110)
  })

  it('comes in pieces of at most 1014 bytes, each in a pair of its own', async () => {
    const owner = sending(bytesOfLength(50_000), { sendLimit: 64_000 })
    await converse(owner, new MemoryHost())
    for (const reply of owner.replies) {
      const { serviceInfo } = decodeAs(OwnerServiceInfo, reply, '69')
      const pieces = serviceInfo.filter(({ key }) => key === 'fdo.download:data')
      for (const { value } of pieces) expect(value.length).toBeLessThanOrEqual(1014 + 3)
    }
  })

  it('is kept out of the session', async () => {
    const owner = sending(bytesOfLength(100_000))
    await owner.say(devmodPairs(['fdo.download']))
    await owner.say()
    expect(owner.packed.length).toBeLessThan(600)
  })

  it('is announced by name, length and hash before its data', async () => {
    const owner = sending(utf8('hello'))
    expect(keysOf(await owner.say(devmodPairs(['fdo.download'])))).toEqual([
      'fdo.download:active',
      'fdo.download:name',
      'fdo.download:length',
      'fdo.download:sha-384',
      'fdo.download:data',
    ])
  })
})

describe('the owner', () => {
  async function told(owner: OwnerWorld, ...pairs: readonly KeyValue[]) {
    await owner.say(devmodPairs(['fdo.download']))
    return owner.say(pairs)
  }

  it.each([-1, 4, 6])('fails the step where the device wrote %i of 5 bytes', async (done) => {
    const reply = told(sending(utf8('hello')), pair('fdo.download:done', done))
    await expect(reply).rejects.toThrow(`the device wrote ${done} of 5 bytes`)
  })

  it('fails it where the device is done before the owner is', async () => {
    const reply = told(sending(bytesOfLength(5000)), pair('fdo.download:done', 5000))
    await expect(reply).rejects.toThrow(/wrote/)
  })

  it('takes no notice of a second done', async () => {
    const reply = told(
      sending(utf8('hello')),
      pair('fdo.download:done', 5),
      pair('fdo.download:done', 5),
    )
    expect((await reply).isDone).toBe(true)
  })

  it('skips a step that may fail', async () => {
    const owner = sending(utf8('hello'), {}, 'a', { ...REQUIRED, required: false })
    expect((await told(owner, pair('fdo.download:done', -1))).isDone).toBe(true)
    expect(owner.effectsOf('step-skipped')).toHaveLength(1)
  })

  it('waits no longer than it has patience', async () => {
    const owner = sending(utf8('hello'))
    await told(owner)
    const silence = async () => {
      for (let i = 0; i < 40; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/never said/)
  })

  it('takes an empty file for delivered: C and Java do not answer it', async () => {
    const owner = sending(new Uint8Array(0))
    await told(owner)
    await owner.say()
    expect((await owner.say()).isDone).toBe(true)
  })

  it('refuses what only an owner says', async () => {
    const reply = told(sending(utf8('hello')), pair('fdo.download:data', utf8('x')))
    await expect(reply).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('does not send a content that is shorter than the plan says', async () => {
    const owner = sending(bytesOfLength(100), { readContent: () => bytesOfLength(99) })
    await expect(told(owner)).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
  })
})

describe('the device', () => {
  const hash = (content: Bytes) => hashOf(SHA384, content).value

  async function hearing(...said: readonly (readonly [string, Parameters<typeof pair>[1]])[]) {
    const host = new MemoryHost()
    const session = new DeviceSession(ABOUT, deviceModules(downloadDevice(host)))
    session.begin(1300)
    host.readOnly.add('full')
    const pairs = said.map(([key, value]) => pair(`fdo.download:${key}`, value))
    const turn = session.answer({
      isMoreServiceInfo: false,
      isDone: false,
      serviceInfo: [pair('fdo.download:active', true), ...pairs],
    })
    const reply = await turn
    const answers = reply.reply?.serviceInfo.slice(1) ?? []
    return { host, session, answers }
  }
  const done = (written: number) => [pair('fdo.download:done', written)]

  it('takes a file without a length, up to the first empty piece', async () => {
    const { host, answers } = await hearing(
      ['name', 'a'],
      ['data', utf8('hel')],
      ['data', utf8('lo')],
      ['data', new Uint8Array(0)],
    )
    expect(answers).toEqual(done(5))
    expect(host.text('a')).toBe('hello')
  })

  it('takes an empty file either way', async () => {
    const empty = new Uint8Array(0)
    expect((await hearing(['name', 'a'], ['data', empty])).answers).toEqual(done(0))
    const withLength = await hearing(['name', 'a'], ['length', 0], ['data', empty])
    expect(withLength.answers).toEqual(done(0))
    expect(withLength.host.stored.get('a')).toEqual(empty)
  })

  it('takes what comes before the data in any order, and two files in a row', async () => {
    const { host, answers } = await hearing(
      ['length', 5],
      ['sha-384', hash(utf8('hello'))],
      ['name', 'a'],
      ['data', utf8('hello')],
      ['name', 'b'],
      ['length', 2],
      ['data', utf8('hi')],
    )
    expect(answers).toEqual([...done(5), ...done(2)])
    expect([host.text('a'), host.text('b')]).toEqual(['hello', 'hi'])
  })

  it('ignores the empty piece with which the Java owner ends a file', async () => {
    const { answers } = await hearing(
      ['name', 'a'],
      ['length', 2],
      ['data', utf8('hi')],
      ['data', new Uint8Array(0)],
    )
    expect(answers).toEqual(done(2))
  })

  it('says −1 of another hash, and keeps nothing', async () => {
    const { host, answers } = await hearing(
      ['name', 'a'],
      ['length', 2],
      ['sha-384', hash(utf8('ho'))],
      ['data', utf8('hi')],
    )
    expect(answers).toEqual(done(-1))
    expect([host.stored.size, host.unfinished]).toEqual([0, 0])
  })

  it('says −1 of more bytes than announced', async () => {
    const { host, answers } = await hearing(['name', 'a'], ['length', 1], ['data', utf8('hi')])
    expect(answers).toEqual(done(-1))
    expect([host.stored.size, host.unfinished]).toEqual([0, 0])
  })

  it('says −1 once of a file that cannot be written', async () => {
    const { answers } = await hearing(
      ['name', 'full'],
      ['length', 4],
      ['data', utf8('hi')],
      ['data', utf8('ho')],
    )
    expect(answers).toEqual(done(-1))
  })

  it.each(['create', 'commit'])('does not hide a bug of its host in %s', async (method) => {
    const [host, bug] = [new MemoryHost(), () => Promise.reject(new TypeError('bug'))]
    const { create } = host.files
    Object.assign(host.files, {
      create: async (path: string) =>
        method === 'create' ? bug() : { ...(await create(path)), [method]: bug },
    })
    const outbox = { send: () => {}, roomFor: () => 1000 }
    const device = downloadDevice(host)
    await device.receive('name', scan(encode('a')), outbox)
    await device.receive('length', scan(encode(0)), outbox)
    const end = device.receive('data', scan(encode(new Uint8Array(0))), outbox)
    await expect(end).rejects.toBeInstanceOf(TypeError)
  })

  it('says −1 of a file that cannot be put in its place', async () => {
    const host = new MemoryHost()
    const { create } = host.files
    const commit = () => Promise.reject(new HostFailure('disk full'))
    Object.assign(host.files, {
      create: async (path: string) => ({ ...(await create(path)), commit }),
    })
    const owner = sending(utf8('hello'), {}, 'a', { ...REQUIRED, required: false })
    await converse(owner, host, new DeviceSession(ABOUT, deviceModules(downloadDevice(host))))
    expect(owner.effectsOf('step-skipped')).toMatchObject([
      { reason: 'a: the device wrote -1 of 5 bytes' },
    ])
    expect([host.warnings.length, host.unfinished]).toEqual([1, 0])
  })

  it('leaves nothing behind when TO2 breaks off', async () => {
    const { host, session } = await hearing(['name', 'a'], ['length', 9], ['data', utf8('hi')])
    expect(host.unfinished).toBe(1)
    await session.close()
    expect([host.stored.size, host.unfinished]).toEqual([0, 0])
  })

  it.each(['../a', '/etc/passwd', 'a/../../b', 'C:a', ''])('refuses the name %j', async (name) => {
    await expect(hearing(['name', name])).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('refuses data of no file, and words it does not know', async () => {
    const out = { code: 'INVALID_MESSAGE_ERROR' }
    await expect(hearing(['data', utf8('hi')])).rejects.toMatchObject(out)
    await expect(hearing(['done', 1])).rejects.toMatchObject(out)
  })

  it.each([
    ['name', 1],
    ['length', -1],
    ['sha-384', new Uint8Array(47)],
    ['data', 'text'],
  ] as const)('refuses %s %j', async (message, value) => {
    const malformed = { code: 'MESSAGE_BODY_ERROR' }
    await expect(hearing([message, value])).rejects.toMatchObject(malformed)
  })
})

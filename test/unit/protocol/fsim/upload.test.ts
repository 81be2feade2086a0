import { describe, expect, it } from 'vitest'
import { type Bytes, EMPTY, equalBytes, utf8 } from '../../../../protocol/bytes.ts'
import { SHA384, hashOf } from '../../../../protocol/crypto/hash.ts'
import { uploadStep } from '../../../../protocol/fsim/steps.ts'
import { uploadDevice } from '../../../../protocol/fsim/upload/device.ts'
import { HostFailure } from '../../../../protocol/service-info/device-host.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { MemoryHost } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  pair,
} from '../../../support/service-info-world.ts'

const FILE = { name: 'logs/boot.log', saveAs: 'boot.log', needSha: true, maxBytes: 100_000 }

function asking(file: Partial<typeof FILE> = {}, required = true): OwnerWorld {
  return new OwnerWorld([uploadStep({ name: 'fetch', required }, { ...FILE, ...file })])
}

function bytesOfLength(length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 3 + (i >> 8)) & 0xff)
}

describe('a file from device to owner', () => {
  it.each([0, 1, 1014, 1015, 20_000])('arrives, of %i bytes', async (length) => {
    for (const needSha of [true, false]) {
      const host = new MemoryHost()
      host.put('logs/boot.log', bytesOfLength(length))
      const owner = asking({ needSha })
      await converse(owner, host)
      expect(equalBytes(owner.uploads.get('boot.log') ?? EMPTY, bytesOfLength(length))).toBe(true)
      expect(owner.effectsOf('upload-done')).toEqual([
        { type: 'upload-done', name: 'boot.log', length },
      ])
      expect(host.opened).toBe(0)
    }
  })

  it('fills the messages of the device', async () => {
    const host = new MemoryHost()
    host.put('logs/boot.log', bytesOfLength(50_000))
    const { requests } = await converse(asking(), host)
    for (const { length } of requests) expect(length).toBeLessThanOrEqual(1295)
    for (const { length } of requests.slice(2, -4)) expect(length).toBeGreaterThan(1190)
  })

  it('is skipped where the device has it not: the module is switched off', async () => {
    const [host, owner] = [new MemoryHost(), asking({}, false)]
    const device = new DeviceSession(ABOUT, deviceModules(uploadDevice(host)))
    await converse(owner, host, device)
    expect(owner.effectsOf('step-skipped')[0]?.reason).toMatch(/refused fdo.upload/)
  })

  it('is asked for over fdo_sys then, in vain', async () => {
    const owner = asking({}, false)
    await converse(owner, new MemoryHost())
    expect(owner.effectsOf('step-skipped')[0]?.reason).toMatch(/could not send it/)
  })
})

describe('the owner', () => {
  const hash = (text: string) => hashOf(SHA384, utf8(text)).value
  const said = (key: string, value: Parameters<typeof pair>[1]) => pair(`fdo.upload:${key}`, value)

  async function told(owner: OwnerWorld, ...pairs: readonly KeyValue[]) {
    await owner.say(devmodPairs(['fdo.upload']))
    return owner.say(pairs)
  }

  it('takes what Java sends: length, pieces, an empty piece, the hash', async () => {
    const owner = asking()
    const pieces = [said('data', utf8('he')), said('data', utf8('llo')), said('data', EMPTY)]
    const first = await told(owner, said('length', 5), ...pieces, said('sha-384', hash('hello')))
    expect(first.isDone).toBe(false)
    expect((await owner.say()).isDone).toBe(true)
    expect(owner.effectsOf('upload-data').map(({ offset }) => offset)).toEqual([0, 2])
  })

  it('takes an empty file of Go, which sends no data at all', async () => {
    const owner = asking({ needSha: false })
    expect((await told(owner, said('length', 0))).isDone).toBe(true)
  })

  it('fails the step where the hash is another', async () => {
    const owner = asking()
    await told(owner, said('length', 2), said('data', utf8('hi')), said('sha-384', hash('ho')))
    await expect(owner.say()).rejects.toThrow(/another hash/)
    expect(owner.effectsOf('upload-done')).toEqual([])
  })

  it('fails it where what was stored is shorter than what came', async () => {
    const owner = asking()
    await told(owner, said('length', 2), said('data', utf8('hi')), said('sha-384', hash('hi')))
    owner.uploads.set('boot.log', utf8('h'))
    await expect(owner.say()).rejects.toThrow(/another hash/)
  })

  it('fails it where the file is longer than allowed', async () => {
    await expect(told(asking(), said('length', 100_001))).rejects.toThrow(/100000 are allowed/)
  })

  it('skips such a file, and what still comes of it', async () => {
    const owner = asking({}, false)
    const reply = await told(owner, said('length', 100_001), said('data', utf8('x')))
    expect(reply.isDone).toBe(true)
    expect(owner.effectsOf('upload-data')).toEqual([])
  })

  it('fails it where more comes than announced', async () => {
    const reply = told(asking(), said('length', 1), said('data', utf8('hi')))
    await expect(reply).rejects.toThrow(/more than the 1 bytes/)
  })

  it('fails it where the device is silent, as Java is about a file it has not', async () => {
    const owner = asking()
    await told(owner)
    const silence = async () => {
      for (let i = 0; i < 40; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/never sent/)
  })

  it('refuses data before its length, and words it does not know', async () => {
    const out = { code: 'INVALID_MESSAGE_ERROR' }
    await expect(told(asking(), said('data', utf8('x')))).rejects.toMatchObject(out)
    await expect(told(asking(), said('name', 'x'))).rejects.toMatchObject(out)
  })

  it.each([
    ['length', -1],
    ['data', 'x'],
    ['sha-384', new Uint8Array(32)],
  ] as const)('refuses %s %j', async (key, value) => {
    const reply = told(asking(), said(key, value))
    await expect(reply).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
  })

  it('does not save under a name that leads elsewhere', async () => {
    const owner = asking({ saveAs: '../boot.log' })
    await expect(told(owner)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })
})

describe('the device', () => {
  it.each(['../secret', '/etc/shadow', 'a/../../b'])('does not send %s', async (name) => {
    const host = new MemoryHost()
    host.put(name, 'secret')
    const outcome = converse(asking({ name }), host)
    await expect(outcome).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('is switched off where a file cannot be read, and hides no bug of its host', async () => {
    const opening = async (error: Error) => {
      const host = new MemoryHost()
      Object.assign(host.files, { open: () => Promise.reject(error) })
      const owner = asking({}, false)
      await converse(owner, host, new DeviceSession(ABOUT, deviceModules(uploadDevice(host))))
      return owner.effectsOf('step-skipped')
    }
    expect(await opening(new HostFailure('no permission'))).toHaveLength(1)
    await expect(opening(new TypeError('bug'))).rejects.toBeInstanceOf(TypeError)
  })

  it('breaks off where a file becomes shorter while it is sent', async () => {
    const host = new MemoryHost()
    const file = { length: 5000, read: async () => EMPTY, close: async () => {} }
    Object.assign(host.files, { open: async () => file })
    const outcome = converse(asking(), host)
    await expect(outcome).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
  })
})

import { describe, expect, it } from 'vitest'
import { type Bytes, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { scan } from '../../../../protocol/cbor/scan.ts'
import { SHA384, hashOf } from '../../../../protocol/crypto/hash.ts'
import { wgetStep } from '../../../../protocol/fsim/steps.ts'
import { wgetDevice } from '../../../../protocol/fsim/wget/device.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { MemoryHost } from '../../../support/memory-host.ts'
import {
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'

const URL = 'http://files.test/img/firmware.bin?v=1'
const BODY = utf8('firmware '.repeat(500))
const sha384 = (body: Bytes) => hashOf(SHA384, body).value

interface Wanted {
  readonly url?: string
  readonly name?: string | null
  readonly sha384?: Bytes | null
  readonly length?: number | null
}

function fetching(wanted: Wanted = {}, required = true): OwnerWorld {
  const all = { url: URL, name: null, sha384: null, length: null, ...wanted }
  return new OwnerWorld([wgetStep({ name: 'firmware', required }, all)])
}

function hostWith(body = BODY, status = 200): MemoryHost {
  const host = new MemoryHost()
  host.documents.set(URL, { status, body })
  return host
}

describe('a file the device fetches', () => {
  it('is called as in the URL, or as the owner says', async () => {
    const host = hostWith()
    await converse(fetching(), host)
    const owner = fetching({ name: 'img/new.bin' })
    await converse(owner, host)
    expect([...host.stored]).toEqual([
      ['firmware.bin', BODY],
      ['img/new.bin', BODY],
    ])
    expect(owner.effectsOf('file-delivered')).toMatchObject([
      { name: 'img/new.bin', length: BODY.length },
    ])
  })

  it('is kept where its hash is right, and only there', async () => {
    const host = hostWith()
    await converse(fetching({ sha384: sha384(BODY), length: BODY.length }), host)
    expect(host.stored.size).toBe(1)
    const other = hostWith()
    const outcome = converse(fetching({ sha384: sha384(utf8('x')) }), other)
    await expect(outcome).rejects.toThrow(/SHA-384 mismatch/)
    expect([other.stored.size, other.unfinished]).toEqual([0, 0])
  })

  it.each([
    ['a server that has it not', hostWith(BODY, 404), /404 Not Found/],
    ['a host that is not there', new MemoryHost(), /no such host/],
  ])('fails the step for %s', async (_, host, reason) => {
    await expect(converse(fetching(), host)).rejects.toThrow(reason)
  })

  it('hides no bug of its host', async () => {
    const host = hostWith()
    Object.assign(host, { fetch: () => Promise.reject(new TypeError('bug')) })
    await expect(converse(fetching(), host)).rejects.toBeInstanceOf(TypeError)
  })

  it('is one at a time', async () => {
    const device = wgetDevice(hostWith())
    const outbox = { send: () => {}, roomFor: () => 1000 }
    await device.receive('url', scan(encode(URL)), outbox)
    const again = async () => device.receive('url', scan(encode(URL)), outbox)
    await expect(again()).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('fails the step where it cannot be written', async () => {
    const host = hostWith()
    host.readOnly.add('firmware.bin')
    const owner = fetching({}, false)
    await converse(owner, host)
    expect(owner.effectsOf('step-skipped')[0]?.reason).toMatch(/cannot be written/)
  })

  it.each([
    { name: '../x' },
    { name: '/x' },
    { url: 'http://files.test/' },
    { url: 'http://files.test' },
    { url: 'http://files.test/a/..' },
    { url: 'file:///etc/passwd' },
  ])('is not fetched by %j', async (wanted) => {
    const outcome = converse(fetching(wanted), hostWith())
    await expect(outcome).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })
})

describe('a transfer that TO2 does not wait for', () => {
  it('is given up, and leaves nothing behind', async () => {
    const host = hostWith()
    const body = async function* () {
      yield BODY
      await host.pause()
      yield BODY
    }
    Object.assign(host, { fetch: async () => ({ status: 200, statusText: '', body: body() }) })
    const device = wgetDevice(host)
    const outbox = { send: () => {}, roomFor: () => 1000 }
    await device.receive('url', scan(encode(URL)), outbox)
    await device.close?.()
    for (let i = 0; i < 5; i++) await host.pause()
    expect([host.stored.size, host.unfinished]).toEqual([0, 0])
  })
})

describe('the owner', () => {
  const said = (key: string, value: Parameters<typeof pair>[1]) => pair(`fdo.wget:${key}`, value)

  async function told(owner: OwnerWorld, ...pairs: readonly KeyValue[]) {
    const first = await owner.say(devmodPairs(['fdo.wget']))
    return { first, reply: await owner.say(pairs) }
  }

  it('names the URL last', async () => {
    const { first } = await told(fetching({ name: 'a', sha384: sha384(BODY) }))
    expect(keysOf(first).slice(1)).toEqual(['fdo.wget:sha-384', 'fdo.wget:name', 'fdo.wget:url'])
  })

  it('takes the hash that Java adds', async () => {
    const { reply } = await told(fetching(), said('done', 5), said('sha-384', sha384(BODY)))
    expect(reply.isDone).toBe(true)
  })

  it('fails the step where Java adds an error', async () => {
    const outcome = told(fetching(), said('done', 5), said('error', 'SHA mismatch'))
    await expect(outcome).rejects.toThrow(/SHA mismatch/)
  })

  it.each([4, -1])('fails it where %i of 5 bytes were written', async (written) => {
    const outcome = told(fetching({ length: 5 }), said('done', written))
    await expect(outcome).rejects.toThrow(/of 5 bytes/)
  })

  it('fails it where a length below 0 is all it hears', async () => {
    await expect(told(fetching(), said('done', -1))).rejects.toThrow(/of its bytes/)
  })

  it('has patience, but not for ever', async () => {
    const owner = fetching()
    await told(owner)
    const silence = async () => {
      for (let i = 0; i < 400; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/never said/)
  })

  it('keeps Java going, which fetches a little in each round', async () => {
    const owner = fetching()
    await owner.say(devmodPairs(['fdo.wget'], { device: 'FDO-Pri-Device' }))
    for (let i = 0; i < 400; i++) await owner.say()
    expect(Math.max(...owner.holds)).toBe(0)
    expect((await owner.say([said('done', 5)])).isDone).toBe(true)
  })

  it('refuses words it does not know, and values of another type', async () => {
    const outcome = (key: string, value: string | number) => told(fetching(), said(key, value))
    await expect(outcome('url', 'x')).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    await expect(outcome('done', 'x')).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
    await expect(outcome('error', 1)).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
  })
})

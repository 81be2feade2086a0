import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodOf,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'
import { MemoryHost } from '../../../support/memory-host.ts'

const out = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })
const malformed = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })

async function devmodFrom(...messages: readonly (readonly ReturnType<typeof pair>[])[]) {
  const world = new OwnerWorld()
  for (const message of messages) await world.say(message, true)
  await world.say()
  return world.effectsOf('devmod')[0]?.devmod
}

describe('devmod of our own device', () => {
  const nothing = (name: string) => ({ name, receive: () => {} })

  it('arrives as it was said', async () => {
    const device = new DeviceSession(ABOUT, deviceModules(nothing('a'), nothing('b')))
    const owner = new OwnerWorld()
    await converse(owner, new MemoryHost(), device)
    expect(owner.effectsOf('devmod')[0]?.devmod).toEqual(devmodOf('a', 'b'))
  })

  it('takes as many pages and messages as the owner needs', async () => {
    const names = Array.from({ length: 200 }, (_, i) => `module.number.${i}`)
    const device = new DeviceSession(ABOUT, deviceModules(...names.map(nothing)))
    const owner = new OwnerWorld()
    const { requests } = await converse(owner, new MemoryHost(), device)
    expect(owner.effectsOf('devmod')[0]?.devmod.modules).toEqual(names)
    for (const request of requests) expect(request.length).toBeLessThanOrEqual(1295)
  })

  it('has an empty page for no modules', () => {
    const first = new DeviceSession(ABOUT, deviceModules()).begin(1300)
    expect(first.serviceInfo.at(-1)).toEqual(pair('devmod:modules', [0, 0]))
    expect(keysOf(first)).not.toContain('devmod:mudurl')
  })
})

describe('devmod as devices write it', () => {
  const facts = devmodPairs([]).slice(0, -2)
  const listed = (count: number, ...pages: readonly (readonly (string | number)[])[]) => [
    ...facts,
    pair('devmod:nummodules', count),
    ...pages.map((page) => pair('devmod:modules', page)),
  ]

  it('lists devmod itself, or does not', async () => {
    expect(await devmodFrom(devmodPairs(['devmod', 'x']))).toEqual(devmodOf('x'))
    expect(await devmodFrom(devmodPairs(['x']))).toEqual(devmodOf('x'))
  })

  it('counts pages from 0, from 1, or begins each with 0', async () => {
    expect(await devmodFrom(listed(1, [1, 1, 'fdo_sys']))).toEqual(devmodOf('fdo_sys'))
    expect(await devmodFrom(listed(2, [0, 1, 'a'], [0, 1, 'b']))).toEqual(devmodOf('a', 'b'))
    expect(await devmodFrom(listed(3, [1, 2, 'a', 'b'], [3, 1, 'c']))).toEqual(
      devmodOf('a', 'b', 'c'),
    )
  })

  it('comes in several messages, each of which says that there is more', async () => {
    const all = devmodPairs(['a', 'b'])
    expect(await devmodFrom(all.slice(0, 4), all.slice(4, -1), all.slice(-1))).toEqual(
      devmodOf('a', 'b'),
    )
  })

  it('has a serial number in bytes', async () => {
    const sn = async (value: Uint8Array) =>
      (await devmodFrom([...devmodPairs([]), pair('devmod:sn', value)]))?.sn
    expect(await sn(utf8('SN-2'))).toBe('SN-2')
    expect(await sn(Uint8Array.of(0xff, 0))).toBe('ff00')
    expect(await sn(Uint8Array.of(1, 2))).toBe('0102')
  })

  it('names a module twice', async () => {
    expect(await devmodFrom(listed(2, [0, 2, 'a', 'a']))).toEqual(devmodOf('a'))
  })

  it('has keys that nobody knows', async () => {
    const pairs = [...devmodPairs([]), pair('devmod:colour', [1, 'red'])]
    expect(await devmodFrom(pairs)).toEqual(devmodOf())
  })
})

describe('devmod is refused', () => {
  it.each(['active', 'os', 'arch', 'version', 'device', 'sep', 'bin', 'nummodules', 'modules'])(
    'without devmod:%s',
    async (key) => {
      const pairs = devmodPairs(['a']).filter((one) => one.key !== `devmod:${key}`)
      await expect(new OwnerWorld().say(pairs)).rejects.toEqual(out)
    },
  )

  it('where it is not active', async () => {
    const pairs = [...devmodPairs([]), pair('devmod:active', false)]
    await expect(new OwnerWorld().say(pairs)).rejects.toEqual(out)
  })

  it('with fewer modules than it counts', async () => {
    const pairs = [...devmodPairs(['a']), pair('devmod:nummodules', 2)]
    await expect(new OwnerWorld().say(pairs)).rejects.toEqual(out)
  })

  it.each([
    ['os', 1],
    ['os', 'x'.repeat(1025)],
    ['sn', 5],
    ['nummodules', -1],
    ['nummodules', 1025],
    ['active', 'yes'],
    ['modules', 'fdo.command'],
    ['modules', []],
    ['modules', [0, 2, 'a']],
    ['modules', [0, 1, 2]],
    ['modules', [-1, 1, 'a']],
    ['modules', [0, 1, 'a:b']],
    ['modules', [0, 1, '']],
  ])('with %s %j', async (key, value) => {
    const pairs = [...devmodPairs([]), pair(`devmod:${key}`, value)]
    await expect(new OwnerWorld().say(pairs)).rejects.toEqual(malformed)
  })

  it('with more modules than anybody has', async () => {
    const page = pair('devmod:modules', [0, 600, ...Array.from({ length: 600 }, (_, i) => `m${i}`)])
    await expect(new OwnerWorld().say([...devmodPairs([]), page, page])).rejects.toEqual(malformed)
  })
})

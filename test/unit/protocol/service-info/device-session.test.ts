import { describe, expect, it } from 'vitest'
import { FdoError } from '../../../../protocol/errors.ts'
import { HostFailure } from '../../../../protocol/service-info/device-host.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { type DeviceModule, Unwilling } from '../../../../protocol/service-info/module.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { ABOUT, keysOf, pair } from '../../../support/service-info-world.ts'

const out = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })

/** A module that writes down what it hears, and does what the test says. */
function moduleOf(name: string, does: Partial<DeviceModule> = {}) {
  const heard: string[] = []
  const receive = (message: string) => void heard.push(message)
  return { heard, name, receive, ...does }
}

function sessionOf(...modules: readonly DeviceModule[]) {
  const session = new DeviceSession(ABOUT, deviceModules(...modules))
  session.begin(1300)
  const hear = (serviceInfo: readonly KeyValue[] = [], flags: { more?: true; done?: true } = {}) =>
    session.answer({
      isMoreServiceInfo: flags.more ?? false,
      isDone: flags.done ?? false,
      serviceInfo,
    })
  return { session, hear }
}

describe('switching modules on', () => {
  it('is answered once, and then they hear', async () => {
    const a = moduleOf('a')
    const { hear } = sessionOf(a)
    const { reply } = await hear([pair('a:active', true), pair('a:word', 1)])
    expect(reply?.serviceInfo).toEqual([pair('a:active', true)])
    expect((await hear([pair('a:active', true)])).reply?.serviceInfo).toEqual([])
    expect(a.heard).toEqual(['word'])
  })

  it('is refused once for a module there is not, and the rest is ignored', async () => {
    const { hear } = sessionOf()
    const pairs = [pair('b:active', true), pair('b:word', 1)]
    expect((await hear(pairs)).reply?.serviceInfo).toEqual([pair('b:active', false)])
    expect((await hear(pairs)).reply?.serviceInfo).toEqual([])
    expect((await hear([pair('c:word', 1)])).reply?.serviceInfo).toEqual([pair('c:active', false)])
  })

  it('comes before anything else is said to them', async () => {
    await expect(sessionOf(moduleOf('a')).hear([pair('a:word', 1)])).rejects.toEqual(out)
  })

  it('can be taken back', async () => {
    const { hear } = sessionOf(moduleOf('a'))
    await hear([pair('a:active', true)])
    const off = [pair('a:active', false), pair('a:word', 1)]
    await expect(hear(off)).rejects.toEqual(out)
  })

  it('needs no answer for devmod', async () => {
    const { reply } = await sessionOf().hear([pair('devmod:active', true)])
    expect(reply?.serviceInfo).toEqual([])
  })
})

describe('a module that will not', () => {
  it('is switched off, and hears no more', async () => {
    const a = moduleOf('a', {
      receive: () => {
        throw new Unwilling('no')
      },
    })
    const { hear } = sessionOf(a)
    const { reply } = await hear([pair('a:active', true), pair('a:word', 1), pair('a:word', 2)])
    expect(reply?.serviceInfo).toEqual([pair('a:active', true), pair('a:active', false)])
    expect((await hear([pair('a:word', 1)])).reply?.serviceInfo).toEqual([])
  })

  it.each(['activate', 'receive', 'speak'] as const)(
    'ends TO2 where the machine cannot do what %s needs',
    async (method) => {
      const fails = () => Promise.reject(new HostFailure('no room'))
      const { hear } = sessionOf(moduleOf('a', { [method]: fails }))
      const failure = hear([pair('a:active', true), pair('a:word', 1)])
      await expect(failure).rejects.toBeInstanceOf(FdoError)
      await expect(failure).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
    },
  )
})

describe('a module that fails', () => {
  const failing = () =>
    moduleOf('a', {
      speak: (outbox) => {
        outbox.send('word', 'x'.repeat(2000))
        throw new FdoError('INTERNAL_SERVER_ERROR', 'exit code 3')
      },
    })

  it('ends TO2 once all that it said before is out', async () => {
    const { hear } = sessionOf(failing())
    const first = await hear([pair('a:active', true)])
    expect(first.reply).toMatchObject({ isMoreServiceInfo: true })
    const last = await hear()
    expect(last.reply).toMatchObject({ isMoreServiceInfo: false })
    expect(keysOf(last.reply ?? expect.fail())).toEqual(['a:word'])
    await expect(hear()).rejects.toThrow('exit code 3')
  })

  it('does so before an owner that does not mind is done', async () => {
    const { hear } = sessionOf(failing())
    await hear([pair('a:active', true)])
    await hear()
    await expect(hear([], { done: true })).rejects.toThrow('exit code 3')
  })
})

describe('a bug in a module', () => {
  it('is not taken for something the machine could not do', async () => {
    const { hear } = sessionOf(moduleOf('a', { speak: () => Promise.reject(new TypeError('bug')) }))
    await expect(hear([pair('a:active', true)])).rejects.toBeInstanceOf(TypeError)
  })
})

describe('who may speak', () => {
  const talker = () =>
    moduleOf('a', {
      speak: (outbox) => {
        outbox.send('word', 'x'.repeat(2000))
        return false
      },
    })

  it('is the owner while it has more to say', async () => {
    const { hear } = sessionOf(talker())
    const { reply } = await hear([pair('a:active', true)], { more: true })
    expect(reply).toEqual({ isMoreServiceInfo: false, serviceInfo: [] })
    expect(keysOf((await hear()).reply!)).toEqual(['a:active', 'a:word'])
  })

  it('is the device while it has: an owner that speaks then is refused', async () => {
    const { hear } = sessionOf(talker())
    expect((await hear([pair('a:active', true)])).reply?.isMoreServiceInfo).toBe(true)
    await expect(hear([pair('a:word', 1)])).rejects.toEqual(out)
  })

  it('joins what the owner says in pieces', async () => {
    const a = moduleOf('a')
    const { hear } = sessionOf(a)
    const { key, value } = pair('a:word', 'a long word')
    await hear([pair('a:active', true), { key, value: value.subarray(0, 5) }], { more: true })
    await hear([{ key, value: value.subarray(5) }])
    expect(a.heard).toEqual(['word'])
  })
})

describe('the end', () => {
  it('is TO2.Done, once the owner is done', async () => {
    expect((await sessionOf().hear([], { done: true })).reply).toBeNull()
  })

  it('waits for what the device still has to say', async () => {
    const { hear } = sessionOf()
    const { reply } = await hear([pair('b:active', true)], { done: true })
    expect(reply?.serviceInfo).toEqual([pair('b:active', false)])
    expect((await hear([], { done: true })).reply).toBeNull()
  })

  it('is not while there is more', async () => {
    await expect(sessionOf().hear([], { done: true, more: true })).rejects.toEqual(out)
  })

  it('comes at the latest after a number of rounds', async () => {
    const session = new DeviceSession(ABOUT, deviceModules(), 2)
    session.begin(1300)
    const hear = () => session.answer({ isMoreServiceInfo: false, isDone: false, serviceInfo: [] })
    await hear()
    await hear()
    await expect(hear()).rejects.toEqual(out)
  })

  it('is told to every module: finished, or broken off', async () => {
    const told: string[] = []
    const { session } = sessionOf(
      moduleOf('a', {
        finish: () => void told.push('finish'),
        close: () => void told.push('close'),
      }),
      moduleOf('b'),
    )
    await session.finish()
    await session.close()
    expect(told).toEqual(['finish', 'close'])
  })
})

describe('waiting', () => {
  it('is longer each time nobody has anything to say, and ends with a word', async () => {
    const { hear } = sessionOf(moduleOf('a'))
    const delays = []
    for (let i = 0; i < 10; i++) delays.push((await hear()).delayMs)
    expect(delays).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000])
    expect((await hear([pair('a:active', true)])).delayMs).toBe(0)
    expect((await hear()).delayMs).toBe(50)
  })

  it('is left to a module that is at work', async () => {
    const { hear } = sessionOf(moduleOf('a', { speak: () => true }))
    await hear([pair('a:active', true)])
    expect((await hear()).delayMs).toBe(0)
  })
})

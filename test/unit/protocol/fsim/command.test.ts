import { describe, expect, it } from 'vitest'
import { EMPTY, concat, fromUtf8, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { commandDevice } from '../../../../protocol/fsim/command/device.ts'
import { commandOwner } from '../../../../protocol/fsim/command/owner.ts'
import { commandStep } from '../../../../protocol/fsim/steps.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { PlanFailure } from '../../../../protocol/service-info/owner-work.ts'
import { way } from '../../../../protocol/service-info/plan.ts'
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

const RUN = {
  command: 'sh',
  args: ['-c', 'echo hello'],
  mayFail: false,
  returnStdout: true,
  returnStderr: true,
}
const said = (key: string, value: Parameters<typeof pair>[1]) => pair(`fdo.command:${key}`, value)

function running(run: Partial<typeof RUN> = {}, required = true): OwnerWorld {
  return new OwnerWorld([commandStep({ name: 'run', required }, { ...RUN, ...run })])
}

describe('a command', () => {
  it('is run, and its output and exit code come back', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [
      { stdout: utf8('hel') },
      {},
      { stdout: utf8('lo\n'), stderr: utf8('oh\n'), exitCode: 0 },
    ])
    const owner = running()
    await converse(owner, host)
    expect(host.started).toMatchObject([
      { command: 'sh', args: ['-c', 'echo hello'], output: { stdout: true, stderr: true } },
    ])
    const output = owner.effectsOf('command-output')
    expect(output.map(({ stream, bytes }) => [stream, fromUtf8(bytes)])).toEqual([
      ['stdout', 'hel'],
      ['stdout', 'lo\n'],
      ['stderr', 'oh\n'],
    ])
    expect(owner.effectsOf('command-exited')).toMatchObject([{ exitCode: 0 }])
  })

  it('may say more than one message holds', async () => {
    const host = new MemoryHost()
    const words = utf8('word '.repeat(3000))
    host.scripts.set('sh', [{ stdout: words, exitCode: 0 }])
    const owner = running()
    await converse(owner, host)
    const output = owner.effectsOf('command-output').map(({ bytes }) => bytes)
    expect(concat(...output)).toEqual(words)
  })

  it('returns no output that was not asked for', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{ stdout: utf8('x'), stderr: utf8('y'), exitCode: 0 }])
    const owner = running({ returnStdout: false, returnStderr: false })
    await converse(owner, host)
    expect(owner.effectsOf('command-output')).toEqual([])
  })

  it('may fail, where the owner says so', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{ exitCode: 3 }])
    const owner = running({ mayFail: true })
    await converse(owner, host)
    expect(owner.effectsOf('command-exited')).toMatchObject([{ exitCode: 3 }])
  })

  it('ends TO2 where it fails and may not, once the owner knows why', async () => {
    const host = new MemoryHost()
    const words = utf8('word '.repeat(1000))
    host.scripts.set('sh', [{ stdout: words, stderr: utf8('no disk\n'), exitCode: 3 }])
    const owner = running()
    const failure = await converse(owner, host).catch((error: unknown) => error)
    if (!(failure instanceof PlanFailure)) throw failure
    expect(failure.reason).toBe('sh: exit code 3')
    const printed = (wanted: string) =>
      [...owner.effects, ...failure.effects].flatMap((effect) =>
        effect.type === 'command-output' && effect.stream === wanted ? [effect.bytes] : [],
      )
    expect(concat(...printed('stdout'))).toEqual(words)
    expect(fromUtf8(concat(...printed('stderr')))).toBe('no disk\n')
    expect(host.warnings).toEqual(['sh: exit code 3'])
  })

  it('has exit code 127 where it cannot be started', async () => {
    const owner = running({ command: 'nothing', mayFail: true })
    await converse(owner, new MemoryHost())
    expect(owner.effectsOf('command-exited')).toMatchObject([{ exitCode: 127 }])
  })

  it('goes over fdo_sys where there is no fdo.command', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{ exitCode: 0 }])
    const owner = running()
    const reply = await owner.say(devmodPairs(['fdo_sys']))
    expect(reply.serviceInfo).toEqual([
      pair('fdo_sys:active', true),
      pair('fdo_sys:exec_cb', ['sh', '-c', 'echo hello']),
    ])
  })
})

describe('arguments', () => {
  async function sent(device: string, args: readonly string[]) {
    const world = new OwnerWorld([commandStep({ name: 'run', required: true }, { ...RUN, args })])
    const { serviceInfo } = await world.say(devmodPairs(['fdo.command'], { device }))
    return serviceInfo.filter(({ key }) => /args|execute/.test(key))
  }

  it('are wrapped in a byte string', async () => {
    expect(await sent('Go', ['a'])).toEqual([said('args', encode(['a'])), said('execute', null)])
  })

  it('are left out where there are none', async () => {
    expect(await sent('Go', [])).toEqual([said('execute', null)])
  })

  it('are a plain array for C and Java, and execute is not null', async () => {
    for (const device of ['Intel-FDO-Linux', 'FDO-Pri-Device']) {
      expect(await sent(device, ['a'])).toEqual([said('args', ['a']), said('execute', ['a'])])
    }
  })

  it('are an empty array for Java', async () => {
    expect(await sent('FDO-Pri-Device', [])).toEqual([said('args', []), said('execute', [])])
  })

  it('are needed by C: without them the next way is tried', async () => {
    const world = running({ args: [] })
    const modules = ['fdo_sys', 'fdo.command']
    const reply = await world.say(devmodPairs(modules, { device: 'Intel-FDO-Linux' }))
    expect(reply.serviceInfo.at(-1)).toEqual(pair('fdo_sys:exec_cb', ['sh']))
  })
})

describe('the owner', () => {
  async function told(owner: OwnerWorld, ...pairs: readonly KeyValue[]) {
    await owner.say(devmodPairs(['fdo.command']))
    return owner.say(pairs)
  }

  it('reads lines run together under one key', async () => {
    const owner = running()
    const lines = concat(...['one\n', 'two\n'].map((line) => encode(utf8(line))))
    await told(owner, { key: 'fdo.command:stdout', value: lines }, said('exitcode', 0))
    expect(owner.effectsOf('command-output')).toHaveLength(2)
  })

  it('takes no notice of empty output', async () => {
    const owner = running()
    await told(owner, said('stdout', EMPTY), { key: 'fdo.command:stderr', value: EMPTY })
    expect(owner.effectsOf('command-output')).toEqual([])
  })

  it('takes no notice of what comes after the exit code', async () => {
    const owner = running()
    await told(owner, said('exitcode', 0), said('stdout', utf8('x')))
    expect(owner.effectsOf('command-output')).toEqual([])
    expect(owner.session.isDone).toBe(true)
  })

  it('fails the step for an exit code other than 0', async () => {
    await expect(told(running(), said('exitcode', 2))).rejects.toThrow(/exit code 2/)
  })

  it('has patience, but not for ever', async () => {
    const limits = { name: 'run', required: true, ways: [way(commandOwner, RUN)] }
    const owner = new OwnerWorld([limits])
    await told(owner)
    for (let i = 0; i < 1000; i++) await owner.say()
    const silence = async () => {
      for (let i = 0; i < 1000; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/never said how it ended/)
  })

  it('refuses words it does not know, and values of another type', async () => {
    const out = { code: 'INVALID_MESSAGE_ERROR' }
    const malformed = { code: 'MESSAGE_BODY_ERROR' }
    await expect(told(running(), said('execute', null))).rejects.toMatchObject(out)
    await expect(told(running(), said('exitcode', 'ok'))).rejects.toMatchObject(malformed)
    await expect(told(running(), said('stdout', 'text'))).rejects.toMatchObject(malformed)
  })
})

describe('the device', () => {
  async function hearing(host: MemoryHost, ...pairs: readonly KeyValue[]) {
    const session = new DeviceSession(ABOUT, deviceModules(commandDevice(host)))
    session.begin(1300)
    const hear = async (serviceInfo: readonly KeyValue[]) =>
      (await session.answer({ isMoreServiceInfo: false, isDone: false, serviceInfo })).reply
    const reply = await hear([said('active', true), ...pairs])
    return { session, hear, answers: reply?.serviceInfo.slice(1) }
  }

  function hostRunning(...script: readonly { exitCode?: number }[]) {
    const host = new MemoryHost()
    host.scripts.set('sh', script)
    return host
  }

  it.each([[encode(['a', 'b'])], [['a', 'b']]])('reads arguments in the form %j', async (args) => {
    const host = hostRunning({ exitCode: 0 })
    const { answers } = await hearing(
      host,
      said('args', args),
      ...[said('command', 'sh'), said('args', args), said('execute', null)],
    )
    expect(host.started[0]?.args).toEqual(['a', 'b'])
    expect(answers).toEqual([said('exitcode', 0)])
  })

  it('begins anew with every command', async () => {
    const host = hostRunning({ exitCode: 0 })
    const { hear } = await hearing(
      host,
      ...[said('command', 'sh'), said('args', ['a']), said('return_stdout', true)],
      said('execute', null),
    )
    await hear([said('command', 'sh'), said('execute', null)])
    expect(host.started[1]).toMatchObject({ args: [], output: { stdout: false } })
  })

  it('passes on signals to what runs', async () => {
    const host = hostRunning({}, {}, {})
    const { hear } = await hearing(host, said('command', 'sh'), said('execute', null))
    await hear([said('sig', 15)])
    expect(host.started[0]?.signals).toEqual([15])
  })

  it('hides no bug of its host', async () => {
    const host = new MemoryHost()
    host.run = () => Promise.reject(new TypeError('bug'))
    const outcome = hearing(host, said('command', 'sh'), said('execute', null))
    await expect(outcome).rejects.toBeInstanceOf(TypeError)
  })

  it('kills what still runs when TO2 is over', async () => {
    const host = hostRunning({}, {})
    const { session } = await hearing(host, said('command', 'sh'), said('execute', null))
    await session.close()
    expect(host.started[0]?.killed).toBe(true)
  })

  it('refuses a second command while one runs', async () => {
    const { hear } = await hearing(
      hostRunning({}, {}),
      ...[said('command', 'sh'), said('execute', null)],
    )
    const out = { code: 'INVALID_MESSAGE_ERROR' }
    await expect(hear([said('command', 'sh')])).rejects.toMatchObject(out)
  })

  it.each([
    ['execute', null],
    ['sig', 9],
    ['exitcode', 0],
  ] as const)('refuses %s where it has no place', async (key, value) => {
    const outcome = hearing(new MemoryHost(), said(key, value))
    await expect(outcome).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it.each([
    ['command', 1],
    ['args', 'a'],
    ['args', utf8('no CBOR')],
    ['args', encode([1])],
    ['may_fail', 0],
    ['return_stdout', null],
  ] as const)('refuses %s %j', async (key, value) => {
    const outcome = hearing(new MemoryHost(), said(key, value))
    await expect(outcome).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
  })
})

import { describe, expect, it } from 'vitest'
import { type Bytes, EMPTY, equalBytes, utf8 } from '../../../../protocol/bytes.ts'
import { fdoSysDevice } from '../../../../protocol/fsim/fdo-sys/device.ts'
import { fdoSysOwner } from '../../../../protocol/fsim/fdo-sys/owner.ts'
import { commandStep, fileStep, uploadStep } from '../../../../protocol/fsim/steps.ts'
import { HostFailure } from '../../../../protocol/service-info/device-host.ts'
import { DeviceSession } from '../../../../protocol/service-info/device-session.ts'
import { type PlanStep, way } from '../../../../protocol/service-info/plan.ts'
import { deviceModules } from '../../../../protocol/service-info/registry.ts'
import type { KeyValue } from '../../../../protocol/service-info/service-info.ts'
import { MemoryHost } from '../../../support/memory-host.ts'
import {
  ABOUT,
  OwnerWorld,
  converse,
  devmodPairs,
  keysOf,
  pair,
} from '../../../support/service-info-world.ts'

const said = (key: string, value: Parameters<typeof pair>[1]) => pair(`fdo_sys:${key}`, value)
const options = { name: 'step', required: true }
const RUN = { command: 'sh', args: ['a'], mayFail: false, returnStdout: false, returnStderr: false }
const LOG = { name: 'boot.log', saveAs: 'boot.log', needSha: true, maxBytes: 10_000 }
const out = { code: 'INVALID_MESSAGE_ERROR' }
const malformed = { code: 'MESSAGE_BODY_ERROR' }

function bytesOfLength(length: number): Bytes {
  return Uint8Array.from({ length }, (_, i) => (i * 5 + (i >> 8)) & 0xff)
}

/** A device with this module alone. */
function deviceOf(host: MemoryHost) {
  return new DeviceSession(ABOUT, deviceModules(fdoSysDevice(host)))
}

describe('a file over fdo_sys', () => {
  it.each([0, 1, 5000])('arrives, of %i bytes', async (length) => {
    const host = new MemoryHost()
    const owner: OwnerWorld = new OwnerWorld((): readonly PlanStep[] => [
      fileStep(options, owner.content('ref', bytesOfLength(length), 'docs/a.bin')),
    ])
    await converse(owner, host, deviceOf(host))
    expect(equalBytes(host.stored.get('docs/a.bin')!, bytesOfLength(length))).toBe(true)
    expect(host.unfinished).toBe(0)
  })

  it('is in its place before the next instruction', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{ exitCode: 0 }])
    const run = host.run.bind(host)
    host.run = (...call) => {
      expect(host.text('a.sh')).toBe('true')
      return run(...call)
    }
    const exec = { kind: 'exec', args: ['sh', 'a.sh'], saveAs: '', maxBytes: 0 } as const
    const actions = [{ ...exec, mayFail: false }]
    const owner: OwnerWorld = new OwnerWorld((): readonly PlanStep[] => [
      fileStep(options, owner.content('ref', utf8('true'), 'a.sh')),
      { ...options, ways: [way(fdoSysOwner, { files: [], identity: null, actions, token: null })] },
    ])
    await converse(owner, host, deviceOf(host))
    expect(host.started).toMatchObject([{ command: 'sh', args: ['a.sh'] }])
  })
})

describe('a program over fdo_sys', () => {
  const running = (run = {}) => new OwnerWorld([commandStep(options, { ...RUN, ...run })])

  it('is reported on until it ends', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{}, {}, { exitCode: 0 }])
    const owner = running()
    const { requests } = await converse(owner, host, deviceOf(host))
    expect(requests).toHaveLength(5)
    expect(owner.effectsOf('command-exited')).toMatchObject([{ command: 'sh', exitCode: 0 }])
  })

  it('fails the step with another exit code than 0, unless it may', async () => {
    const host = new MemoryHost()
    host.scripts.set('sh', [{ exitCode: 2 }])
    await expect(converse(running(), host, deviceOf(host))).rejects.toThrow(/exit code 2/)
    await converse(running({ mayFail: true }), host, deviceOf(host))
  })

  it('ends TO2 where it cannot be started', async () => {
    const host = new MemoryHost()
    const outcome = converse(running(), host, deviceOf(host))
    await expect(outcome).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
  })
})

describe('a file fetched over fdo_sys', () => {
  const asking = (file = {}) => new OwnerWorld([uploadStep(options, { ...LOG, ...file })])

  it.each([0, 1, 9000])('arrives, of %i bytes', async (length) => {
    const host = new MemoryHost()
    host.put('boot.log', bytesOfLength(length))
    const owner = asking()
    await converse(owner, host, deviceOf(host))
    expect(equalBytes(owner.uploads.get('boot.log') ?? EMPTY, bytesOfLength(length))).toBe(true)
    expect(owner.effectsOf('upload-done')).toMatchObject([{ name: 'boot.log', length }])
    expect(host.opened).toBe(0)
  })

  it('fails the step where the device has it not', async () => {
    const outcome = converse(asking(), new MemoryHost(), deviceOf(new MemoryHost()))
    await expect(outcome).rejects.toThrow(/could not send it/)
  })

  it('fails it where it is longer than allowed', async () => {
    const host = new MemoryHost()
    host.put('boot.log', bytesOfLength(10_001))
    await expect(converse(asking(), host, deviceOf(host))).rejects.toThrow(/more than 10000/)
  })

  it('is not saved under a name that leads elsewhere', async () => {
    const outcome = converse(
      asking({ saveAs: '../x' }),
      new MemoryHost(),
      deviceOf(new MemoryHost()),
    )
    await expect(outcome).rejects.toMatchObject(out)
  })
})

describe('the owner', () => {
  async function told(step: PlanStep, ...pairs: readonly KeyValue[]) {
    const owner = new OwnerWorld([step])
    await owner.say(devmodPairs(['fdo_sys']))
    return { owner, reply: await owner.say(pairs) }
  }
  const fetching = uploadStep(options, LOG)
  const running = commandStep(options, RUN)

  it('acknowledges every report, and takes the last for the end', async () => {
    const { owner, reply } = await told(running, said('status_cb', [false, 0, 5]))
    expect(reply.serviceInfo).toEqual([said('status_cb', [false, 0, 5])])
    const last = await owner.say([said('status_cb', [true, 0, 5])])
    expect(last).toMatchObject({ isDone: true, serviceInfo: [said('status_cb', [true, 0, 5])] })
  })

  it('reads an eot that is a bare number', async () => {
    const pairs = [said('fetchfile', 'x'), said('data', utf8('hi')), said('eot', 0)]
    const { reply, owner } = await told(fetching, ...pairs)
    expect(reply.isDone).toBe(true)
    // Known of before anything comes: a run that is broken off leaves nothing that is not.
    expect(owner.effects.map(({ type }) => type)).toEqual([
      ...['devmod', 'upload-begun', 'upload-data', 'upload-done', 'step-done'],
    ])
  })

  it('has patience, but not for ever', async () => {
    const { owner } = await told(fetching)
    const silence = async () => {
      for (let i = 0; i < 40; i++) await owner.say()
    }
    await expect(silence()).rejects.toThrow(/never said how it ended/)
  })

  it.each([
    ['status_cb', [true, 0, 0]],
    ['status', 1],
  ])('refuses %s while it waits for a file', async (key, value) => {
    await expect(told(fetching, said(key, value))).rejects.toMatchObject(out)
  })

  it.each([
    ['data', utf8('x')],
    ['eot', [0]],
  ] as const)('refuses %s while it waits for a program', async (key, value) => {
    await expect(told(running, said(key, value))).rejects.toMatchObject(out)
  })

  it.each([
    ['status_cb', [true, 0]],
    ['status_cb', [0, 0, 0]],
  ])('refuses %s %j', async (key, value) => {
    await expect(told(running, said(key, value))).rejects.toMatchObject(malformed)
  })

  it.each([
    ['eot', []],
    ['eot', 'x'],
    ['data', 'x'],
    ['fetchfile', 1],
  ])('refuses %s %j of a file', async (key, value) => {
    await expect(told(fetching, said(key, value))).rejects.toMatchObject(malformed)
  })
})

describe('the device', () => {
  async function hearing(...pairs: readonly KeyValue[]) {
    const host = new MemoryHost()
    host.scripts.set('sh', [{}, { exitCode: 0 }])
    host.scripts.set('false', [{ exitCode: 1 }])
    const session = deviceOf(host)
    session.begin(1300)
    const hear = async (serviceInfo: readonly KeyValue[]) =>
      (await session.answer({ isMoreServiceInfo: false, isDone: false, serviceInfo })).reply
    const reply = await hear([said('active', true), ...pairs])
    return { host, session, hear, answers: reply?.serviceInfo.slice(1) ?? [] }
  }

  it('waits for a program run with exec', async () => {
    const { host, answers } = await hearing(said('exec', ['sh', 'a']))
    expect(host.started).toHaveLength(1)
    expect(answers).toEqual([])
  })

  it('breaks off where that fails', async () => {
    const outcome = hearing(said('exec', ['false']))
    await expect(outcome).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR' })
  })

  it('kills a program that the owner declares complete, or that outlives TO2', async () => {
    const { host, hear } = await hearing(said('exec_cb', ['sh']))
    await hear([said('status_cb', [true, 0, 0])])
    expect(host.started[0]?.killed).toBe(true)
    const other = await hearing(said('exec_cb', ['sh']))
    await other.session.close()
    expect(other.host.started[0]?.killed).toBe(true)
  })

  it('runs one program at a time', async () => {
    const { hear } = await hearing(said('exec_cb', ['sh']))
    await expect(hear([said('exec_cb', ['sh'])])).rejects.toMatchObject(out)
  })

  it('takes no notice of a report that nothing runs for', async () => {
    expect((await hearing(said('status_cb', [false, 0, 5]))).answers).toEqual([])
  })

  it('leaves nothing of an unfinished file behind when TO2 breaks off', async () => {
    const { host, session } = await hearing(said('filedesc', 'a'), said('write', utf8('x')))
    await session.close()
    expect([host.stored.size, host.unfinished]).toEqual([0, 0])
  })

  it.each([
    ['filedesc', '../a'],
    ['filedesc', '/etc/passwd'],
    ['fetch', '/etc/shadow'],
    ['write', utf8('x')],
    ['data', utf8('x')],
  ] as const)('refuses %s %j', async (key, value) => {
    await expect(hearing(said(key, value))).rejects.toMatchObject(out)
  })

  it.each([
    ['filedesc', 1],
    ['exec', []],
    ['exec', 'sh'],
    ['exec_cb', [1]],
    ['status_cb', [true]],
    ['fetch', null],
  ])('refuses the value %s %j', async (key, value) => {
    await expect(hearing(said(key, value))).rejects.toMatchObject(malformed)
  })

  it('takes a file it cannot read for one it has not, and hides no bug of its host', async () => {
    const opening = async (error: Error) => {
      const host = new MemoryHost()
      Object.assign(host.files, { open: () => Promise.reject(error) })
      await converse(new OwnerWorld([uploadStep(options, LOG)]), host, deviceOf(host))
    }
    await expect(opening(new HostFailure('no'))).rejects.toThrow(/could not send it/)
    await expect(opening(new TypeError('bug'))).rejects.toBeInstanceOf(TypeError)
  })

  it('says which file it sends, and how that ended', async () => {
    const { answers } = await hearing(said('fetch', 'nothing'))
    expect(keysOf({ serviceInfo: answers })).toEqual(['fdo_sys:fetchfile', 'fdo_sys:eot'])
    expect(answers.at(-1)).toEqual(said('eot', [1]))
  })
})

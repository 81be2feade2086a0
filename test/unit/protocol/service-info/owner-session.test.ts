import { describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import {
  DONE,
  MORE,
  type ModuleStatus,
  failed,
  unavailable,
} from '../../../../protocol/service-info/module.ts'
import { utf8 } from '../../../../protocol/bytes.ts'
import { OWNER_MODULES } from '../../../../protocol/fsim/owner-modules.ts'
import { commandStep, fileStep } from '../../../../protocol/fsim/steps.ts'
import { progressOf } from '../../../../protocol/service-info/progress.ts'
import { SERVICE_INFO_LIMITS } from '../../../../protocol/service-info/owner-session.ts'
import { PlanFailure } from '../../../../protocol/service-info/owner-work.ts'
import { type PlanStep, way } from '../../../../protocol/service-info/plan.ts'
import { ownerModules } from '../../../../protocol/service-info/registry.ts'
import { OwnerWorld, devmodPairs, keysOf, pair } from '../../../support/service-info-world.ts'
import { toyModule } from '../../../support/toy-modules.ts'

const out = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })
const waiting = (patience = 3, silence = failed('silence')): ModuleStatus => ({
  type: 'waiting',
  patience,
  silence,
})
/** Done once it has heard something. */
const untilHeard = (heard: number) => (heard > 0 ? DONE : waiting())

const a = toyModule('a', { status: untilHeard })
const b = toyModule('b', { status: untilHeard })
const stepOf = (name: string, ways: PlanStep['ways'], required = true): PlanStep => ({
  name,
  required,
  ways,
})
const stepA = stepOf('first', [way(a, { says: 'hello' })])
const stepB = stepOf('second', [way(b, { says: 'hello' })])

function worldOf(steps: readonly PlanStep[], modules = [a, b], options = {}) {
  return new OwnerWorld(steps, { modules: ownerModules(...modules), ...options })
}

describe('before the plan', () => {
  it('says nothing while the device has more to say', async () => {
    const world = worldOf([stepA])
    const empty = { isMoreServiceInfo: false, isDone: false, serviceInfo: [] }
    expect(await world.say(devmodPairs(['a']), true)).toEqual(empty)
    expect(keysOf(await world.say())).toEqual(['a:active', 'a:say'])
  })

  it('refuses a device that stops before devmod is complete', async () => {
    const world = worldOf([])
    await expect(world.say(devmodPairs(['a']).slice(1))).rejects.toEqual(out)
  })

  it('makes the plan for the device that devmod tells of', async () => {
    const world = new OwnerWorld(({ device }) => (device === 'x' ? [stepA] : []), {
      modules: ownerModules(a),
    })
    expect(keysOf(await world.say(devmodPairs(['a'], { device: 'x' })))).toContain('a:say')
    expect(world.effectsOf('devmod')[0]?.devmod).toMatchObject({ device: 'x', modules: ['a'] })
  })

  it('takes no notice of devmod once there is a plan', async () => {
    const world = worldOf([stepA])
    await world.say(devmodPairs(['a']))
    await world.say([pair('devmod:modules', [0, 1, 'b'])])
    expect(world.session.device?.modules).toEqual(['a'])
  })

  it('takes no notice of other modules', async () => {
    const world = worldOf([stepA])
    await world.say([pair('a:word', 1)], true)
    expect(keysOf(await world.say(devmodPairs(['a'])))).toEqual(['a:active', 'a:say'])
  })
})

describe('a plan', () => {
  it('is done at once where there is nothing to do', async () => {
    const reply = await worldOf([]).say(devmodPairs([]))
    expect(reply).toEqual({ isMoreServiceInfo: false, isDone: true, serviceInfo: [] })
  })

  it('goes step by step, and switches each module on once', async () => {
    const again = stepOf('third', [way(a, { says: 'again' })])
    const world = worldOf([stepA, stepB, again])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual(['a:active', 'a:say'])
    const second = await world.say([pair('a:active', true), pair('a:word', 1)])
    expect(keysOf(second)).toEqual(['b:active', 'b:say'])
    expect(keysOf(await world.say([pair('b:word', 1)]))).toEqual(['a:say'])
    expect((await world.say([pair('a:word', 1)])).isDone).toBe(true)
    expect(world.effectsOf('step-done').map(({ step }) => step)).toEqual([
      'first',
      'second',
      'third',
    ])
  })

  it('lets a module go on with the next message', async () => {
    const chatty = toyModule('a', { status: (heard) => (heard > 0 ? DONE : MORE) })
    const world = worldOf([stepOf('one', [way(chatty, { says: '' })]), stepB], [chatty, b])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual(['a:active'])
    expect(keysOf(await world.say())).toEqual([])
    expect(keysOf(await world.say([pair('a:word', 1)]))).toEqual(['b:active', 'b:say'])
  })

  it('names only modules there are', async () => {
    const world = worldOf([stepOf('one', [{ module: 'c', task: encode([]) }])])
    await expect(world.say(devmodPairs(['c']))).rejects.toThrow(/there is none/)
  })
})

describe('modules the device has not', () => {
  it('are never spoken to', async () => {
    const world = worldOf([{ ...stepA, required: false }])
    const reply = await world.say(devmodPairs(['b']))
    expect(reply).toMatchObject({ isDone: true, serviceInfo: [] })
    expect(world.effectsOf('step-skipped')[0]?.step).toBe('first')
  })

  it('fail a step that is required', async () => {
    const failure = worldOf([stepA]).say(devmodPairs(['b']))
    await expect(failure).rejects.toBeInstanceOf(PlanFailure)
    await expect(failure).rejects.toMatchObject({ code: 'INTERNAL_SERVER_ERROR', step: 'first' })
  })

  it('leave a step its next way', async () => {
    const either = stepOf('either', [way(a, { says: 'hello' }), way(b, { says: 'hello' })])
    expect(keysOf(await worldOf([either]).say(devmodPairs(['b'])))).toEqual(['b:active', 'b:say'])
  })
})

describe('a module the device refuses', () => {
  const either = stepOf('either', [way(a, { says: 'hello' }), way(b, { says: 'hello' })])

  it('gives way to the next', async () => {
    const world = worldOf([either])
    await world.say(devmodPairs(['a', 'b']))
    expect(keysOf(await world.say([pair('a:active', false)]))).toEqual(['b:active', 'b:say'])
  })

  it('is not used again', async () => {
    const world = worldOf([either, { ...stepA, required: false }])
    await world.say(devmodPairs(['a', 'b']))
    await world.say([pair('a:active', false)])
    expect(await world.say([pair('b:word', 1)])).toMatchObject({ isDone: true, serviceInfo: [] })
  })

  it('fails the run where the step is required and has no other way', async () => {
    const world = worldOf([stepA])
    await world.say(devmodPairs(['a']))
    await expect(world.say([pair('a:active', false)])).rejects.toBeInstanceOf(PlanFailure)
  })

  it('hears none of what was still to be said to it', async () => {
    const long = stepOf('either', [way(a, { says: 'x'.repeat(3000) }), way(b, { says: 'hello' })])
    const world = worldOf([long])
    expect((await world.say(devmodPairs(['a', 'b']))).isMoreServiceInfo).toBe(true)
    expect(keysOf(await world.say([pair('a:active', false)]))).toEqual(['b:active', 'b:say'])
  })

  it('is told so while it has more to say, and the next way waits for its turn', async () => {
    const world = worldOf([either])
    await world.say(devmodPairs(['a', 'b']))
    expect(keysOf(await world.say([pair('a:active', false)], true))).toEqual([])
    expect(keysOf(await world.say())).toEqual(['b:active', 'b:say'])
  })

  it('says so with a boolean', async () => {
    const world = worldOf([stepA])
    await world.say(devmodPairs(['a']))
    const malformed = expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' })
    await expect(world.say([pair('a:active', 0)])).rejects.toEqual(malformed)
  })
})

describe('a step that does not work out', () => {
  const broken = toyModule('a', { status: () => failed('broken') })
  const closed = toyModule('a', { status: () => unavailable('closed') })

  it('ends the run if it is required, whatever other ways there are', async () => {
    const step = stepOf('one', [way(broken, { says: '' }), way(b, { says: '' })])
    const failure = worldOf([step], [broken, b]).say(devmodPairs(['a', 'b']))
    await expect(failure).rejects.toThrow('step "one" of the plan: broken')
  })

  it('is skipped if it is not, and the plan goes on', async () => {
    const world = worldOf([stepOf('one', [way(broken, { says: '' })], false), stepB], [broken, b])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toContain('b:say')
    expect(world.effectsOf('step-skipped')).toMatchObject([{ step: 'one', reason: 'broken' }])
  })

  it('goes another way where the module says that this one is closed', async () => {
    const step = stepOf('one', [way(closed, { says: '' }), way(b, { says: 'hello' })])
    expect(keysOf(await worldOf([step], [closed, b]).say(devmodPairs(['a', 'b'])))).toEqual([
      'a:active',
      'b:active',
      'b:say',
    ])
  })
})

describe('silence', () => {
  it('is borne for as many rounds as the module has patience, each held back longer', async () => {
    const world = worldOf([stepA])
    await world.say(devmodPairs(['a']))
    for (let round = 0; round < 3; round++) await world.say()
    await expect(world.say()).rejects.toThrow(/silence/)
    expect(world.holds).toEqual([0, 100, 200, 400])
  })

  it('is held back no longer than the limit', async () => {
    const patient = toyModule('a', { status: () => waiting(100) })
    const world = worldOf([stepOf('one', [way(patient, { says: 'hello' })])], [patient])
    await world.say(devmodPairs(['a']))
    for (let round = 0; round < 50; round++) await world.say()
    expect(Math.max(...world.holds)).toBe(SERVICE_INFO_LIMITS.maxHoldMs)
  })

  it('begins anew after every word', async () => {
    const patient = toyModule('a', { status: () => waiting(2) })
    const world = worldOf([stepOf('one', [way(patient, { says: 'hello' })])], [patient])
    await world.say(devmodPairs(['a']))
    for (let round = 0; round < 20; round++) {
      await world.say(round % 2 ? [] : [pair('a:word', 1)])
    }
    expect(world.session.emptyRounds).toBe(1)
  })

  it('may be what the module waits for', async () => {
    const shy = toyModule('a', { status: () => waiting(1, DONE) })
    const world = worldOf([stepOf('one', [way(shy, { says: 'hello' })])], [shy])
    await world.say(devmodPairs(['a']))
    expect((await world.say()).isDone).toBe(false)
    expect((await world.say()).isDone).toBe(true)
  })
})

describe('steps that overlap', () => {
  const early = toyModule('a', { status: untilHeard, overlaps: true })
  const late = toyModule('b', { status: untilHeard, overlaps: true })
  const first = stepOf('first', [way(early, { says: 'hello' })])
  const second = stepOf('second', [way(late, { says: 'hello' })])

  it('begin together, and end in any order', async () => {
    const world = worldOf([first, second], [early, late])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual([
      'a:active',
      'a:say',
      'b:active',
      'b:say',
    ])
    expect((await world.say([pair('b:word', 1)])).isDone).toBe(false)
    expect((await world.say([pair('a:word', 1)])).isDone).toBe(true)
  })

  it('wait for one another where they need the same module', async () => {
    const again = stepOf('again', [way(early, { says: 'hello' })])
    const world = worldOf([first, again], [early])
    expect(keysOf(await world.say(devmodPairs(['a'])))).toEqual(['a:active', 'a:say'])
    expect(keysOf(await world.say([pair('a:word', 1)]))).toEqual(['a:say'])
  })

  it('wait where the step before does not overlap', async () => {
    const world = worldOf([stepA, second], [a, late])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual(['a:active', 'a:say'])
  })

  it('wait while the step before has more to say', async () => {
    const chatty = toyModule('a', { status: (heard) => (heard > 0 ? DONE : MORE), overlaps: true })
    const world = worldOf([stepOf('one', [way(chatty, { says: 'hello' })]), second], [chatty, late])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual(['a:active', 'a:say'])
  })

  it('are skipped at once where the device has none of their modules', async () => {
    const optional = { ...second, required: false }
    const world = worldOf([first, optional], [early, late])
    await world.say(devmodPairs(['a']))
    expect(world.effectsOf('step-skipped').map(({ step }) => step)).toEqual(['second'])
  })

  it('wait for all before them where they are about the certificate of the run', async () => {
    const about = toyModule('b', { status: untilHeard, overlaps: true, needsCertificate: true })
    const world = worldOf([first, stepOf('about', [way(about, { says: 'hello' })])], [early, about])
    expect(keysOf(await world.say(devmodPairs(['a', 'b'])))).toEqual(['a:active', 'a:say'])
    expect(keysOf(await world.say([pair('a:word', 1)]))).toEqual(['b:active', 'b:say'])
  })

  it('wait for a module in use when another way is closed to them', async () => {
    const twoWays = stepOf('two', [way(early, { says: 'hello' }), way(late, { says: 'again' })])
    const world = worldOf([twoWays, second], [early, late])
    await world.say(devmodPairs(['a', 'b']))
    expect(keysOf(await world.say([pair('a:active', false)]))).toEqual([])
    expect(keysOf(await world.say([pair('b:word', 1)]))).toEqual(['b:say'])
    expect((await world.say([pair('b:word', 1)])).isDone).toBe(true)
  })
})

describe('a message too long for the device', () => {
  it('is said in pieces with IsMore, whatever the device answers', async () => {
    const world = worldOf([stepOf('one', [way(a, { says: 'x'.repeat(3000) })])])
    const replies = [await world.say(devmodPairs(['a'])), await world.say(), await world.say()]
    expect(replies.map((reply) => reply.isMoreServiceInfo)).toEqual([true, true, false])
    for (const reply of world.replies) expect(reply.length).toBeLessThanOrEqual(1295)
  })

  it('keeps what is left while the device has more to say', async () => {
    const world = worldOf([stepOf('one', [way(a, { says: 'x'.repeat(3000) })])])
    await world.say(devmodPairs(['a']))
    expect(await world.say([], true)).toEqual({
      isMoreServiceInfo: false,
      isDone: false,
      serviceInfo: [],
    })
    expect(keysOf(await world.say())).toEqual(['a:say'])
  })
})

describe('limits', () => {
  const limits = { ...SERVICE_INFO_LIMITS, maxRounds: 2 }

  it('bound the rounds', async () => {
    const world = worldOf([stepA], [a], { limits })
    await world.say(devmodPairs(['a']))
    await world.say()
    await expect(world.say()).rejects.toEqual(out)
  })

  it('bound what a device says in one message', async () => {
    await expect(worldOf([], [a], { receiveLimit: 100 }).say(devmodPairs(['a']))).rejects.toEqual(
      out,
    )
  })

  it('bound what a device says in all', async () => {
    const world = worldOf([stepA], [a], { limits: { ...limits, maxReceivedBytes: 300 } })
    await world.say(devmodPairs(['a']))
    await expect(world.say([pair('x:y', 'z'.repeat(300))])).rejects.toEqual(out)
  })

  it('bound a value in pieces', async () => {
    const world = worldOf([stepA], [a], { limits: { ...limits, maxPartialBytes: 10 } })
    const value = encode(new Uint8Array(100)).subarray(0, 50)
    await expect(world.say([{ key: 'x:y', value }], true)).rejects.toMatchObject({
      code: 'MESSAGE_BODY_ERROR',
    })
  })
})

describe('after IsDone', () => {
  async function done() {
    const world = worldOf([])
    await world.say(devmodPairs([]))
    return world
  }
  const again = { isMoreServiceInfo: false, isDone: true, serviceInfo: [] }

  it('hears a device out without looking at what it says', async () => {
    const world = await done()
    expect(await world.say([{ key: 'nothing', value: Uint8Array.of(0xff) }])).toEqual(again)
    expect(world.session.isDone).toBe(true)
  })

  it('refuses one that has more', async () => {
    await expect((await done()).say([], true)).rejects.toEqual(out)
  })

  it('refuses one that never comes to an end', async () => {
    const world = await done()
    for (let i = 0; i < SERVICE_INFO_LIMITS.maxRoundsAfterDone; i++) await world.say()
    await expect(world.say()).rejects.toEqual(out)
  })
})

describe('a step that fails', () => {
  it('brings along what the device said in that very message', async () => {
    const run = {
      command: 'x',
      args: ['y'],
      mayFail: false,
      returnStdout: true,
      returnStderr: true,
    }
    const step = commandStep({ name: 'set up', required: true }, run)
    const world = new OwnerWorld([step])
    await world.say(devmodPairs(['fdo.command']))
    const said = world.say([
      pair('fdo.command:stderr', utf8('no disk')),
      pair('fdo.command:exitcode', 3),
    ])
    const failure = await said.then(
      () => undefined,
      (error: unknown) => error,
    )
    expect(failure).toBeInstanceOf(PlanFailure)
    expect(failure).toMatchObject({
      ...{ step: 'set up', reason: 'x: exit code 3' },
      effects: [
        { type: 'command-output', step: 'set up', stream: 'stderr', bytes: utf8('no disk') },
        { type: 'command-exited', step: 'set up', exitCode: 3 },
      ],
    })
  })
})

describe('how far a session has got', () => {
  it('is told of the step that is under way, and of its file', async () => {
    const files = new OwnerWorld([])
    const file = files.content('large.bin', new Uint8Array(5_000))
    const step = fileStep({ name: 'the file', required: true }, file)
    const world = new OwnerWorld([step])
    world.content('large.bin', new Uint8Array(5_000))
    expect(progressOf(world.session, OWNER_MODULES)).toMatchObject({ step: null, module: null })
    await world.say(devmodPairs(['fdo.download']))
    const { step: now, module, bytes, rounds } = progressOf(world.session, OWNER_MODULES)
    expect([now, module, rounds, bytes?.total]).toEqual(['the file', 'fdo.download', 1, 5_000])
    expect(bytes?.done).toBeGreaterThan(1_000)
    expect(bytes?.done).toBeLessThan(1_300)
  })
})

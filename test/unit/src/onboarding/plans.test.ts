import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import type { StepDocument } from '../../../../src/onboarding/plans/document.ts'
import { keptUploads } from '../../../support/left-files.ts'
import {
  type OnboardingWorld,
  cutOff,
  openOnboardingWorld,
} from '../../../support/onboarding-world.ts'

let world: OnboardingWorld
beforeEach(async () => {
  world = await openOnboardingWorld()
})
afterEach(() => world.close())

const say = (text: string): { steps: StepDocument[] } => ({
  steps: [{ type: 'file', path: 'said.txt', content: { text } }],
})
const chosenBy = async (id: string, group: string, model: string) => {
  const device = { id, guid: 'g', party: HOME_PARTY, group, model, serial: null }
  const asking = { party: HOME_PARTY, facts: async () => device }
  return (await world.onboarding.plans.choose(asking)).plan.name
}

describe('the plan a device gets', () => {
  it('is its own, else its group’s, else its model’s, else the default one', async () => {
    expect(await chosenBy('fdod_a', 'g', 'm')).toBe('default')
    await world.putPlan('of-model', { ...say('m'), applies_to: { models: ['m'] } })
    expect(await chosenBy('fdod_a', 'g', 'm')).toBe('of-model')
    await world.putPlan('of-group', { ...say('g'), applies_to: { groups: ['g'] } })
    expect(await chosenBy('fdod_a', 'g', 'm')).toBe('of-group')
    await world.putPlan('its-own', { ...say('d'), applies_to: { devices: ['fdod_a'] } })
    expect(await chosenBy('fdod_a', 'g', 'm')).toBe('its-own')
    expect(await chosenBy('fdod_b', 'h', 'n')).toBe('default')
  })

  it('is built in until a default plan is made, and once that is removed', async () => {
    const { plans } = world.onboarding
    expect((await plans.find(HOME_PARTY, 'default')).head).toBeUndefined()
    await world.putPlan('default', say('hello'))
    expect(await plans.find(HOME_PARTY, 'default')).toMatchObject({
      head: { version: 1, stable: 1 },
      document: say('hello'),
    })
    await world.removePlan('default')
    expect((await plans.find(HOME_PARTY, 'default')).head).toBeUndefined()
  })

  it('may change between two devices', async () => {
    const [one, two] = [await world.addDevice(0xa1), await world.addDevice(0xa2)]
    await world.putPlan('default', say('first'))
    // Both vouchers are of one device key: only the later is served.
    await expect(world.onboard(one)).rejects.toMatchObject({ peerError: { code: 6 } })
    await world.onboard(two)
    expect(two.host.text('said.txt')).toBe('first')
    await world.putPlan('default', say('second'))
    const three = await world.addDevice(0xa3)
    await world.onboard(three)
    expect(three.host.text('said.txt')).toBe('second')
  })

  it('is chosen by what the voucher says of the model', async () => {
    await world.putPlan('cameras', {
      ...say('to a camera'),
      applies_to: { models: ['camera'] },
    })
    const camera = await world.addDevice(0xa1, 'camera')
    await world.onboard(camera)
    expect(camera.host.text('said.txt')).toBe('to a camera')
  })

  it('stays what it was for a device in the midst of it', async () => {
    await world.putPlan('default', say('before'))
    const device = await world.addDevice()
    await world.onboard(device, {
      transport: async (message, authorization) => {
        const answer = await world.transport(message, authorization)
        if (message.number === 68) await world.putPlan('default', say('after'))
        return answer
      },
    })
    expect(device.host.text('said.txt')).toBe('before')
  })
})

describe('the steps of a plan', () => {
  it('send what is written into it, and what was brought beforehand', async () => {
    const brought = utf8('brought '.repeat(60_000))
    const { json: content } = await world.api('POST', '/plan-contents', brought)
    await world.putPlan('default', {
      steps: [
        {
          type: 'file',
          path: 'a.bin',
          content: { base64: Buffer.from([0, 255]).toString('base64') },
        },
        { type: 'file', path: 'b.bin', content: { ref: content.ref } },
      ],
    })
    const device = await world.addDevice()
    await world.onboard(device)
    expect([...(device.host.stored.get('a.bin') ?? [])]).toEqual([0, 255])
    expect(Buffer.from(device.host.stored.get('b.bin') ?? []).equals(brought)).toBe(true)
  })

  it('run a program, and note what it said', async () => {
    await world.putPlan('default', {
      steps: [
        {
          type: 'command',
          command: 'uname',
          args: ['-a'],
          may_fail: false,
          return_stdout: true,
          return_stderr: false,
        },
      ],
    })
    const device = await world.addDevice()
    device.host.scripts.set('uname', [{ stdout: utf8('a system') }, { exitCode: 0 }])
    await world.onboard(device)
    const history = await world.devices.history((await world.device()).id)
    const notes = history.filter(({ type }) => type.startsWith('command'))
    expect(notes.map(({ detail }) => JSON.parse(detail ?? ''))).toEqual([
      { command: 'uname', exitCode: 0, step: '1 command' },
    ])
  })

  it('fail where they are required, whatever the device has', async () => {
    const step = { type: 'wget', url: 'http://nowhere.test/file', required: true } as const
    await world.putPlan('default', { steps: [step] })
    const device = await world.addDevice()
    await expect(world.onboard(device, { modules: new Map() })).rejects.toThrow()
    await world.putPlan('default', { steps: [{ ...step, required: false }] })
    await world.onboard(device)
    expect((await world.device()).state).toBe('onboarded')
  })

  it('leave out where to use a certificate that can be used nowhere', async () => {
    const plan = await world.onboarding.plans.find(HOME_PARTY, 'default')
    expect(plan.document.steps.map(({ type }) => type)).toEqual(['identity', 'service'])
  })
})

describe('what a device sends', () => {
  const plan = {
    steps: [
      {
        type: 'upload' as const,
        path: 'app.log',
        save_as: 'logs/app.log',
        need_sha: true,
        max_bytes: 100_000,
      },
    ],
  }
  const content = utf8('line\n'.repeat(9_000))
  async function send(transport = world.transport) {
    await world.putPlan('default', plan)
    const device = await world.addDevice()
    device.host.put('app.log', content)
    await world.onboard(device, { transport })
  }

  it('is kept under a name it has no say in, and handed out', async () => {
    await send()
    const { id } = await world.device()
    const list = await world.api('GET', `/devices/${id}/uploads`)
    expect(list.json.items).toMatchObject([
      { device_id: id, name: 'logs/app.log', length: content.length },
    ])
    const { bytes } = await world.api('GET', `/uploads/${list.json.items[0].id}`)
    expect(Buffer.from(bytes).equals(content)).toBe(true)
    expect(await keptUploads(world)).toEqual([
      createHash('sha256').update('logs/app.log').digest('hex'),
    ])
  })

  it('is handed out to nobody before TO2 is done, and forgotten in time', async () => {
    await expect(send(cutOff(world.transport, 70))).rejects.toThrow('cut off')
    const { id } = await world.device()
    expect((await world.api('GET', `/devices/${id}/uploads`)).json.items).toEqual([])
    expect((await world.api('GET', '/uploads/1')).status).toBe(404)
    await world.onboarding.sweep()
    expect(await keptUploads(world)).toHaveLength(1)
    world.clock.advance(25 * 3_600_000)
    await world.onboarding.sweep()
    expect(await keptUploads(world)).toEqual([])
  })

  it('is kept by a sweep where TO2 is done', async () => {
    await send()
    world.clock.advance(25 * 3_600_000)
    await world.onboarding.sweep()
    expect(await keptUploads(world)).toHaveLength(1)
  })
})

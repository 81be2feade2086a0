import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { type OnboardingWorld, openOnboardingWorld } from '../../../support/onboarding-world.ts'

const README = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')

let world: OnboardingWorld
let device: Awaited<ReturnType<OnboardingWorld['addDevice']>>
beforeEach(async () => {
  world = await openOnboardingWorld()
  device = await world.addDevice()
})
afterEach(() => world.close())

const dryRun = async (body: object = {}) => {
  const { id } = await world.device()
  return (await world.api('POST', `/devices/${id}/dry-run`, body)).json
}
const template = (text: string, more: object = {}) => ({
  steps: [{ type: 'file' as const, path: 'x', template: true, content: { text }, ...more }],
})

describe('a dry run', () => {
  it('shows what the device would be sent, filled in', async () => {
    const document = {
      steps: [
        { type: 'service' },
        { type: 'file', path: '{{serial}}.txt', template: true, content: { text: '{{model}}' } },
        { type: 'command', command: 'x', args: ['{{guid}}'], template: true, name: 'run it' },
        { type: 'wget', url: 'https://x.test/{{serial}}?a=1', template: true },
        { type: 'upload', path: 'a', save_as: 'in/{{serial}}', template: true },
      ],
    }
    const run = await dryRun({ document, devmod: { sn: 'SN 7' } })
    expect(run).toMatchObject({ plan: 'draft', version: 0, devmod_known: true })
    const { guid, model } = await world.device()
    const all = run.steps.map((step: { sent: object; would: string }) => [step.would, step.sent])
    expect(all).toMatchObject([
      ['be-sent', { text: expect.stringContaining('https://x.test/oauth/token') }],
      ['be-sent', { path: 'SN 7.txt', content: { text: model } }],
      ['be-sent', { command: 'x', args: [guid], name: 'run it' }],
      ['be-sent', { url: 'https://x.test/SN%207?a=1' }],
      ['be-sent', { save_as: 'in/SN 7' }],
    ])
    expect(run.steps[2]).toMatchObject({ name: 'run it', modules: ['fdo.command', 'fdo_sys'] })
  })

  it('sends nothing and leaves nothing', async () => {
    await dryRun({ document: template('{{guid}}') })
    expect((await world.device()).state).toBe('owned')
    expect((await world.api('GET', '/plan-contents')).json.items).toEqual([])
    expect(device.host.stored.size).toBe(0)
  })

  it('says what depends on what the device has not said yet', async () => {
    const run = await dryRun({ document: template('{{devmod.os}}') })
    expect(run).toMatchObject({
      devmod_known: false,
      steps: [
        { would: 'depend-on-devmod', problem: expect.stringContaining('before it has said') },
      ],
    })
    const said = await dryRun({ document: template('{{devmod.os}}'), devmod: { arch: 'arm' } })
    expect(said.steps[0]).toMatchObject({
      would: 'fail',
      sent: { content: { text: '{{devmod.os}}' } },
    })
  })

  it('says what fails whatever the device will say', async () => {
    await world.addDevice(0xa2, 'a/b')
    const [other] = await world.devices.list({ party: HOME_PARTY, model: 'a/b', limit: 1 })
    const document = template('as it is', { path: '{{model}}.txt' })
    const { json } = await world.api('POST', `/devices/${other?.id}/dry-run`, { document })
    expect(json.steps).toMatchObject([{ would: 'fail', problem: '{{model}}: a slash, in a path' }])
  })

  it('goes by what the device said last', async () => {
    await world.onboard(device)
    const run = await dryRun({ document: template('{{devmod.os}} {{devmod.sep}}') })
    const { text } = run.steps[0].sent.content
    expect(run).toMatchObject({ devmod_known: true, steps: [{ would: 'be-sent' }] })
    expect(text).toMatch(/^\w+ \S$/)
    const other = await dryRun({ document: template('{{devmod.os}}'), devmod: { os: 'Other' } })
    expect(other.steps[0].sent.content.text).toBe('Other')
  })

  it('says what would fail or be left out on this device', async () => {
    const step = { type: 'wget', url: 'http://x.test/x' }
    const steps = [step, { ...step, required: true }, { ...step, required: false }]
    const run = await dryRun({ document: { steps }, devmod: { modules: ['fdo.download'] } })
    const problem = 'the device has none of fdo.wget'
    expect(run.steps).toMatchObject([
      { would: 'be-skipped', required: false, problem },
      { would: 'fail', required: true, problem },
      { would: 'be-skipped', required: false, problem },
    ])
  })

  it('is of the plan that the device would get, or of any other, in any version', async () => {
    await world.putPlan('default', template('one'))
    await world.putPlan('default', template('two'))
    await world.putPlan('other', template('other'))
    const textOf = async (body: object) => (await dryRun(body)).steps[0].sent.content.text
    expect(await textOf({})).toBe('two')
    expect(await textOf({ plan: 'default', version: 1 })).toBe('one')
    expect(await textOf({ plan: 'other' })).toBe('other')
    const { because } = await dryRun()
    expect(because).toMatchObject([
      { plan: 'default', version: 2, outcome: 'chosen' },
      { plan: 'other', outcome: 'not-for-it', because: 'it names nobody' },
    ])
    const { id } = await world.device()
    const asked = (body: object) => world.api('POST', `/devices/${id}/dry-run`, body)
    expect((await asked({ plan: 'none' })).status).toBe(404)
    expect((await asked({ plan: 'other', version: 9 })).status).toBe(404)
    expect((await asked({ document: template('{{colour}}') })).status).toBe(400)
    expect((await world.api('POST', '/devices/fdod_none/dry-run', {})).status).toBe(404)
  })

  it('of what is built in works as well', async () => {
    expect(await dryRun({ plan: 'default' })).toMatchObject({
      steps: [{ type: 'identity', would: 'be-sent' }, { type: 'service' }],
    })
  })
})

describe('a token in a dry run', () => {
  const token = { type: 'token' as const, path: 'token.json' }
  const planOf = (step: object = {}) => ({
    document: { steps: [{ type: 'identity' as const }, { ...token, ...step }] },
  })
  const tokenIn = async (body: object) => (await dryRun(body)).steps[1]
  const hold = (scopes: readonly string[]) =>
    world.devices.changeGroup({ id: 'tok_1', party: HOME_PARTY }, 'default', scopes)

  it('shows what it would be good for, and is made for nobody', async () => {
    await hold(['device:whoami', 'device:certificate'])
    const audience = 'https://x.test/device/v1'
    expect(await tokenIn(planOf({ scopes: ['device:whoami'] }))).toMatchObject({
      ...{ type: 'token', would: 'be-sent', problem: null },
      modules: ['fdo.download', 'fdo_sys'],
      sent: { path: 'token.json', audience, scopes: ['device:whoami'] },
    })
    await hold(['device:certificate'])
    const { sent } = await tokenIn(planOf())
    expect(sent).toEqual({ ...token, audience, scopes: ['device:certificate'] })
  })

  it('says what the group of the device does not let it carry', async () => {
    await hold([])
    const problem = expect.stringContaining('the group of the device does not let')
    expect(await tokenIn(planOf())).toMatchObject({ would: 'fail', problem })
    const optional = await tokenIn(planOf({ required: false }))
    expect(optional).toMatchObject({ would: 'be-skipped', problem })
  })

  it('says that the device has no module for it, as of other files', async () => {
    const without = await tokenIn({ ...planOf(), devmod: { modules: ['fdo.csr'] } })
    const problem = 'the device has none of fdo.download, fdo_sys'
    expect(without).toMatchObject({ would: 'be-skipped', problem })
  })

  it('says where there is nothing to use it at, and of an API that is not there', async () => {
    const { id } = await world.device()
    const document = { ...planOf({ audience: 'https://y.test/device/v1' }) }
    expect((await world.api('POST', `/devices/${id}/dry-run`, document)).status).toBe(400)
    await world.close()
    world = await openOnboardingWorld({ hasTls: false })
    await world.addDevice()
    expect(await tokenIn(planOf())).toMatchObject({
      would: 'be-skipped',
      problem: 'there is no TLS listener to use a certificate at',
    })
    const { json } = await world.api('PUT', '/plans/one', {
      ...planOf({ audience: 'https://x.test/device/v1' }).document,
    })
    expect(json.detail).toContain('without HTTPS there is no API for devices')
  })
})

describe('a template that cannot be filled in for a device', () => {
  it('fails its step in TO2, and says so', async () => {
    await world.putPlan('default', template('{{devmod.tmp}}', { name: 'about it' }))
    await expect(world.onboard(device)).rejects.toThrow()
    expect((await world.device()).last_error).toMatch(/step "about it" .*nothing is known of it/)
    const { id } = await world.device()
    expect((await world.api('GET', `/devices/${id}/progress`)).json.outcome).toBe('failed')
  })

  it('is left out where the plan says that it may be', async () => {
    await world.putPlan('default', template('{{devmod.tmp}}', { required: false }))
    await world.onboard(device)
    expect(device.host.stored.size).toBe(0)
  })

  it('is filled in for one that says it, by what it says', async () => {
    await world.putPlan('default', template('{{guid}} {{party.name}} {{devmod.arch}}'))
    const { guid } = await world.device()
    await world.onboard(device)
    expect(device.host.text('x')).toMatch(new RegExp(`^${guid} home \\w+$`))
  })
})

describe('a plan', () => {
  it.each([
    ['a name nobody knows', template('{{colour}}')],
    ['a form nobody knows', template('{{serial|rot13}}')],
    [
      'a device’s words in a script',
      {
        steps: [{ type: 'command', command: 'sh', args: ['-c', '{{serial}}'], template: true }],
      },
    ],
    ['a form in a path', { steps: [{ ...template('').steps[0], path: '{{serial|raw}}' }] }],
    [
      'two steps of one name',
      {
        steps: [
          { type: 'identity', name: 'a' },
          { type: 'service', name: 'a' },
        ],
      },
    ],
    [
      'a credential by devmod',
      {
        steps: [],
        credential: 'reuse',
        rules: [{ devmod: { os: ['x'] } }],
      },
    ],
    ['a rule that says nothing', { steps: [], rules: [{}] }],
    ['a key of devmod nobody knows', { steps: [], rules: [{ devmod: { colour: ['x'] } }] }],
    [
      'serial numbers of other lengths',
      {
        steps: [],
        rules: [{ serial: { from: '1', to: '10' } }],
      },
    ],
    [
      'serial numbers the wrong way round',
      {
        steps: [],
        rules: [{ serial: { from: '2', to: '1' } }],
      },
    ],
    ['a template that is too long', template('x'.repeat(70_000))],
    [
      'a template for a host',
      { steps: [{ type: 'wget', url: 'https://{{serial}}/', template: true }] },
    ],
  ])('is refused with %s', async (_, document) => {
    const { status, json } = await world.api('PUT', '/plans/one', document)
    expect([status, json.code]).toEqual([400, 'invalid-request'])
  })

  it('may have braces where no template is asked for', async () => {
    const step = { type: 'command', command: 'docker', args: ['inspect', '-f', '{{.State}}'] }
    expect((await world.api('PUT', '/plans/one', { steps: [step] })).status).toBe(200)
  })
})

describe('the plan of the README', () => {
  it('is one, and says what its page says', async () => {
    const [, text = ''] = /cameras\.json <<'EOF'\n([^]*?)\nEOF\n/.exec(README) ?? []
    const { status, json } = await world.api('PUT', '/plans/cameras', JSON.parse(text))
    expect([status, json.status]).toEqual([200, 'awaiting-approval'])
    const run = await dryRun({ plan: 'cameras', devmod: { sn: 'CAM-0007', os: 'Linux' } })
    expect(run.steps.map(({ would }: { would: string }) => would)).toEqual(
      Array.from({ length: 5 }, () => 'be-sent'),
    )
    const { content } = run.steps[2].sent
    expect(JSON.parse(content.text)).toEqual({ name: 'CAM-0007', os: 'Linux' })
  })
})

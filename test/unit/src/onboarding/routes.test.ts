import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import { type OnboardingWorld, openOnboardingWorld } from '../../../support/onboarding-world.ts'

let world: OnboardingWorld
beforeEach(async () => {
  world = await openOnboardingWorld()
})
afterEach(() => world.close())

const IDENTITY = { steps: [{ type: 'identity' }] }

describe('/plans', () => {
  it('shows the built-in plan', async () => {
    const { json } = await world.api('GET', '/plans')
    expect(json).toMatchObject({ items: [{ name: 'default', version: 0 }], next: null })
    expect(json.items[0].steps).toEqual([{ type: 'identity' }, { type: 'service' }])
  })

  it('makes, changes and removes a plan', async () => {
    const made = await world.api('POST', '/plans', { name: 'one', ...IDENTITY })
    expect(made).toMatchObject({ status: 201, json: { name: 'one', version: 1 } })
    expect((await world.api('POST', '/plans', { name: 'one', ...IDENTITY })).status).toBe(409)

    const changed = await world.api('PUT', '/plans/one', { steps: [], version: 1 })
    expect(changed).toMatchObject({ status: 200, json: { version: 2, steps: [] } })
    const stale = await world.api('PUT', '/plans/one', { ...IDENTITY, version: 1 })
    expect(stale).toMatchObject({ status: 409, json: { code: 'conflict' } })
    expect((await world.api('GET', '/plans/one')).json.version).toBe(2)

    expect((await world.api('DELETE', '/plans/one')).status).toBe(204)
    expect((await world.api('DELETE', '/plans/one')).status).toBe(404)
    expect((await world.api('GET', '/plans/one')).status).toBe(404)
  })

  it('gives pages', async () => {
    for (const name of ['a', 'b', 'c']) await world.api('PUT', `/plans/${name}`, IDENTITY)
    const first = await world.api('GET', '/plans?limit=3')
    expect(first.json.items.map((plan: { name: string }) => plan.name)).toEqual(['a', 'b', 'c'])
    const rest = await world.api('GET', `/plans?limit=3&cursor=${first.json.next}`)
    expect(rest.json).toMatchObject({ items: [{ name: 'default' }], next: null })
  })

  it('refuses two plans for one device, group or model', async () => {
    const plan = { ...IDENTITY, applies_to: { groups: ['g', 'h'] } }
    expect((await world.api('PUT', '/plans/one', plan)).status).toBe(200)
    const { status, json } = await world.api('PUT', '/plans/two', plan)
    expect(status).toBe(409)
    expect(json.detail).toBe('the plan one is for groups g, h already: give one of them a priority')
    expect((await world.api('PUT', '/plans/one', plan)).status).toBe(200)
  })

  it.each([
    ['no steps at all', {}],
    ['a step nobody knows', { steps: [{ type: 'reboot' }] }],
    ['a member nobody knows', { steps: [{ type: 'identity', colour: 'red' }] }],
    ['a file without content', { steps: [{ type: 'file', path: 'x' }] }],
    ['a file with two contents', file({ text: '', base64: '' })],
    ['a file with no content', file({})],
    ['base64 that is none', file({ base64: '%%%' })],
    ['a reference that leads out', file({ ref: '../../master.key' })],
    ['a reference to nothing', file({ ref: 'ab'.repeat(48) })],
    ['an upload that leads out', upload('../../master.key')],
    ['an upload from the root', upload('/etc/passwd')],
    ['an upload to Windows’ devices', upload('c:\\x')],
    ['a URL of another kind', { steps: [{ type: 'wget', url: 'file:///etc/passwd' }] }],
    ['a token without a path', token({ path: undefined })],
    ['a token without any scope', token({ scopes: [] })],
    ['a token with a scope nobody knows', token({ scopes: ['device:reboot'] })],
    ['a token with a scope of programs', token({ scopes: ['administrator'] })],
    ['a token for an API of others', token({ audience: 'https://elsewhere.test/device/v1' })],
    ['a token for the API of programs', token({ audience: 'https://x.test/api/v1' })],
    ['a token from a template', token({ template: true })],
    ['a token with a content', token({ content: { text: 'x' } })],
  ])('refuses %s', async (_, document) => {
    const { status, json } = await world.api('PUT', '/plans/one', document)
    expect([status, json.code]).toEqual([400, 'invalid-request'])
    expect((await world.api('GET', '/plans/one')).status).toBe(404)
  })

  it('refuses a name that is no name', async () => {
    for (const name of ['..', '%2e%2e%2fx', '-x', 'a'.repeat(64)]) {
      expect((await world.api('PUT', `/plans/${name}`, IDENTITY)).status).toBeGreaterThanOrEqual(
        400,
      )
    }
  })

  it.each([
    [['token', 'identity'], 'steps.0: a token is bound to a certificate: an identity step has to'],
    [['service', 'token'], 'steps.1: a token is bound to a certificate: an identity step has to'],
    [['identity', 'token', 'identity'], 'steps.2: another certificate would end the token before'],
    [['identity', 'token', 'service', 'token'], 'steps.2: the five minutes of a token begin when'],
    [['identity', 'token', 'token', 'service'], 'steps.3: the five minutes of a token begin when'],
  ])('refuses a token out of its place: %s', async (types, why) => {
    const steps = types.map((type) => ({ type, ...(type === 'token' && { path: 'x' }) }))
    const { status, json } = await world.api('PUT', '/plans/one', { steps })
    expect([status, json.detail]).toEqual([400, expect.stringContaining(why)])
    const { id } = (await world.addDevice()) && (await world.device())
    const run = await world.api('POST', `/devices/${id}/dry-run`, { document: { steps } })
    expect(run.status).toBe(400)
  })

  it('says which API tokens may be for, and that they have no template', async () => {
    const detailOf = async (step: object) =>
      (await world.api('PUT', '/plans/one', token(step))).json.detail
    expect(await detailOf({ audience: 'https://y.test/device/v1' })).toBe(
      'steps.1.audience: there is no such API: only https://x.test/device/v1',
    )
    expect(await detailOf({ template: true })).toContain('a token has no template')
    const audience = 'https://x.test/device/v1'
    const all = { path: 'a', audience, scopes: ['device:whoami'], template: false, name: 'one' }
    const { json } = await world.api('PUT', '/plans/one', token(all))
    expect(json.steps[1]).toEqual({ type: 'token', ...all })
  })

  function token(step: object) {
    return { steps: [{ type: 'identity' }, { type: 'token', path: 'x', ...step }] }
  }

  function file(content: object) {
    return { steps: [{ type: 'file', path: 'x', content }] }
  }

  function upload(save_as: string) {
    return { steps: [{ type: 'upload', path: 'x', save_as }] }
  }
})

describe('/plan-contents', () => {
  it('keeps bytes under their hash, once', async () => {
    const first = await world.api('POST', '/plan-contents', utf8('hello'))
    expect(first).toMatchObject({ status: 201, json: { length: 5 } })
    expect(first.json.ref).toMatch(/^59e17487.{88}$/)
    await world.api('POST', '/plan-contents', utf8('hello'))
    expect((await world.api('GET', '/plan-contents')).json).toEqual({
      items: [first.json],
      next: null,
    })
  })

  it('lets go only of what no plan sends', async () => {
    const { json } = await world.api('POST', '/plan-contents', utf8('hello'))
    const plan = { steps: [{ type: 'file', path: 'x', content: { ref: json.ref } }] }
    await world.api('PUT', '/plans/one', plan)
    expect((await world.api('DELETE', `/plan-contents/${json.ref}`)).status).toBe(409)
    await world.api('DELETE', '/plans/one')
    expect((await world.api('DELETE', `/plan-contents/${json.ref}`)).status).toBe(204)
    expect((await world.api('DELETE', `/plan-contents/${json.ref}`)).status).toBe(404)
  })

  it('knows no other names', async () => {
    for (const ref of ['..%2fmaster.key', 'x', 'A'.repeat(96)]) {
      expect((await world.api('DELETE', `/plan-contents/${ref}`)).status).toBe(400)
    }
  })
})

describe('/uploads', () => {
  it('are of devices that are there', async () => {
    expect((await world.api('GET', '/devices/fdod_none/uploads')).status).toBe(404)
    expect((await world.api('GET', '/uploads/x')).status).toBe(400)
  })
})

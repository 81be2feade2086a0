import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../../protocol/bytes.ts'
import { settleAll } from '../../../../../src/audit/settle.ts'
import { type OnboardingWorld, openOnboardingWorld } from '../../../../support/onboarding-world.ts'

let world: OnboardingWorld
beforeEach(async () => {
  world = await openOnboardingWorld()
})
afterEach(() => world.close())

const runs = (command: string) => ({
  steps: [{ type: 'command', command, args: ['x'], return_stdout: true }],
})
const says = (text: string) => ({ steps: [{ type: 'file', path: 'said.txt', content: { text } }] })
const put = async (document: object, as?: string) =>
  (await world.api('PUT', '/plans/default', document, as)).json
const approve = (version: number, body: object, as = 'tok_2') =>
  world.api('POST', `/plans/default/versions/${version}/approve`, body, as)
const entries = async () => {
  await settleAll(world.database)
  const logged = await world.database.db
    .selectFrom('audit_entry')
    .select(['type', 'by', 'detail'])
    .where('type', 'like', 'plan-%')
    .orderBy('seq')
    .execute()
  return logged.map(({ type, by, detail }) => ({
    ...{ type, by },
    ...(JSON.parse(detail ?? '{}') as object),
  }))
}

describe('a version that runs programs', () => {
  it('waits for somebody else, and what held before holds meanwhile', async () => {
    await put(says('before'))
    const plan = await put(runs('id'))
    expect(plan).toMatchObject({
      version: 2,
      status: 'awaiting-approval',
      in_force: 1,
      trial: null,
    })
    const device = await world.addDevice()
    await world.onboard(device)
    expect(device.host.text('said.txt')).toBe('before')
    const { json } = await world.api('GET', `/devices/${(await world.device()).id}/progress`)
    expect(json.plan).toEqual({ name: 'default', version: 1 })
  })

  it('is not approved by its author, who comes by another provider', async () => {
    const { digest } = await put(runs('id'), 'oidc~fdoo_1~u-1')
    expect(await approve(1, { digest }, 'oidc~fdoo_2~u-1')).toMatchObject({ status: 403 })
    expect(await approve(1, { digest }, 'oidc~fdoo_2~u-2')).toMatchObject({ status: 200 })
  })

  it('is approved by another than its author, as it was looked at', async () => {
    const { digest } = await put(runs('id'))
    expect(await approve(1, { digest }, 'x')).toMatchObject({
      status: 403,
      json: { detail: expect.stringContaining('your own') },
    })
    const other = '0'.repeat(64)
    expect(await approve(1, { digest: other })).toMatchObject({ status: 409 })
    expect(await approve(2, { digest })).toMatchObject({ status: 404 })
    expect(await approve(1, { digest: 'x' })).toMatchObject({ status: 400 })
    const { status, json } = await approve(1, { digest })
    expect([status, json.status, json.trial]).toEqual([
      ...[200, 'rolling-out', { version: 1, share: 10, state: 'rolling' }],
    ])
    expect(await approve(1, { digest })).toMatchObject({ status: 409 })
    expect((await world.api('GET', '/plans/default/versions/1')).json).toMatchObject({
      ...{ created_by: 'tok_1', approved_by: 'tok_2', digest, runs_programs: true },
    })
  })

  it('is not approved once another has been put', async () => {
    const { digest } = await put(runs('id'))
    await put(runs('whoami'))
    expect(await approve(1, { digest })).toMatchObject({
      json: { detail: expect.stringContaining('not the latest') },
    })
  })

  it('reaches as many devices as its share says, which is raised by hand', async () => {
    const { digest } = await put(runs('id'))
    await approve(1, { digest, share: 0 })
    const device = await world.addDevice()
    device.host.scripts.set('id', [{ stdout: utf8('root') }, { exitCode: 0 }])
    await world.onboard(device)
    const { id } = await world.device()
    const planOf = async () => (await world.api('GET', `/devices/${id}`)).status
    expect(await planOf()).toBe(404)
    const progress = async () => (await world.api('GET', `/devices/${id}/progress`)).json
    expect(await progress()).toMatchObject({ plan: { version: 0 }, outcome: 'onboarded' })
    expect((await world.api('PATCH', '/plans/default/rollout', { share: 100 })).json).toMatchObject(
      {
        ...{ version: 1, share: 100, state: 'rolling', onboarded: 0, failed: 0 },
      },
    )
    const again = await world.addDevice(0xa2)
    again.host.scripts.set('id', [{ stdout: utf8('root') }, { exitCode: 0 }])
    await world.onboard(again)
    expect(await progress()).toMatchObject({
      plan: { name: 'default', version: 1 },
      steps: [{ name: '1 command', state: 'done', stdout: 'root', stderr: null }],
    })
    expect((await world.api('GET', '/plans/default/rollout')).json).toMatchObject({ onboarded: 1 })
  })

  it('leaves an entry in the audit log at each step', async () => {
    const { digest } = await put(runs('id'))
    await approve(1, { digest, share: 5 })
    await world.api('PATCH', '/plans/default/rollout', { share: 50 })
    await world.api('PATCH', '/plans/default/rollout', { state: 'stopped' })
    await world.api('PATCH', '/plans/default/rollout', { state: 'rolling' })
    await world.api('DELETE', '/plans/default')
    expect(await entries()).toEqual([
      {
        ...{ type: 'plan-changed', by: 'tok_1', name: 'default', version: 1, digest },
        needs_approval: true,
      },
      {
        ...{ type: 'plan-approved', by: 'tok_2', name: 'default', version: 1, digest },
        ...{ author: 'tok_1', share: 5 },
      },
      {
        ...{ type: 'plan-rollout-changed', by: 'tok_1', name: 'default', version: 1 },
        ...{ share: 50, state: 'rolling' },
      },
      {
        ...{ type: 'plan-stopped', by: 'tok_1', name: 'default', version: 1 },
        ...{ share: 50, state: 'stopped' },
      },
      {
        ...{ type: 'plan-rollout-changed', by: 'tok_1', name: 'default', version: 1 },
        ...{ share: 50, state: 'rolling' },
      },
      { type: 'plan-removed', by: 'tok_1', name: 'default' },
    ])
  })
})

describe('any other version', () => {
  it('holds at once, and needs no approval', async () => {
    const { digest, status, in_force } = await put(says('x'))
    expect([status, in_force]).toEqual(['in-force', 1])
    expect(await approve(1, { digest })).toMatchObject({ status: 409 })
    expect((await world.api('GET', '/plans/default/rollout')).status).toBe(404)
    const change = { share: 50 }
    expect((await world.api('PATCH', '/plans/default/rollout', change)).status).toBe(409)
    expect((await world.api('PATCH', '/plans/none/rollout', change)).status).toBe(404)
    expect((await world.api('PATCH', '/plans/default/rollout', {})).status).toBe(400)
  })

  it('is tried first where it says so', async () => {
    await put(says('before'))
    const plan = await put({ ...says('after'), rollout: { share: 0 } })
    expect(plan).toMatchObject({ status: 'rolling-out', in_force: 1, trial: { version: 2 } })
    const device = await world.addDevice()
    await world.onboard(device)
    expect(device.host.text('said.txt')).toBe('before')
  })

  it('takes the place of one that was on trial', async () => {
    const { digest } = await put(runs('id'))
    await approve(1, { digest })
    expect(await put(says('x'))).toMatchObject({ status: 'in-force', in_force: 2, trial: null })
  })
})

describe('the versions of a plan', () => {
  it('stay as they were, and tell who made them', async () => {
    await put(says('one'))
    await put(says('two'), 'tok_9')
    const { json } = await world.api('GET', '/plans/default/versions?limit=1')
    expect(json.items).toMatchObject([{ version: 2, created_by: 'tok_9', approved_by: null }])
    const rest = await world.api('GET', `/plans/default/versions?limit=1&cursor=${json.next}`)
    expect(rest.json).toMatchObject({ items: [{ version: 1, created_by: 'tok_1' }], next: null })
    const first = await world.api('GET', '/plans/default/versions/1')
    expect(first.json.steps[0].content).toEqual({ text: 'one' })
    expect((await world.api('GET', '/plans/default/versions/3')).status).toBe(404)
    const other = Buffer.from('x').toString('base64url')
    expect((await world.api('GET', `/plans/default/versions?cursor=${other}`)).status).toBe(400)
    expect((await world.api('GET', '/plans/none/versions')).status).toBe(404)
  })

  it('go on where they were when a plan comes back', async () => {
    await put(says('one'))
    await world.api('DELETE', '/plans/default')
    expect((await world.api('GET', '/plans/default/versions/1')).status).toBe(200)
    expect(await put(says('two'))).toMatchObject({ version: 2, in_force: 2 })
  })

  it('are kept from being changed or removed', async () => {
    await put(says('one'))
    const before = (await world.api('GET', '/plans/default/versions/1')).json
    await put(says('two'))
    expect((await world.api('GET', '/plans/default/versions/1')).json).toEqual(before)
  })
})

/** Webhooks through the command line. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createApp } from '../../src/http/app.ts'
import { silentLog } from '../../src/log.ts'
import { webhookRoutes } from '../../src/webhooks/routes.ts'
import { anEntry } from '../support/audit-world.ts'
import { errorDocument } from '../support/cli-world.ts'
import { type Listening, listening } from '../support/listening.ts'
import { firstlight } from '../support/programs.ts'
import { RECEIVER, WebhookWorld, principalOf } from '../support/webhook-world.ts'

let world: WebhookWorld
let service: Listening
let id: string
beforeAll(async () => {
  world = await WebhookWorld.open()
  const app = createApp({
    ...{ log: silentLog, clock: world.log.clock, trustedProxies: { addresses: [] }, others: [] },
    routes: webhookRoutes(world.webhooks),
    findPrincipal: async () => principalOf('fdop_home'),
    isReady: async () => true,
    metrics: { text: async () => '' },
  })
  service = await listening(app)
  const made = await asked('add', '--to', RECEIVER, '--type', 'voucher-*', 'onboarded')
  id = (made.json as { id: string }).id
})
afterAll(async () => {
  await service.close()
  await world.log.database.close()
})

const variables = () => ({ FIRSTLIGHT_URL: service.url, FIRSTLIGHT_TOKEN: 'x' })
const asked = (...args: string[]) => firstlight(['webhook', ...args, '--json'], variables())
const told = (...args: string[]) => firstlight(['webhook', ...args], variables())

describe('webhook', () => {
  it('add prints the secret, this once', async () => {
    const { status, stdout, stderr } = await told('add', '--to', 'https://second.example/')
    expect([status, stdout]).toEqual([0, expect.stringMatching(/^whsec_\S+\n$/)])
    const second = /fdow_[0-9a-f]+/.exec(stderr)?.[0] ?? ''
    expect((await told('list')).stdout).not.toContain('whsec')
    expect(await asked('get', second)).toMatchObject({ status: 0, json: { types: ['*'] } })
    expect(await asked('remove', second)).toMatchObject({ json: { id: second, removed: true } })
    expect(await asked('get', second)).toMatchObject({
      status: 3,
      json: errorDocument('not-found'),
    })
    const refused = await asked('add', '--to', 'https://10.0.0.1/')
    expect(refused).toMatchObject({ status: 3, json: errorDocument('invalid-request') })
  })

  it('list and get show how far it has got, and what went wrong', async () => {
    world.receiver.answer = () => 503
    await world.log.append(anEntry())
    await world.deliver()
    const shown = (await told('list')).stdout
    expect(shown).toMatch(/ID +STATE +PENDING +FAILED +URL/)
    expect(shown).toContain(id)
    const page = (await told('get', id)).stdout
    expect(page).toContain('was answered 503')
    expect(page).toMatch(/failed +1 times, again at 2026/)
  })

  it('test says whether it was taken, with exit status 5 if not', async () => {
    expect(await asked('test', id)).toMatchObject({ status: 5, json: { ok: false, status: 503 } })
    expect((await told('test', id)).stdout).toBe('not taken: 503\n')
    world.receiver.answer = () => 200
    expect((await told('test', id)).stdout).toBe('taken: 200\n')
  })

  it('replay sends again from an entry or a time on', async () => {
    const { length } = world.receiver.calls
    expect(await asked('replay', id, '--from', '2')).toMatchObject({
      status: 0,
      json: { cursor: 1 },
    })
    await world.deliver()
    expect(world.receiver.calls.length).toBeGreaterThan(length)
    const later = await asked('replay', id, '--since', '1m')
    expect(later).toMatchObject({ status: 0, json: { pending: expect.any(Number) } })
    for (const args of [[], ['--from', '1', '--since', '1m'], ['--since', 'then']]) {
      const ended = await asked('replay', id, ...args)
      expect(ended).toMatchObject({ status: 2, json: errorDocument('usage') })
    }
    const nowhere = await asked('replay', id, '--from', 'x')
    expect(nowhere).toMatchObject({ status: 3, json: errorDocument('invalid-request') })
  })

  it('set changes, disables and enables it', async () => {
    const off = await asked('set', id, '--disable', '--type', 'onboarded')
    expect(off).toMatchObject({ json: { state: 'disabled', types: ['onboarded'] } })
    const on = await asked('set', id, '--enable', '--to', 'https://third.example/')
    expect(on).toMatchObject({ json: { state: 'active', url: 'https://third.example/' } })
    const both = await asked('set', id, '--enable', '--disable')
    expect(both).toMatchObject({ status: 2, json: errorDocument('usage') })
  })
})

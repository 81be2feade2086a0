import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { utf8 } from '../../../../protocol/bytes.ts'
import type { PlanDocument } from '../../../../src/onboarding/plans/document.ts'
import { keptContents, keptUploads } from '../../../support/left-files.ts'
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

const A_DAY_MS = 25 * 3_600_000
const rows = () =>
  world.database.db.selectFrom('upload').select(['name', 'length', 'is_kept']).execute()
const upload = (save_as: string, more: object = {}) => ({
  ...{ type: 'upload' as const, path: 'app.log', save_as, need_sha: true, max_bytes: 1 << 20 },
  ...more,
})
const content = utf8('line\n'.repeat(20_000))

describe('what a broken-off TO2 has left', () => {
  it('of an upload is removed in time, though it was never whole', async () => {
    await world.putPlan('default', { steps: [upload('a.log')] })
    const device = await world.addDevice()
    device.host.put('app.log', content)
    let rounds = 0
    const broken: typeof world.transport = (message, authorization) => {
      if (message.number === 68 && ++rounds > 6) throw new Error('cut off')
      return world.transport(message, authorization)
    }
    await expect(world.onboard(device, { transport: broken })).rejects.toThrow('cut off')
    expect(await rows()).toEqual([{ name: 'a.log', length: -1, is_kept: 0 }])
    expect(await keptUploads(world)).toHaveLength(1)
    await world.onboarding.sweep()
    expect(await keptUploads(world)).toHaveLength(1)
    world.clock.advance(A_DAY_MS)
    await world.onboarding.sweep()
    expect([await keptUploads(world), await rows()]).toEqual([[], []])
  })

  it('of templates is removed in time', async () => {
    const text = '{{guid}}'
    const step = { type: 'file', path: 'x', template: true, content: { text } } as const
    await world.putPlan('default', { steps: [step] })
    await world.onboard(await world.addDevice())
    expect(await keptContents(world)).toHaveLength(1)
    const real = Date.now() - world.clock.now().getTime()
    world.clock.advance(real + A_DAY_MS)
    await world.onboarding.sweep()
    expect(await keptContents(world)).toEqual([])
  })

  it('of certificates counts for nothing', async () => {
    const device = await world.addDevice()
    const broken = cutOff(world.transport, 70)
    await expect(world.onboard(device, { transport: broken })).rejects.toThrow()
    const status = async () =>
      (
        await world.database.db
          .selectFrom('certificate')
          .select('status')
          .where('profile', '=', 'ldevid')
          .execute()
      ).map((one) => one.status)
    await world.pki.sweep()
    expect(await status()).toEqual(['pending'])
    world.clock.advance(A_DAY_MS)
    await world.pki.sweep()
    expect(await status()).toEqual(['superseded'])
  })

  it('of its progress is forgotten', async () => {
    const progress = () =>
      world.database.db.selectFrom('onboarding_progress').select('step').execute()
    await world.putPlan('default', { steps: [upload('a.log')] })
    const device = await world.addDevice()
    device.host.put('app.log', utf8('line\n'.repeat(60_000)))
    await world.onboard(device)
    expect(await progress()).toHaveLength(1)
    world.clock.advance(A_DAY_MS)
    await world.onboarding.sweep()
    expect(await progress()).toEqual([])
  })
})

describe('an upload that did not come to anything', () => {
  it('is not there, and what came beside it stays when it is swept', async () => {
    const steps = [upload('a.log'), upload('b.log', { path: 'none.log', required: false })]
    await world.putPlan('default', { steps } as PlanDocument)
    const device = await world.addDevice()
    device.host.put('app.log', content)
    await world.onboard(device)
    const { id } = await world.device()
    const listed = async () =>
      (await world.api('GET', `/devices/${id}/uploads`)).json.items.map(
        ({ name }: { name: string }) => name,
      )
    expect(await listed()).toEqual(['a.log'])
    world.clock.advance(A_DAY_MS)
    await world.onboarding.sweep()
    expect(await rows()).toEqual([{ name: 'a.log', length: content.length, is_kept: 1 }])
    const [{ id: number }] = (await world.api('GET', `/devices/${id}/uploads`)).json.items
    const { bytes } = await world.api('GET', `/uploads/${number}`)
    expect(Buffer.from(bytes).equals(content)).toBe(true)
  })
})

describe('whatever a device calls itself', () => {
  it('what it uploads stays in its own folder', async () => {
    await world.putPlan('default', {
      credential: 'reuse',
      steps: [{ ...upload('{{serial}}/{{devmod.tmp}}'), template: true, required: false }],
    })
    const device = await world.addDevice()
    device.host.put('app.log', utf8('x'))
    const before = readdirSync(world.dataDir).toSorted()
    const odd = fc.constantFrom('..', '../..', '/etc/passwd', 'a\\b', 'C:', '.', '', 'a\0b', 'x')
    await fc.assert(
      fc.asyncProperty(fc.oneof(odd, fc.string()), odd, async (sn, tmp) => {
        await world.onboard(device, { about: { sn, tmp } }).catch(() => {})
        const { id } = await world.device()
        const uploads = join(world.dataDir, 'uploads')
        const owners = existsSync(uploads) ? readdirSync(uploads) : []
        expect(owners.filter((name) => name !== id)).toEqual([])
        for (const name of await keptUploads(world)) expect(name).toMatch(/^[0-9a-f]{64}$/)
        const now = readdirSync(world.dataDir).filter((name) => !before.includes(name))
        expect(now.filter((name) => !['uploads', 'contents', 'cache'].includes(name))).toEqual([])
        for (const { name } of await rows()) expect(name.split('/')).not.toContain('..')
      }),
      { numRuns: 25 },
    )
  })
})

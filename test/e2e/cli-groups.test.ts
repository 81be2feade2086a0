/** The commands for groups, certificates, and what devices are told. */
import { writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld } from '../support/cli-world.ts'
import { firstlight } from '../support/programs.ts'
import { PATIENCE_MS } from '../support/service.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
}, PATIENCE_MS)
afterAll(() => world.end(), PATIENCE_MS)

const written = (name: string, content: unknown) => {
  writeFileSync(world.file(name), JSON.stringify(content))
  return world.file(name)
}

describe('group', { timeout: PATIENCE_MS }, () => {
  it('adds, changes, shows and removes one, and moves a device there', async () => {
    await world.told('group', 'add', 'field', '--scope', 'device:whoami')
    expect(await world.told('group', 'get', 'field')).toMatchObject({ scopes: ['device:whoami'] })
    expect(await world.told('group', 'set', 'field', '--scope', 'none')).toMatchObject({
      scopes: [],
    })
    const { guid } = await world.madeDevice('SN-G')
    expect(await world.told('group', 'assign', guid, 'field')).toMatchObject({ group: 'field' })
    expect(await world.asked('group', 'remove', 'field')).toMatchObject({ status: 3 })
    await world.told('group', 'assign', guid, 'default')
    await world.told('group', 'remove', 'field')
    expect(await world.told<object[]>('group', 'list')).toHaveLength(1)
    const wrong = await world.asked('group', 'add', 'x', '--scope', 'device:king')
    expect(wrong.json).toMatchObject({ error: { code: 'invalid-request' } })
    const { stdout } = await firstlight(['group', 'list'], world.local)
    expect(stdout).toMatch(/^NAME +SCOPES\ndefault +device:whoami/)
  })
})

describe('setting', { timeout: PATIENCE_MS }, () => {
  it.each(['rendezvous-info', 'owner-addresses'])('%s is set as it is shown', async (name) => {
    const shown = await world.told<Record<string, unknown>>('setting', name)
    expect(shown['is_default']).toBe(true)
    const set = await world.told('setting', name, '--set', written(`${name}.json`, shown))
    expect(set).toEqual({ ...shown, is_default: false })
    const bad = await world.asked('setting', name, '--set', written('bad.json', {}))
    expect(bad.json).toMatchObject({ error: { code: 'invalid-request' } })
  })
})

describe('certificate list', () => {
  it('shows what was issued here', { timeout: PATIENCE_MS }, async () => {
    expect(await world.told<object[]>('certificate', 'list')).toBeInstanceOf(Array)
    expect(await world.told('certificate', 'list', '--device', 'fdod_none')).toEqual([])
  })
})

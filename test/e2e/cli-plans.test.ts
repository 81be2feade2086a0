/** What scripts rely on: plans, and watching devices get them. Every command is a process. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { MAIN, firstlight } from '../support/programs.ts'

let world: CliWorld
let secondPerson: Record<string, string>
beforeAll(async () => {
  world = await CliWorld.start()
  const scope = ['--name', 'second', '--scope', 'plan:approve', 'plan:read']
  const { token } = await world.told<{ token: string }>('token', 'create', ...scope)
  secondPerson = { FIRSTLIGHT_URL: world.server.url, FIRSTLIGHT_TOKEN: token }
}, 120_000)
afterAll(() => world.end())

const document = (name: string, content: object) => {
  const path = world.file(`${name}.json`)
  writeFileSync(path, JSON.stringify(content))
  return path
}

describe('firstlight plan', { timeout: 120_000 }, () => {
  it('shows what a token would be good for, and says where it is out of its place', async () => {
    const { guid } = await world.madeDevice('told')
    const token = { type: 'token', path: 'token.json', scopes: ['device:whoami'] }
    const file = document('token', { steps: [{ type: 'identity' }, token] })
    const { stdout } = await firstlight(['plan', 'dry-run', guid, '--file', file], world.local)
    expect(stdout).toMatch(/^2 token: token, would be sent by fdo\.download$/m)
    expect(stdout).toContain(`"audience": "${world.ready.https}/device/v1"`)
    const misplaced = document('misplaced', { steps: [token, { type: 'identity' }] })
    const refused = await world.asked('plan', 'put', 'misplaced', misplaced)
    expect(refused.json).toMatchObject({
      error: { message: expect.stringContaining('an identity step has to come before it') },
    })
    expect(await world.told('plan', 'put', 'with-token', file)).toMatchObject({
      ...{ status: 'in-force', steps: [{ type: 'identity' }, token] },
    })
    await world.told('plan', 'remove', 'with-token')
  })

  it('is written, tried without a device, approved by a second person, and watched', async () => {
    const { guid } = await world.madeDevice('cam')
    const steps = [
      { type: 'file', path: 'serial.txt', template: true, content: { text: '{{serial}}' } },
      { type: 'command', name: 'greet', command: 'echo', args: ['hello'], return_stdout: true },
      { type: 'upload', path: 'serial.txt', save_as: 'serial.txt' },
    ]
    const file = document('cameras', { applies_to: { models: ['firstlight-device'] }, steps })
    const dry = await world.told('plan', 'dry-run', guid, '--file', file, '--devmod', 'sn=cam')
    expect(dry).toMatchObject({
      plan: 'draft',
      steps: [{ sent: { content: { text: 'cam' } } }, {}, {}],
    })
    const shown = await firstlight(['plan', 'dry-run', guid, '--file', file], world.local)
    expect(shown.stdout).toMatch(/^plan draft, version 0\n1 file: file, would be sent by fdo\./)

    const put = await world.told<{ digest: string }>('plan', 'put', 'cameras', file)
    expect(put).toMatchObject({ version: 1, status: 'awaiting-approval', in_force: null })
    const explained = await firstlight(['plan', 'explain', guid], world.local)
    expect(explained.stdout).toMatch(/cameras .*awaits approval/)
    const blind = await world.asked('plan', 'approve', 'cameras', '1')
    expect(blind).toMatchObject({ status: 2, json: errorDocument('usage') })
    const approve = ['plan', 'approve', 'cameras', '1', '--digest', put.digest]
    expect(await world.asked(...approve)).toMatchObject({ status: 6 })
    const approved = await firstlight([...approve, '--share', '50', '--json'], secondPerson)
    expect(approved).toMatchObject({ status: 0, json: { status: 'rolling-out' } })
    const text = (await firstlight(['plan', 'get', 'cameras'], world.local)).stdout
    expect(text).toMatch(/^trial +1: 50 %, rolling$/m)
    const raised = await world.told('plan', 'rollout', 'cameras', '--share', '100')
    expect(raised).toMatchObject({ share: 100, state: 'rolling' })
    expect(await world.told('plan', 'explain', guid)).toMatchObject({ plan: 'cameras', version: 1 })

    const { lines, ended } = watching(guid, '--once')
    await lines.next()
    const sandbox = ['--credential', world.file('cam.credential'), '--sandbox', world.file('cam')]
    await world.told('device', 'onboard', ...sandbox, '--once')
    let last: unknown
    for await (const line of lines) last = line
    expect(last).toMatchObject({
      ...{ outcome: 'onboarded', plan: { name: 'cameras', version: 1 } },
      steps: [{ state: 'done' }, { name: 'greet', state: 'done', stdout: 'hello\n' }, {}],
    })
    expect(await ended).toBe(0)
    const [now] = await world.told<{ guid: string }[]>('device', 'list', '--serial', 'cam')
    const page = await firstlight(['watch', String(now?.guid), '--now'], world.local)
    expect(page.stdout).toContain('+ greet: done, fdo.command')
    expect(await world.told('plan', 'rollout', 'cameras')).toMatchObject({ onboarded: 1 })

    const list = ['plan', 'uploads', String(now?.guid)]
    const [sent] = await world.told<{ id: number }[]>(...list)
    expect(sent).toMatchObject({ name: 'serial.txt', length: 3 })
    expect(await world.asked(...list, '--out', 'x')).toMatchObject({ status: 2 })
    const kept = world.file('kept.txt')
    await world.told(...list, '--save', String(sent?.id), '--out', kept)
    expect(readFileSync(kept, 'utf8')).toBe('cam')
  })

  it('is shown as it was, changed, and removed', async () => {
    const file = document('default', { description: 'one', steps: [] })
    await world.told('plan', 'put', 'default', file)
    const got = await firstlight(['plan', 'get', 'default', '--document'], world.local)
    expect(JSON.parse(got.stdout)).toEqual({ description: 'one', steps: [] })
    const shown = world.file('shown.json')
    writeFileSync(
      shown,
      (await firstlight(['plan', 'get', 'default', '--json'], world.local)).stdout,
    )
    const stale = ['plan', 'put', 'default', shown, '--if-version']
    expect(await world.asked(...stale, '7')).toMatchObject({ status: 3 })
    expect(await world.told(...stale, '1')).toMatchObject({ version: 2, description: 'one' })
    expect(await world.told('plan', 'versions', 'default')).toMatchObject([
      ...[{ version: 2 }, { version: 1 }],
    ])
    const first = await firstlight(['plan', 'get', 'default', '1'], world.local)
    expect(first.stdout).toMatch(/^name +default$/m)
    expect(await world.told('plan', 'list')).toMatchObject([
      ...[{ name: 'cameras' }, { name: 'default', status: 'in-force' }],
    ])
    await world.told('plan', 'remove', 'default')
    expect(await world.asked('plan', 'remove', 'default')).toMatchObject({ status: 3 })
  })

  it('brings files for plans to send', async () => {
    const path = world.file('brought.bin')
    writeFileSync(path, 'x'.repeat(100_000))
    const { ref } = await world.told<{ ref: string }>('plan', 'bring', path)
    expect(await world.told('plan', 'contents')).toEqual([{ ref, length: 100_000 }])
    writeFileSync(world.file('idle'), 'y')
    const idle = await world.told<{ ref: string }>('plan', 'bring', world.file('idle'))
    await world.told('plan', 'discard', idle.ref)
    expect(await world.told('plan', 'contents')).toEqual([{ ref, length: 100_000 }])
  })
})

describe('firstlight watch', { timeout: 120_000 }, () => {
  it('prints what happens to all devices, a line each', async () => {
    await world.madeDevice('second')
    const { lines, opened, stop } = watching()
    await opened
    const sandbox = ['--credential', world.file('second.credential'), '--sandbox', world.file('s')]
    await world.told('device', 'onboard', ...sandbox, '--once')
    const types: unknown[] = []
    for await (const line of lines) {
      types.push((line as { type?: string }).type)
      if (types.at(-1) === 'onboarded') break
    }
    expect(types.filter((type) => type !== undefined)).toEqual(
      expect.arrayContaining(['onboarding', 'devmod', 'step-done', 'onboarded']),
    )
    stop()
    expect(await world.told('watch', '--now')).toEqual([])
  })

  it('says what is wrong with what it was asked', async () => {
    expect(await world.asked('watch', 'fdod_none')).toMatchObject({ status: 3 })
    expect(await world.asked('watch', 'fdod_none', '--now')).toMatchObject({ status: 3 })
  })
})

/** `firstlight watch --json`: its lines as they come. */
function watching(...args: string[]) {
  const env = { PATH: process.env['PATH'], ...world.local }
  const child = spawn(process.execPath, [MAIN, 'watch', ...args, '--json'], {
    ...{ env, stdio: ['ignore', 'pipe', 'pipe'] },
  })
  const opened = new Promise<void>((resolve) => child.stderr.once('data', () => resolve()))
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  async function* parsed() {
    for await (const line of createInterface({ input: child.stdout })) yield JSON.parse(line)
  }
  return { lines: parsed(), opened, ended, stop: () => child.kill() }
}

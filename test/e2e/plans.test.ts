/** What plans give devices, over real sockets: large files, long output, failures, and who looks on. */
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  createReadStream,
  existsSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { readEvents } from '../../src/cli/server-events.ts'
import { type Device, deviceIn, make, powerUp } from '../support/simulated.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const MB = 1 << 20

let world: TestService
let approver: string
beforeAll(async () => {
  world = await startTestService()
  const wanted = { name: 'second person', scopes: ['plan:approve'] }
  const { json } = await world.api('POST', '/api/v1/tokens', { json: wanted })
  approver = (json as { token: string }).token
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

async function call<T = Record<string, unknown>>(method: string, path: string, json?: unknown) {
  const answer = await world.api(method, `/api/v1${path}`, json === undefined ? {} : { json })
  expect([path, answer.status < 300, answer.body.toString()]).toEqual([
    ...[path, true, answer.body.toString()],
  ])
  return answer.json as T
}

interface Progress {
  readonly device: string
  readonly outcome: string
  readonly error: string | null
  readonly rounds: number | null
  readonly plan: { readonly name: string; readonly version: number }
  readonly steps: readonly {
    readonly name: string
    readonly state: string
    readonly reason: string | null
    readonly stdout: string | null
    readonly stderr: string | null
  }[]
}

/** Put for one device, and approved where it has to be. */
async function planFor(name: string, guid: string, steps: readonly object[]): Promise<void> {
  const { id } = await call<{ id: string }>('GET', `/devices/${guid}`)
  const document = { applies_to: { devices: [id] }, steps }
  const plan = await call<{ status: string; version: number; digest: string }>(
    ...(['PUT', `/plans/${name}`, document] as const),
  )
  if (plan.status === 'in-force') return
  const { version, digest } = plan
  const path = `/api/v1/plans/${name}/versions/${version}/approve`
  const json = { digest, share: 100 }
  expect((await world.api('POST', path, { json, token: approver })).status).toBe(200)
}

async function made(name: string): Promise<Device & { readonly guid: string }> {
  const device = deviceIn(world.folder, name)
  const guid = await make(world.service.http ?? '', name, device)
  await vi.waitFor(
    async () => expect((await call('GET', `/devices/${guid}`))['state']).toBe('registered'),
    { timeout: 30_000, interval: 50 },
  )
  return { ...device, guid }
}

const progressOf = async (device: { readonly guid: string }) => {
  const list = await call<{ items: { id: string; guid: string; serial: string }[] }>(
    ...(['GET', '/devices?limit=500'] as const),
  )
  const found = list.items.find(
    ({ guid, serial }) => guid === device.guid || serial === nameOf(device),
  )
  return call<Progress>('GET', `/devices/${found?.id}/progress`)
}
const nameOf = (device: object) =>
  'sandbox' in device ? String(device.sandbox).split('/').at(-1) : ''
const sha384 = (path: string) => createHash('sha384').update(readFileSync(path)).digest('hex')

describe('a file of 100 MB', { timeout: 600_000 }, () => {
  it('goes to a device and back, with little of it in memory at any time', async () => {
    const source = join(world.folder, 'large.bin')
    for (let i = 0; i < 100; i++) appendFileSync(source, randomBytes(MB))
    const { ref } = await bring(source)
    expect(ref).toBe(sha384(source))

    const device = await made('large')
    const upload = { type: 'upload', path: 'large.bin', save_as: 'back/large.bin' }
    await planFor('large', device.guid, [
      { type: 'file', path: 'large.bin', content: { ref } },
      { ...upload, max_bytes: 100 * MB },
    ])
    const peak = watchMemory()
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    // Both sides are in this process.
    expect(peak()).toBeLessThan(40 * MB)
    expect(sha384(join(device.sandbox, 'large.bin'))).toBe(ref)

    const { id } = await call<{ id: string }>(
      'GET',
      `/devices/${(await progressOf(device)).device}`,
    )
    const uploads = await call<{ items: { id: number; name: string; length: number }[] }>(
      ...(['GET', `/devices/${id}/uploads`] as const),
    )
    expect(uploads.items).toMatchObject([{ name: 'back/large.bin', length: 100 * MB }])
    const back = await world.api('GET', `/api/v1/uploads/${uploads.items[0]?.id}`)
    expect(createHash('sha384').update(back.body).digest('hex')).toBe(ref)
    // 64,000 bytes are announced for what we send, 8,192 for what we take.
    const least = (100 * MB) / 64_000 + (100 * MB) / 8_192
    expect((await progressOf(device)).rounds ?? 0).toBeLessThan(least * 1.06)
  })
})

describe('a program', { timeout: PATIENCE_MS }, () => {
  it('may print many lines: the beginning and the end are kept', async () => {
    const device = await made('talkative')
    await planFor('talkative', device.guid, [
      { type: 'command', name: 'count', command: 'seq', args: ['1', '60000'], return_stdout: true },
    ])
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    const [step] = (await progressOf(device)).steps
    expect(step).toMatchObject({ name: 'count', state: 'done', stderr: null })
    expect(step?.stdout).toMatch(/^1\n2\n3\n/)
    expect(step?.stdout).toMatch(/\n59999\n60000\n$/)
    expect(step?.stdout).toMatch(/… \d+ bytes left out …/)
    expect(step?.stdout?.length).toBeLessThan(40_000)
  })

  it('may take its time: the device is held back, and few messages pass', async () => {
    const device = await made('patient')
    await planFor('patient', device.guid, [
      { type: 'command', name: 'wait', command: 'sleep', args: ['4'] },
    ])
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    const progress = await progressOf(device)
    expect(progress).toMatchObject({ outcome: 'onboarded', steps: [{ state: 'done' }] })
    expect(progress.rounds ?? 0).toBeLessThan(32)
    const shown = await call('GET', `/devices/${progress.device}`)
    expect(shown['plan']).toEqual({ name: 'patient', version: 1 })
  })

  it('that fails leaves what it said, and says which step it was', async () => {
    const device = await made('broken')
    await planFor('broken', device.guid, [
      { type: 'file', name: 'first', path: 'a.txt', content: { text: 'a' } },
      {
        ...{ type: 'command', name: 'set up', command: 'sh' },
        ...{ args: ['-c', 'echo no such disk >&2; exit 3'], return_stderr: true },
      },
      { type: 'file', name: 'last', path: 'b.txt', content: { text: 'b' } },
    ])
    expect(await powerUp(device)).toMatchObject({ result: 'failed' })
    const progress = await progressOf(device)
    expect(progress).toMatchObject({
      outcome: 'failed',
      plan: { name: 'broken', version: 1 },
      steps: [
        { name: 'first', state: 'done' },
        { name: 'set up', state: 'failed', reason: 'sh: exit code 3', stderr: 'no such disk\n' },
        { name: 'last', state: 'waiting' },
      ],
    })
    expect(existsSync(join(device.sandbox, 'b.txt'))).toBe(false)
  })
})

describe('an empty file', { timeout: PATIENCE_MS }, () => {
  it('goes either way', async () => {
    const device = await made('empty')
    writeFileSync(join(device.sandbox, 'nothing.log'), '')
    await planFor('empty', device.guid, [
      { type: 'file', path: 'nothing.txt', content: { text: '' } },
      { type: 'upload', path: 'nothing.log', save_as: 'nothing.log' },
    ])
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    expect(statSync(join(device.sandbox, 'nothing.txt')).size).toBe(0)
  })
})

describe('who looks on', { timeout: PATIENCE_MS }, () => {
  it('is told what happens, as it happens, and goes on where it was cut off', async () => {
    const device = await made('watched')
    const all = await open('/onboardings')
    const one = await open(`/devices/${device.guid}/progress`)
    expect((await one.next()).data).toMatchObject({ outcome: 'none', state: 'registered' })
    await planFor('watched', device.guid, [
      { type: 'file', path: 'serial.txt', template: true, content: { text: '{{serial}}\n' } },
    ])
    expect(await powerUp(device)).toMatchObject({ result: 'onboarded' })
    expect(readFileSync(join(device.sandbox, 'serial.txt'), 'utf8')).toBe('watched\n')
    const types: unknown[] = []
    let id: string | undefined
    while (types.at(-1) !== 'onboarded') {
      const event = await all.next()
      types.push((event.data as { type: string }).type)
      if (types.at(-1) === 'devmod') id = event.id
    }
    expect(types).toEqual(['onboarding', 'devmod', 'step-done', 'onboarded'])
    let last: unknown
    do last = (await one.next()).data
    while ((last as Progress).outcome !== 'onboarded')
    expect(last).toMatchObject({
      steps: [{ state: 'done', module: 'fdo.download' }],
      steps_left: 0,
    })
    all.close()
    one.close()
    const again = await open('/onboardings', { 'last-event-id': id ?? '' })
    expect((await again.next()).data).toMatchObject({
      type: 'step-done',
      detail: { step: '1 file' },
    })
    again.close()
  })

  it('is one of so many', async () => {
    const open_ = await Promise.all(Array.from({ length: 8 }, () => open('/onboardings')))
    const { status, headers } = await world.api('GET', '/api/v1/onboardings', {
      headers: { accept: 'text/event-stream' },
    })
    expect([status, headers['retry-after']]).toEqual([429, '30'])
    open_.forEach(({ close }) => close())
    await vi.waitFor(async () => (await open('/onboardings')).close(), { timeout: 10_000 })
  })
})

/** Nothing is left of what nobody holds: how much of that there is says how busy the machine is. */
setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** The most that is held beside what was there before. */
function watchMemory(): () => number {
  const held = () => {
    collectGarbage()
    const { heapUsed, arrayBuffers } = process.memoryUsage()
    return heapUsed + arrayBuffers
  }
  const before = held()
  let peak = 0
  const timer = setInterval(() => (peak = Math.max(peak, held() - before)), 500)
  return () => {
    clearInterval(timer)
    return peak
  }
}

function bring(path: string): Promise<{ ref: string }> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${world.adminToken}`,
      'content-type': 'application/octet-stream',
      'transfer-encoding': 'chunked',
    }
    const url = `${world.service.http}/api/v1/plan-contents`
    const outgoing = request(url, { method: 'POST', headers }, async (response) => {
      const parts: Buffer[] = []
      for await (const part of response) parts.push(part as Buffer)
      resolve(JSON.parse(Buffer.concat(parts).toString()) as { ref: string })
    })
    outgoing.on('error', reject)
    createReadStream(path).pipe(outgoing)
  })
}

async function open(path: string, more: Record<string, string> = {}) {
  const headers = {
    ...{ authorization: `Bearer ${world.adminToken}`, accept: 'text/event-stream' },
    ...more,
  }
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(`${world.service.http}/api/v1${path}`, { headers, agent: false })
    outgoing.on('response', resolve).on('error', reject).end()
  })
  if (response.statusCode !== 200) throw new Error(`${path}: ${response.statusCode}`)
  expect(response.headers['content-type']).toBe('text/event-stream')
  const events = readEvents(createInterface({ input: response }))
  return {
    async next() {
      const { value, done } = await events.next()
      if (done) throw new Error('the stream has ended')
      return value
    },
    close: () => void response.destroy(),
  }
}

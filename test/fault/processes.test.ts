/** Several processes that are one service: whoever comes meets one of them, and sees one service. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isOnPostgres } from '../support/database.ts'
import {
  BEGINNINGS,
  type Fault,
  NO_FAULT,
  devicesAt,
  expectOneOnboarding,
} from '../support/faulty-world.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'

/** Starts of real processes, on a machine that may be busy. */
const PATIENCE_MS = 240_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const
const TO2_DONE = 'firstlight_fdo_runs_total{protocol="TO2",outcome="done",step=""}'

let folder: string
let service: ServeProcess

beforeAll(async () => {
  if (!isOnPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'firstlight-processes-'))
  service = new ServeProcess(folder, await freePort(), {
    ...{ FIRSTLIGHT_PROCESSES: '2', FIRSTLIGHT_LOG: 'debug' },
  })
  await service.start()
}, PATIENCE_MS)
afterAll(async () => {
  if (!isOnPostgres) return
  await service.kill()
  rmSync(folder, { recursive: true })
})

describe.runIf(isOnPostgres)('two processes of one service', { timeout: PATIENCE_MS }, () => {
  it('answer a device on ever new connections, and tell its story and their figures once', async () => {
    const devices = devicesAt(service)
    const device = await devices.throughAll(SUITE, NO_FAULT)
    await expectOneOnboarding(service, device.credential.guid)
    await until('every run is told', async () => told().length >= 4)
    // By whichever process a run began in, once it has heard of its end.
    const ends = told().map(({ protocol, outcome }) => `${protocol} ${outcome}`)
    expect(ends.toSorted()).toEqual(['DI done', 'TO0 done', 'TO1 done', 'TO2 done'])
    const messages = (first: number) => devices.sent.filter((one) => one - (one % 10) === first)
    const counts = Object.fromEntries(told().map((one) => [one['protocol'], one['messages']]))
    expect(counts['DI']).toBe(messages(10).length)
    expect(counts['TO1']).toBe(messages(30).length)
    expect(counts['TO2']).toBe(messages(60).length + messages(70).length)

    const asked = [await service.figures(), await service.figures()]
    for (const figures of asked) {
      expect(figures.get(TO2_DONE)).toBe(1)
      expect(figures.get('firstlight_events_total{event="device-onboarded"}')).toBe(1)
      expect(figures.get('firstlight_fdo_run_seconds_count{protocol="TO2"}')).toBe(1)
      expect(figures.get('firstlight_fdo_runs_open{protocol="TO2"}')).toBe(0)
      expect(figures.get('firstlight_to0_due')).toBe(0)
      const versions = [...figures].filter(([series]) => series.startsWith('nodejs_version_info'))
      expect(versions.map(([, value]) => value)).toEqual([1])
    }
    const answered = 'firstlight_fdo_messages_total{outcome="answered"}'
    // TO0 to ourselves has four messages, of which the register sends two.
    expect(asked[0]?.get(answered)).toBe(devices.sent.length + 2)
  })

  it('say once why they cannot start', async () => {
    const ended = await firstlight(['serve', '--json'], {
      ...{ FIRSTLIGHT_PORT: new URL(service.url).port, FIRSTLIGHT_TLS_PORT: 'off' },
      ...{ FIRSTLIGHT_DATA: folder, FIRSTLIGHT_PROCESSES: '2' },
    })
    expect(ended.status).toBe(1)
    expect(ended.json).toMatchObject({
      error: { code: 'configuration', message: expect.stringContaining('EADDRINUSE') },
    })
  })

  it('lose nothing when one is killed amid a fleet; another takes its place, and what was counted stays', async () => {
    const devices = devicesAt(service)
    const again: Fault = async (send, { number }) => {
      for (;;) {
        try {
          return await send()
        } catch (error) {
          if (BEGINNINGS.includes(number)) throw error
          await sleep(50)
        }
      }
    }
    const made = []
    for (let i = 0; i < 4; i++) made.push(await devices.make(NO_FAULT))
    const before = await service.figures()
    const [killed = expect.fail()] = workersOf(service)
    const sent = devices.sent.length
    const onboardings = made.map(async (device) => {
      for (;;) {
        try {
          return await devices.powerUp(device, SUITE, again)
        } catch {
          await sleep(50)
        }
      }
    })
    await until('they are in the middle of it', async () => devices.sent.length > sent + 12)
    process.kill(killed, 'SIGKILL')
    await Promise.all(onboardings)
    for (const { credential } of made) await expectOneOnboarding(service, credential.guid)
    await until('it has been replaced', async () => {
      return (await service.figures()).get('firstlight_processes') === 2
    })
    expect(workersOf(service)).not.toContain(killed)
    await until('it is said', async () =>
      service.log.some(({ pid, how }) => pid === killed && how === 'SIGKILL'),
    )
    const after = await service.figures()
    for (const [series, value] of before) {
      if (/^firstlight_.*(_total|_count|_bucket)/.test(series)) {
        expect([series, (after.get(series) ?? 0) >= value]).toEqual([series, true])
      }
    }
  })

  it('are relieved one after the other without a device noticing, and stop when they are told', async () => {
    const before = workersOf(service)
    const toldBefore = told().length
    const doneBefore = (await service.figures()).get(TO2_DONE) ?? 0
    const fleet = firstlight([
      ...['fleet', '--count', '40', '--concurrency', '4', '--di', service.url, '--json'],
    ])
    await until('they are made', async () => told().length > toldBefore)
    service.signal('SIGUSR2')
    expect((await fleet).json).toMatchObject({ count: 40, onboarded: 40, failed: 0, errors: {} })
    await until('all are others', async () => {
      const now = workersOf(service)
      return now.length === 2 && before.every((pid) => !now.includes(pid))
    })
    expect((await service.figures()).get(TO2_DONE)).toBe(doneBefore + 40)
    const outcomes = told()
      .slice(toldBefore)
      // Who asks before it is registered, while that passes to the next process, asks again.
      .filter(({ outcome, code }) => outcome !== 'done' && code !== 'RESOURCE_NOT_FOUND')
    expect(outcomes).toEqual([])

    const slow = slowRequest(service)
    await slow.begun
    const workers = workersOf(service)
    const status = service.stop()
    const ready = `${service.url}/health/ready`
    await until('nobody else is taken', () => fetch(ready).then(NO, YES))
    expect(slow.isAnswered()).toBe(false)
    slow.finish()
    expect(await slow.status).toBe(400)
    expect(await status).toBe(0)
    expect(workers.filter(isThere)).toEqual([])
  })

  it('have one port where any that is free will do, and end with the one that watches over them', async () => {
    const other = new ServeProcess(folder, 0, { FIRSTLIGHT_PROCESSES: '2' })
    const { http } = await other.start()
    const workers = workersOf(other)
    expect(workers).toHaveLength(2)
    for (const _ of workers) {
      const answer = await fetch(`${http}/health/ready`, { headers: { connection: 'close' } })
      expect(answer.status).toBe(200)
    }
    await other.kill()
    await until('they are gone', async () => !workers.some(isThere))
  })
})

const told = () => service.log.filter(({ msg }) => msg === 'FDO run')

/** The processes whose parent it is. */
function workersOf({ pid }: ServeProcess): readonly number[] {
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return all.map(Number).filter((one) => parentOf(one) === pid)
}

function parentOf(pid: number): number | undefined {
  try {
    const [, state, parent] = /\) (\S) (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8')) ?? []
    return state === 'Z' ? undefined : Number(parent)
  } catch {
    return undefined // It has ended meanwhile.
  }
}

function isThere(pid: number): boolean {
  return parentOf(pid) !== undefined
}

/** A request of which the last byte is missing. */
function slowRequest({ url, token }: ServeProcess) {
  const body = '{}'
  let isAnswered = false
  const sent = request(`${url}/api/v1/groups`, {
    method: 'POST',
    headers: {
      ...{ 'content-type': 'application/json', 'content-length': body.length },
      ...{ authorization: `Bearer ${token}`, expect: '100-continue' },
    },
  })
  const status = new Promise<number | undefined>((resolve, reject) => {
    sent.on('error', reject).on('response', (answer) => {
      isAnswered = true
      resolve(answer.resume().statusCode)
    })
  })
  // Then it has come to one of the processes.
  const begun = new Promise<void>((resolve) => sent.on('continue', resolve))
  sent.flushHeaders()
  return {
    ...{ begun, status, isAnswered: () => isAnswered },
    finish: () => void sent.end(body),
  }
}

const YES = () => true
const NO = () => false

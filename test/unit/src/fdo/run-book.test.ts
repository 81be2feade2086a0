/** Each run is told of once: in the log, and in numbers. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { FdoError } from '../../../../protocol/errors.ts'
import { FakeClock } from '../../../../src/clock.ts'
import { RunBook } from '../../../../src/fdo/run-book.ts'
import type { Storytellers } from '../../../../src/fdo/told.ts'
import { createLog } from '../../../../src/log.ts'
import { Metrics } from '../../../../src/metrics.ts'
import { type ExchangeWorld, exchangeWorld } from '../../../support/exchange-world.ts'
import { Done, Hello, Prove, Round } from '../../../support/toy-role.ts'

let lines: Record<string, unknown>[]
let metrics: Metrics
let world: ExchangeWorld
beforeEach(async () => {
  lines = []
  metrics = new Metrics()
  const log = createLog('debug', { write: (line) => void lines.push(JSON.parse(line)) })
  world = await exchangeWorld({ metrics, log })
})
afterEach(() => world.close())

const told = () => lines.filter(({ msg }) => msg === 'FDO run')
const counted = async (name: string) =>
  (await metrics.text()).split('\n').filter((line) => line.startsWith(name))

async function proven(): Promise<string> {
  const hello = await world.send(Hello, 1)
  return (await world.send(Prove, 2, hello.authorization)).authorization ?? ''
}

describe('a run', () => {
  it('that is done is one line: how many messages, how long, from where', async () => {
    const token = await proven()
    world.clock.advance(1_500)
    await world.send(Done, 1, token)
    const facts = { protocol: 'TOY', messages: 3, ms: 1_500, outcome: 'done' }
    expect(told()).toMatchObject([{ level: 'info', ...facts }])
    expect(await counted('firstlight_fdo_runs_total')).toEqual([
      'firstlight_fdo_runs_total{protocol="TOY",outcome="done",step=""} 1',
    ])
    const lasted = await counted('firstlight_fdo_run_seconds_bucket')
    expect(lasted).toContain('firstlight_fdo_run_seconds_bucket{protocol="TOY",le="1"} 0')
    expect(lasted).toContain('firstlight_fdo_run_seconds_bucket{protocol="TOY",le="2.5"} 1')
  })

  it('that fails says at which step, and why', async () => {
    await world.send(Round, 13, await proven())
    const why = { code: 'INVALID_MESSAGE_ERROR', reason: 'thirteen is refused' }
    const facts = { messages: 2, outcome: 'failed', step: 'Round', ...why }
    expect(told()).toMatchObject([facts])
    expect(await counted('firstlight_fdo_runs_total')).toEqual([
      'firstlight_fdo_runs_total{protocol="TOY",outcome="failed",step="Round"} 1',
    ])
  })

  it('is told of once, however often its messages are repeated', async () => {
    const token = await proven()
    await world.send(Done, 1, token)
    await world.send(Done, 1, token)
    expect(told()).toHaveLength(1)
  })

  it('that is left is told of once its token has expired', async () => {
    await proven()
    expect(await counted('firstlight_fdo_runs_open')).toEqual([
      'firstlight_fdo_runs_open{protocol="TOY"} 1',
    ])
    world.clock.advance(9 * 60_000)
    await world.exchange.sweep()
    expect(told()).toEqual([])
    world.clock.advance(2 * 60_000)
    await world.exchange.sweep()
    expect(told()).toMatchObject([{ outcome: 'abandoned', step: 'Round', messages: 2, ms: 0 }])
    expect(await counted('firstlight_fdo_runs_open')).toEqual([
      'firstlight_fdo_runs_open{protocol="TOY"} 0',
    ])
  })

  it('that only began fills no log when it is left', async () => {
    await world.send(Hello, 1)
    world.clock.advance(11 * 60_000)
    await world.exchange.sweep()
    expect(told()).toMatchObject([{ level: 'debug', outcome: 'abandoned', step: 'Prove' }])
  })

  it('that went on after a restart lasted as long as it lasted', async () => {
    const token = await proven()
    world.clock.advance(5_000)
    const again = await world.restart()
    await again.send(Done, 1, token)
    expect(told()).toMatchObject([{ outcome: 'done', messages: 1, ms: 5_000 }])
  })
})

describe('a run that several processes of one service answer', () => {
  let late: (() => void)[]
  let isSlow: boolean
  let processes: ExchangeWorld[]
  beforeEach(async () => {
    late = []
    isSlow = false
    processes = []
    for (const number of [0, 1]) {
      const storytellers: Storytellers = {
        mark: new Uint8Array([0, number]),
        tell(told) {
          const hear = () => processes[parseInt(told.run.slice(0, 4), 16)]?.exchange.hear(told)
          if (isSlow) late.push(hear)
          else hear()
        },
      }
      processes.push(await world.restart({ storytellers }))
    }
  })

  it('is told of once, by the one in which it began, which hears of the rest', async () => {
    const [one, other] = processes as [ExchangeWorld, ExchangeWorld]
    const hello = await one.send(Hello, 1)
    const prove = await other.send(Prove, 2, hello.authorization)
    const round = await one.send(Round, 3, prove.authorization)
    world.clock.advance(1_000)
    await other.send(Done, 1, round.authorization)
    const facts = { protocol: 'TOY', messages: 4, ms: 1_000, outcome: 'done' }
    expect(told()).toMatchObject([facts])
    world.clock.advance(11 * 60_000)
    for (const { exchange } of processes) await exchange.sweep()
    expect(told()).toHaveLength(1)
  })

  it('that fails at another says why', async () => {
    const [one, other] = processes as [ExchangeWorld, ExchangeWorld]
    const hello = await one.send(Hello, 1)
    const prove = await one.send(Prove, 2, hello.authorization)
    await other.send(Round, 13, prove.authorization)
    const why = { code: 'INVALID_MESSAGE_ERROR', reason: 'thirteen is refused' }
    expect(told()).toMatchObject([{ messages: 2, outcome: 'failed', step: 'Round', ...why }])
  })

  it('is over when it has ended, even if a word of it comes later', async () => {
    const [one, other] = processes as [ExchangeWorld, ExchangeWorld]
    const hello = await one.send(Hello, 1)
    isSlow = true
    const prove = await other.send(Prove, 2, hello.authorization)
    await one.send(Done, 1, prove.authorization)
    for (const hear of late) hear()
    world.clock.advance(11 * 60_000)
    for (const { exchange } of processes) await exchange.sweep()
    expect(told()).toMatchObject([{ outcome: 'done', messages: 2 }])
  })

  it('waits for what came last, in whatever order that is heard', async () => {
    const [one, other] = processes as [ExchangeWorld, ExchangeWorld]
    const hello = await one.send(Hello, 1)
    isSlow = true
    const prove = await other.send(Prove, 2, hello.authorization)
    world.clock.advance(1_000)
    isSlow = false
    await one.send(Round, 3, prove.authorization)
    for (const hear of late) hear()
    world.clock.advance(11 * 60_000)
    await one.exchange.sweep()
    expect(told()).toMatchObject([{ outcome: 'abandoned', step: 'Round', messages: 3, ms: 1_000 }])
  })
})

describe('the book', () => {
  it('keeps no more than ten thousand runs, whoever begins how many', async () => {
    const clock = new FakeClock()
    const own = new Metrics()
    const book = new RunBook({ clock, log: createLog('silent'), metrics: own })
    const startedAt = clock.now().getTime() / 1000
    const chapter = (id: Uint8Array) => {
      return { run: { id, role: 60, startedAt }, protocol: 'TO2', source: 'here', guid: undefined }
    }
    for (let i = 0; i < 10_050; i++) book.answered(chapter(randomBytes(16)), 'TO2.ProveDevice')
    expect(await own.text()).toContain('firstlight_fdo_runs_open{protocol="TO2"} 10000\n')
  })

  it('tells of the device, once that is known', () => {
    const book = new RunBook({
      ...{ clock: world.clock, metrics: new Metrics() },
      log: createLog('info', { write: (line) => void lines.push(JSON.parse(line)) }),
    })
    const run = { id: randomBytes(16), role: 60, startedAt: 0 }
    const chapter = { run, protocol: 'TO2', source: '192.0.2.1', guid: undefined }
    book.answered({ ...chapter, guid: new Uint8Array(16).fill(0xab) }, 'TO2.ProveDevice')
    book.failed(chapter, 'TO2.ProveDevice', new FdoError('INVALID_MESSAGE_ERROR', 'no'))
    expect(told()).toMatchObject([{ guid: 'ab'.repeat(16), source: '192.0.2.1', messages: 1 }])
  })
})

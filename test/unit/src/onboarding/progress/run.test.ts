import { describe, expect, it } from 'vitest'
import { utf8 } from '../../../../../protocol/bytes.ts'
import { appended, outputText } from '../../../../../src/onboarding/progress/output.ts'
import { type RunEvent, runOf } from '../../../../../src/onboarding/progress/run.ts'
import type { OutputRow, ProgressRow } from '../../../../../src/onboarding/progress/store.ts'

const at = (second: number) => `2026-01-02T03:04:${String(second).padStart(2, '0')}.000Z`
/** In order; each a second later. */
const events = (...all: [type: string, detail?: object][]): RunEvent[] =>
  all
    .map(([type, detail], i) => ({
      ...{ seq: i + 1, at: at(i), type, detail: detail ? JSON.stringify(detail) : null },
    }))
    .toReversed()
const PLAN = { plan: { name: 'p', version: 3, steps: ['a', 'b', 'c'] } }
const row = (more: Partial<ProgressRow>): ProgressRow => ({
  ...{ device_id: 'd', run_id: 'r', message: 68, rounds: 16, received: 7, step: 'b' },
  ...{ module: 'fdo.download', done: 5, total: 10, updated_at: at(9), ...more },
})
const run = (all: RunEvent[], more: Partial<Parameters<typeof runOf>[0]> = {}) =>
  runOf({
    ...{ device: { state: 'onboarding' }, events: all, progress: undefined, outputs: [], ...more },
  })
const states = ({ steps }: ReturnType<typeof run>) =>
  steps.map(({ name, state }) => `${name} ${state}`)

describe('a run', () => {
  it('that never was is none', () => {
    expect(run(events(['owned']))).toMatchObject({ outcome: 'none', steps: [], message: null })
  })

  it('that has just begun has no plan yet', () => {
    expect(run(events(['owned'], ['onboarding']))).toMatchObject({
      ...{ outcome: 'running', plan: null, message: 64, stepsLeft: null, startedAt: at(1) },
    })
  })

  it('is as far as its steps are', () => {
    const done = run(
      events(['onboarding'], ['devmod', PLAN], ['step-done', { step: 'a', module: 'fdo.csr' }]),
    )
    expect(done).toMatchObject({
      ...{ outcome: 'running', plan: { name: 'p', version: 3 }, message: 68, stepsLeft: 2 },
      steps: [{ module: 'fdo.csr' }, { module: null }, {}],
    })
    expect(states(done)).toEqual(['a done', 'b running', 'c waiting'])
  })

  it('says what is under way, and how much of its file is left', () => {
    const all = events(['onboarding'], ['devmod', PLAN])
    const far = run(all, { progress: row({ step: 'b' }) })
    expect(far).toMatchObject({ rounds: 16, receivedBytes: 7, updatedAt: at(9) })
    expect(states(far)).toEqual(['a waiting', 'b running', 'c waiting'])
    expect(far.steps[1]).toMatchObject({ module: 'fdo.download', bytes: { done: 5, total: 10 } })
    // Of the run before.
    const old = run(all, { progress: row({ updated_at: '2025-01-01T00:00:00.000Z' }) })
    expect(old).toMatchObject({ rounds: null, steps: [{ state: 'running', bytes: null }, {}, {}] })
    // Ended since.
    const ended = events(['onboarding'], ['devmod', PLAN], ['step-done', { step: 'b' }])
    expect(states(run(ended, { progress: row({ step: 'b' }) }))).toEqual([
      ...['a running', 'b done', 'c waiting'],
    ])
  })

  it('that failed says where, and what was printed', () => {
    const outputs: OutputRow[] = [
      {
        ...{ device_id: 'd', run_id: 'r', step: 'b', stream: 'stderr' },
        ...appended({ head: utf8(''), tail: utf8(''), length: 0 }, utf8('no disk')),
      },
    ]
    const failed = run(
      events(
        ['onboarding'],
        ['devmod', PLAN],
        ['step-skipped', { step: 'a', reason: 'none of its modules' }],
        ['step-failed', { step: 'b', reason: 'exit code 1' }],
        ['failed'],
      ),
      { device: { state: 'failed' }, outputs },
    )
    expect(failed).toMatchObject({ outcome: 'failed', endedAt: at(4), stepsLeft: 1 })
    expect(failed.steps).toMatchObject([
      { state: 'skipped', reason: 'none of its modules' },
      { state: 'failed', reason: 'exit code 1', stderr: 'no disk', stdout: null },
      { state: 'waiting' },
    ])
  })

  it('that is over has nothing left', () => {
    const all = events(
      ['onboarding'],
      ['devmod', PLAN],
      ['step-done', { step: 'a' }],
      ['onboarded'],
    )
    const over = run(all, { device: { state: 'onboarded' } })
    expect(over).toMatchObject({ outcome: 'onboarded', message: 70, stepsLeft: 0 })
    expect(states(over)).toEqual(['a done', 'b skipped', 'c skipped'])
  })

  it('is the last one', () => {
    const all = events(['onboarding'], ['devmod', PLAN], ['failed'], ['onboarding'])
    expect(run(all)).toMatchObject({ outcome: 'running', plan: null, startedAt: at(3) })
    const sold = run(events(['onboarding'], ['handed-over']), { device: { state: 'handed-over' } })
    expect(sold.outcome).toBe('none')
  })
})

describe('output', () => {
  const add = (...texts: string[]) =>
    texts.reduce((kept, text) => appended(kept, utf8(text)), {
      ...{ head: utf8(''), tail: utf8(''), length: 0 },
    })

  it('that is short is kept whole, in however many pieces it comes', () => {
    expect(outputText(add('a', '', 'bc', 'd'))).toBe('abcd')
    const long = 'x'.repeat(20_000)
    expect(outputText(add(long.slice(0, 9_000), long.slice(9_000)))).toBe(long)
  })

  it('that is long is kept by its beginning and its end', () => {
    const kept = add('begin', ...Array.from({ length: 100 }, () => 'x'.repeat(5_000)), 'end')
    expect(kept.length).toBe(500_008)
    const text = outputText(kept)
    expect(text.startsWith('begin')).toBe(true)
    expect(text.endsWith('end')).toBe(true)
    expect(text).toContain(`… ${500_008 - 32 * 1024} bytes left out …`)
  })
})

/**
 * What the same costs with few rows and with many: both services run side by side and are asked in
 * turn, so that a machine that becomes slower does so for both.
 */
import type { Meter } from '../phases.ts'
import type { Site } from './site.ts'

/** Of one of so many, in milliseconds. */
export interface Each {
  readonly wallMs: number
  /** Processor time of the service, */
  readonly cpuMs: number
  /** and of PostgreSQL. */
  readonly databaseMs: number
}

export interface Pair {
  readonly what: string
  readonly empty: Each
  readonly full: Each
}

export interface Sites {
  readonly empty: Site
  readonly full: Site
}

type Sum = Each & { readonly times: number }

const NONE: Sum = { times: 0, wallMs: 0, cpuMs: 0, databaseMs: 0 }

/** Costs of many kinds, added up as they come. */
export class Ledger {
  readonly #sums = new Map<string, Record<keyof Sites, Sum>>()

  add(what: string, where: keyof Sites, { times, wallMs, cpuMs, databaseMs }: Sum): void {
    const sums = this.#sums.get(what) ?? { empty: NONE, full: NONE }
    const before = sums[where]
    this.#sums.set(what, {
      ...sums,
      [where]: {
        times: before.times + times,
        wallMs: before.wallMs + wallMs,
        cpuMs: before.cpuMs + cpuMs,
        databaseMs: before.databaseMs + databaseMs,
      },
    })
  }

  get pairs(): readonly Pair[] {
    return Array.from(this.#sums, ([what, { empty, full }]) => ({
      what,
      empty: eachOf(empty),
      full: eachOf(full),
    }))
  }
}

function eachOf({ times, wallMs, cpuMs, databaseMs }: Sum): Each {
  return { wallMs: wallMs / times, cpuMs: cpuMs / times, databaseMs: databaseMs / times }
}

/** Each in its turn, the one that was second first the next time. */
export async function inTurn(
  rounds: number,
  work: (where: keyof Sites, round: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const [first, second] =
      round % 2 === 0 ? (['empty', 'full'] as const) : (['full', 'empty'] as const)
    await work(first, round)
    await work(second, round)
  }
}

export async function costOf(meter: Meter, times: number, work: () => Promise<void>): Promise<Sum> {
  const before = meter()
  const started = performance.now()
  await work()
  const wallMs = performance.now() - started
  const after = meter()
  return {
    times,
    wallMs,
    cpuMs: after.cpuMs - before.cpuMs,
    databaseMs: after.databaseMs - before.databaseMs,
  }
}

/** How much more, in per cent. */
export function growth(before: number, after: number): number {
  return before > 0 ? Math.round((after / before - 1) * 1000) / 10 : 0
}

/** Processor time, wherever it went. */
export function cpuOf({ cpuMs, databaseMs }: Each): number {
  return cpuMs + databaseMs
}

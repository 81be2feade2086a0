/** How the benchmarks measure and show what they do. */
import { table } from '../../src/cli/output.ts'
import type { Floor } from './floor.ts'
import { cpuMs } from './process.ts'

/** Of so many of a kind: how long they took, and the processor time of each server. */
export interface Cost {
  readonly seconds: number
  readonly cpuMs: readonly number[]
}

export async function costOf(pids: readonly number[], work: () => Promise<void>): Promise<Cost> {
  const before = pids.map((pid) => cpuMs([pid]))
  const started = performance.now()
  await work()
  const seconds = (performance.now() - started) / 1000
  return { seconds, cpuMs: pids.map((pid, i) => cpuMs([pid]) - (before[i] ?? 0)) }
}

/** The machine's speed drifts: the faster measurement is the stricter floor. */
export function lower(a: Floor, b: Floor): Floor {
  return a.ms < b.ms ? a : b
}

export function floorTable({ operations }: Pick<Floor, 'operations'>): string {
  const rows = Object.entries(operations).map(([name, one]) => ({ name, ...one }))
  return table(rows, [
    { title: 'OPERATION', value: ({ name }) => name },
    { title: 'TIMES', value: ({ count }) => count, right: true },
    { title: 'EACH (µs)', value: ({ us }) => us, right: true },
    { title: 'WHERE', value: ({ where }) => where },
  ])
}

export function round(value: number): number {
  return Math.round(value * 100) / 100
}

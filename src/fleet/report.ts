/** What a fleet run measured: throughput, latency percentiles, errors by code. */

export interface Outcome {
  readonly ms: number
  /** FDO error code, or a word for what is not an FDO error; null where it went well. */
  readonly error: string | null
}

export interface FleetReport {
  readonly count: number
  readonly onboarded: number
  readonly failed: number
  readonly seconds: number
  readonly per_second: number
  readonly latency_ms: { readonly p50: number; readonly p95: number; readonly p99: number }
  readonly errors: Readonly<Record<string, number>>
}

export function fleetReport(outcomes: readonly Outcome[], seconds: number): FleetReport {
  const good = outcomes.filter(({ error }) => error === null)
  const errors: Record<string, number> = {}
  for (const { error } of outcomes) {
    if (error !== null) errors[error] = (errors[error] ?? 0) + 1
  }
  const sorted = good.map(({ ms }) => ms).sort((a, b) => a - b)
  return {
    count: outcomes.length,
    onboarded: good.length,
    failed: outcomes.length - good.length,
    seconds: round(seconds),
    per_second: seconds > 0 ? round(good.length / seconds) : 0,
    latency_ms: {
      p50: percentile(sorted, 50),
      p95: percentile(sorted, 95),
      p99: percentile(sorted, 99),
    },
    errors,
  }
}

/** The nearest-rank percentile of sorted values; 0 where there are none. */
export function percentile(sorted: readonly number[], percent: number): number {
  const rank = Math.max(1, Math.ceil((percent / 100) * sorted.length))
  return round(sorted[rank - 1] ?? 0)
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** Times as people type them. */
import { CliFailure } from './failure.ts'

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const

/** `90s`, `30m`, `1h` or `7d`, in seconds. */
export function secondsOf(time: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(time) ?? []
  if (count === undefined || unit === undefined || Number(count) === 0) {
    throw new CliFailure('usage', `not a time: ${time}`, { next: 'write 90s, 30m, 1h or 7d' })
  }
  return Number(count) * SECONDS[unit as keyof typeof SECONDS]
}

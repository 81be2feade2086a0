/** Times and spans as people give them to commands. */
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

/** A time, or how long ago. */
export function timeOf(text: string, flag: string): string {
  if (/^\d+[smhd]$/.test(text)) return new Date(Date.now() - secondsOf(text) * 1000).toISOString()
  const time = new Date(text)
  if (!Number.isNaN(time.getTime())) return time.toISOString()
  throw new CliFailure('usage', `${flag}: not a time: ${text}`, {
    next: 'write it as 2026-01-31T12:00:00Z, or as 90m, 12h or 7d ago',
  })
}

/** From when, and until when; what was not said stays undefined. */
export function periodOf({ since, until }: { readonly since?: string; readonly until?: string }) {
  return {
    since: since === undefined ? undefined : timeOf(since, '--since'),
    until: until === undefined ? undefined : timeOf(until, '--until'),
  }
}

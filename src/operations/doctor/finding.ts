/** What a check has found out, and what to do about it. */
export interface Finding {
  readonly check: string
  /** Only a problem keeps the installation from doing what it is for, now or soon. */
  readonly status: 'ok' | 'warning' | 'problem' | 'skipped'
  readonly detail: string
  readonly next?: string
}

/** Findings of one check, without saying its name each time. */
export function findings(check: string) {
  return {
    ok: (detail: string): Finding => ({ check, status: 'ok', detail }),
    skipped: (detail: string): Finding => ({ check, status: 'skipped', detail }),
    warning: (detail: string, next: string): Finding => ({
      check,
      status: 'warning',
      detail,
      next,
    }),
    problem: (detail: string, next: string): Finding => ({
      check,
      status: 'problem',
      detail,
      next,
    }),
  }
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as { code?: unknown }
  return error.message || (typeof code === 'string' ? code : error.name)
}

export function daysUntil(time: Date, now: Date): number {
  return Math.floor((time.getTime() - now.getTime()) / 86_400_000)
}

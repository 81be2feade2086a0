/** The few places where databases differ. */

/** Another process holds the lock: nothing has happened, try again. */
export function isBusy(error: unknown): boolean {
  return hasCode(error) && error.code.startsWith('SQLITE_BUSY')
}

/** A row that must be the only one of its kind is there already. */
export function isConflict(error: unknown): boolean {
  return (
    hasCode(error) &&
    (error.code === 'SQLITE_CONSTRAINT_PRIMARYKEY' || error.code === 'SQLITE_CONSTRAINT_UNIQUE')
  )
}

function hasCode(error: unknown): error is { code: string } {
  return (
    typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
  )
}

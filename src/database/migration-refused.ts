/** This version and the database do not go together; nothing was changed. */
export class MigrationRefused extends Error {
  override readonly name = 'MigrationRefused'
}

/** A later version has been here: what it added, this one does not know. */
export function refuseLater(had: readonly string[], known: object): void {
  const later = had.find((name) => !Object.hasOwn(known, name))
  if (later === undefined) return
  throw new MigrationRefused(
    `the database was upgraded by a later version (${later}): run that one, or restore a back-up`,
  )
}

export function migrationFailed(migration: string | undefined, cause: unknown): MigrationRefused {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MigrationRefused(
    `migration ${migration ?? ''} failed, and nothing was changed: ${reason}; the version before goes on`,
    { cause },
  )
}

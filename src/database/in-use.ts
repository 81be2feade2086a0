/** Somebody else has the database open, or has it alone. */
export class DatabaseInUse extends Error {
  override readonly name = 'DatabaseInUse'
}

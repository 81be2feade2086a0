/** What the database knows of its own shape, beside the migrations it has had. */

/** One row, or none where every program may run that knows this table. */
export interface SchemaFloorTable {
  /** The name of the migration that a program must know. */
  oldest: string
}

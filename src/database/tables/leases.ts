/** Whose work it is, of what several processes share. */

/** A kind of work that one process at a time does. */
export interface LeaseTable {
  name: string
  /** Random, one for each start of a process. */
  holder: string
  /** Whoever has not renewed it by then has died. */
  until: string
}

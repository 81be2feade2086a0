/** What a message meets when its turn comes. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { HeldState, MountedRole } from './mounted-role.ts'
import type { Run } from './sealed-session.ts'

/** One message's turn: the state it meets. */
export interface Turn {
  readonly role: MountedRole
  readonly run: Run
  readonly held: HeldState
  /** Undefined while the run has no row. */
  readonly row: TurnRow | undefined
  /** Of the message whose turn it is, where that was needed to find it. */
  readonly requestHash?: Bytes
}

export interface TurnRow {
  /** The run's name in the database. */
  readonly name: string
  /** How many messages it has answered, */
  readonly version: number
  /** and the hash of the last of them. */
  readonly requestHash: Bytes
}

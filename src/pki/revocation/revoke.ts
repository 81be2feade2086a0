/** What a device got here is worth nothing any more, whatever its certificate says. */
import type { Executor } from '../../database/connection.ts'
import { noteChange, revoke } from './store.ts'

/** Sold to somebody else, taken out of service, or made once more from the beginning. */
export type RevocationReason = 'handed-over' | 'retired' | 'made-anew'

export interface Revocation {
  readonly deviceId: string
  readonly reason: RevocationReason
  readonly at: string
}

/**
 * In the transaction of what makes it so; the serial numbers of what was revoked by this. Tokens are
 * looked at together with their certificate, so that they end with it.
 */
export async function revokeCredentials(
  tx: Executor,
  revocation: Revocation,
): Promise<readonly string[]> {
  const revoked = await revoke.all(tx, revocation)
  if (revoked.length > 0) await noteChange.run(tx, {})
  return revoked.map(({ serial }) => serial)
}

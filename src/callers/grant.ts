/** No one can give more than they hold. */
import type { Principal } from '../http/authenticate.ts'
import { type Permission, permissionsFor } from '../http/permissions.ts'
import { Problem } from '../http/problem.ts'

/** Throws a Problem where one of the scopes is unknown, or `by` may not do all that they permit. */
export function checkGrant(scopes: readonly string[], by: Principal): void {
  const beyond = beyondOf(scopes, by)
  if (!beyond) throw new Problem('invalid-request', 'scopes: one of them is unknown')
  if (beyond.length > 0) {
    throw new Problem('not-permitted', `you yourself lack ${beyond.join(', ')}`)
  }
}

function beyondOf(scopes: readonly string[], by: Principal): readonly Permission[] | undefined {
  const permissions = permissionsFor(by.party, scopes)
  return permissions && [...permissions].filter((permission) => !by.permissions.has(permission))
}

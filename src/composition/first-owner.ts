/** To whom vouchers are made out at DI, as the configuration says. */
import { readFileSync } from 'node:fs'
import { ConfigError } from '../config.ts'
import { HOME_PARTY } from '../database/tables.ts'
import {
  type FindFirstOwner,
  firstOwnerFromPem,
  firstOwnerHere,
} from '../manufacturing/first-owner.ts'
import type { Services } from '../services.ts'

export function firstOwnerOf({ config, keyStore }: Services): FindFirstOwner | undefined {
  const { firstOwner } = config
  if (firstOwner === 'none') return undefined
  if (firstOwner === 'self') return firstOwnerHere(keyStore.ring(HOME_PARTY))
  try {
    return firstOwnerFromPem(readFileSync(firstOwner, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`FIRSTLIGHT_FIRST_OWNER: ${firstOwner}: ${reason}`, { cause })
  }
}

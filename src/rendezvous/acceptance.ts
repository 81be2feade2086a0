/** What may take the place of what: stores a registration, or refuses it for good. */
import { hash } from 'node:crypto'
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { chainOf, replaces } from '../../protocol/to0/replacement.ts'
import type { To0RendezvousEffect } from '../../protocol/to0/rendezvous.ts'
import type { Executor } from '../database/connection.ts'
import { type RegistrationRow, findAny, put, renew } from './store.ts'

/**
 * Numbers runs in the order in which they begin: the clock's milliseconds and, within one, a count.
 * It tells an old TO0.OwnerSign, sent once more, from one that is due.
 */
export class RunOrder {
  #last = 0

  next(now: Date): number {
    this.#last = Math.max(this.#last + 1, now.getTime() * 1000)
    return this.#last
  }
}

/** Stores what TO0 registered, unless it may not; a repeat of what is stored changes nothing. */
export async function storeRegistration(
  effect: To0RendezvousEffect,
  tx: Executor,
  now: Date,
): Promise<void> {
  const guid = toHex(effect.guid)
  const owner_key = hash('sha256', effect.ownerKey.spki, 'buffer')
  const known = await findAny.first(tx, { guid })
  const chain = known
    ? replaces(rankOf(known), { ...effect, ownerKey: owner_key })
    : chainOf(effect.entryHashes)
  if (!chain) return
  const registration = {
    guid,
    to1d: effect.to1d,
    device_key: effect.deviceKey.spki,
    run_order: effect.order,
    registered_at: now.toISOString(),
    expires_at: new Date(now.getTime() + effect.waitSeconds * 1000).toISOString(),
  }
  const { entries, lastEntryHash: last_entry_hash } = chain
  const isRenewal =
    known !== undefined &&
    equalBytes(known.owner_key, owner_key) &&
    equalBytes(known.last_entry_hash, last_entry_hash)
  if (isRenewal) await renew.run(tx, registration)
  else await put.run(tx, { ...registration, owner_key, entries, last_entry_hash })
}

function rankOf({ to1d, owner_key, entries, last_entry_hash, run_order }: RegistrationRow) {
  return {
    to1d,
    ownerKey: owner_key,
    entries,
    lastEntryHash: last_entry_hash,
    order: run_order,
  }
}

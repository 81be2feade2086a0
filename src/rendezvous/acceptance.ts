/** Whose vouchers the rendezvous takes, for how long, and what may take the place of what. */
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { replaces } from '../../protocol/to0/replacement.ts'
import type { To0RendezvousEffect } from '../../protocol/to0/rendezvous.ts'
import type { Executor } from '../database/connection.ts'
import type { RegistrationStore, StoredRegistration } from './store.ts'

/** An owner that asks for no time in particular. */
const DEFAULT_SECONDS = 3_600
/** Longer than this nothing is kept without word from its owner. */
const MOST_SECONDS = 30 * 86_400

/** What an owner that asks for `asked` seconds gets: never none, and the same every time. */
export function grantedSeconds(asked: number): number {
  return asked === 0 ? DEFAULT_SECONDS : Math.min(asked, MOST_SECONDS)
}

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
  store: RegistrationStore,
  effect: To0RendezvousEffect,
  tx: Executor,
  now: Date,
): Promise<void> {
  const guid = toHex(effect.guid)
  const ownerKey = effect.ownerKey.spki
  const offered = { ...effect, ownerKey }
  const known = await store.findAny(tx, guid)
  const entryHashes = known ? replaces(rankOf(known, now), offered) : effect.entryHashes
  if (!entryHashes) return
  await store.put(tx, {
    guid,
    to1d: effect.to1d,
    device_key: effect.deviceKey.spki,
    owner_key: ownerKey,
    entry_hashes: Buffer.concat(entryHashes),
    run_order: effect.order,
    registered_at: now.toISOString(),
    expires_at: new Date(now.getTime() + effect.waitSeconds * 1000).toISOString(),
  })
}

function rankOf(stored: StoredRegistration, now: Date) {
  return {
    to1d: stored.to1d,
    ownerKey: stored.owner_key,
    entryHashes: hashesIn(stored.entry_hashes),
    order: stored.run_order,
    lapsed: stored.expires_at <= now.toISOString(),
  }
}

const SHA256_BYTES = 32

function hashesIn(joined: Bytes): Bytes[] {
  const hashes: Bytes[] = []
  for (let i = 0; i < joined.length; i += SHA256_BYTES) {
    hashes.push(joined.subarray(i, i + SHA256_BYTES))
  }
  return hashes
}

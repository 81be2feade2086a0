/** The keys that sign vouchers: made ahead of the first device, and kept while one needs them. */
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { Executor } from '../database/connection.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { MANUFACTURER, OWNER } from '../manufacturing/keys.ts'
import { findOpenFor } from '../manufacturing/lines/imports/store.ts'
import type { KeyInfo } from '../secrets/key-info.ts'
import type { KeyStore } from '../secrets/key-store.ts'
import type { Services } from '../services.ts'
import { countOwned } from '../vouchers/owned/store.ts'

/** How many vouchers only this key can sign for. */
export function countVouchers(db: Executor, key: KeyInfo, most: number): Promise<number> {
  return countOwned(db, { party: key.party, ownerKey: key.fingerprint, most })
}

/** An order whose last word only this key can sign: see OrderImports.close. */
export async function findOrderFor(db: Executor, key: KeyInfo): Promise<string | undefined> {
  return key.purpose === MANUFACTURER ? findOpenFor(db, key) : undefined
}

/** Signs vouchers. */
function signingPurposes({ config }: Services): readonly string[] {
  return config.roles.includes('manufacturer') ? [MANUFACTURER, OWNER] : [OWNER]
}

/** Those that cost nothing to make. */
export async function makeFirstKeys(services: Services, party: string): Promise<void> {
  const keys = services.keyStore.ring(party)
  await Promise.all(signingPurposes(services).map((one) => keys.ensure(one, ['p256', 'p384'])))
}

/**
 * Made ahead: a device should not have to wait until an RSA key is found. One after the other, since
 * the threads that look for them are those that bring commits to the disk.
 */
export async function makeRsaKeys(services: Services, signal: AbortSignal): Promise<void> {
  const { keyStore, log } = services
  const keys = keyStore.ring(HOME_PARTY)
  for (const kind of ['rsa2048', 'rsa3072'] as const) {
    for (const purpose of signingPurposes(services)) {
      if (signal.aborted) return
      await keys.ensure(purpose, [kind]).catch((err: unknown) => {
        if (!signal.aborted) log.error({ err, purpose, kind }, 'a key could not be made')
      })
    }
  }
}

/** By its fingerprint; see VoucherTable.owner_key. */
export async function findOwnerSigner(
  keyStore: KeyStore,
  party: string,
  fingerprint: string,
): Promise<Signer | undefined> {
  const ring = keyStore.ring(party)
  const known = (await ring.ranked(OWNER)).find((key) => key.fingerprint === fingerprint)
  return known && ring.findSigner(OWNER, known.spki)
}

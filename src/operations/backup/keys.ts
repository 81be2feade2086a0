/** Whether a master key is the one that a database needs, down to its last private key. */
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { KeyStore } from '../../secrets/key-store.ts'
import { checkMasterKey, loadMasterKey } from '../../secrets/master-key.ts'
import { Sealer } from '../../secrets/seal.ts'

/** Throws StartRefused for another key, and an Error that names the private key it does not open. */
export async function expectKeysOpen(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  masterKeyFile: string,
): Promise<void> {
  const asRead = new Sealer(loadMasterKey(masterKeyFile, true))
  const sealer = await checkMasterKey(database, asRead, masterKeyFile)
  const keys = await KeyStore.open({ database, clock, sealer })
  for (const key of keys.list()) await keys.objectOf(key)
}

/** A database that was restored, made ready for a service: in its work directory, where nobody else sees it. */
import { toHex } from '../../../protocol/bytes.ts'
import { ApiTokens } from '../../api-tokens/service.ts'
import { AuditLog } from '../../audit/log.ts'
import { findHead } from '../../audit/store.ts'
import type { Clock } from '../../clock.ts'
import { type Database, openDatabase } from '../../database/open.ts'
import { createEvents } from '../../events.ts'
import { silentLog } from '../../log.ts'
import { Parties } from '../../parties/service.ts'
import { replaceSecretFile } from '../../secrets/master-key.ts'
import { expectKeysOpen } from './keys.ts'
import type { Manifest } from './manifest.ts'
import * as store from './store.ts'

export interface Unsettled {
  readonly clock: Clock
  readonly manifest: Manifest
  readonly databaseFile: string
  readonly masterKeyFile: string
  readonly adminTokenFile: string
}

export interface RestoredState {
  /** Vouchers that devices may come for. */
  readonly held: number
  /** Where the log of each party stood: what it says from here on is this installation's own. */
  readonly forks: readonly { readonly party: string; readonly seq: number; readonly hash: string }[]
}

export async function settle(unsettled: Unsettled): Promise<RestoredState> {
  const { clock, masterKeyFile, databaseFile } = unsettled
  const database = await openDatabase(databaseFile)
  try {
    await expectKeysOpen({ database, clock }, masterKeyFile)
    const forks = await record(database, unsettled)
    await replaceAdminToken(database, unsettled)
    return { held: await store.countHeld(database.db), forks }
  } finally {
    await database.close()
  }
}

/** Each party's log tells that it may have been longer once. */
async function record(
  database: Database,
  { clock, manifest: { made_at, version } }: Unsettled,
): Promise<RestoredState['forks']> {
  const audit = new AuditLog({ clock })
  const parties = await store.listParties(database.db)
  return database.commit(
    async (tx) => {
      const forks = []
      for (const party of parties) {
        const head = await findHead(tx, party)
        const detail = { made_at, version }
        const [entry] = await audit.append(tx, {
          party,
          type: 'restored',
          by: 'system',
          subject: {},
          detail,
        })
        forks.push({
          party,
          seq: head?.seq ?? 0,
          hash: toHex(entry?.previous ?? new Uint8Array(0)),
        })
      }
      return forks
    },
    { durable: true },
  )
}

/** Whoever found the machine that was lost must not get in with what lies there. */
async function replaceAdminToken(
  database: Database,
  { clock, adminTokenFile }: Unsettled,
): Promise<void> {
  const audit = new AuditLog({ clock })
  const parties = await Parties.open({ database, clock, audit })
  const events = createEvents(silentLog)
  const tokens = new ApiTokens({ database, clock, events, audit, parties })
  await tokens.replaceFirst((token) => replaceSecretFile(adminTokenFile, token))
}

/** A database that was restored, made ready for a service before anybody else sees it. */
import { toHex } from '../../../protocol/bytes.ts'
import { ApiTokens } from '../../api-tokens/service.ts'
import { AuditLog } from '../../audit/log.ts'
import { beginningOf } from '../../audit/entry.ts'
import { settleRestored } from '../../audit/settle.ts'
import { findHead } from '../../audit/store.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
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
  readonly masterKeyFile: string
  readonly adminTokenFile: string
}

export interface RestoredState {
  /** Vouchers that devices may come for. */
  readonly held: number
  /** Where the log of each party stood: what it says from here on is this installation's own. */
  readonly forks: readonly { readonly party: string; readonly seq: number; readonly hash: string }[]
}

export async function settle(database: Database, unsettled: Unsettled): Promise<RestoredState> {
  const { clock, masterKeyFile } = unsettled
  await expectKeysOpen({ database, clock }, masterKeyFile)
  const forks = await listHeads(database)
  // What had no place in the log yet may have got another one where it came from.
  await settleRestored(database)
  await record(database, unsettled)
  await replaceAdminToken(database, unsettled)
  return { held: await store.countHeld(database.db), forks }
}

async function listHeads({ db }: Database): Promise<RestoredState['forks']> {
  const forks = []
  for (const party of await store.listParties(db)) {
    const head = await findHead(db, party)
    forks.push({ party, seq: head?.seq ?? 0, hash: toHex(head?.hash ?? beginningOf(party)) })
  }
  return forks
}

/** Each party's log tells that it may have been longer once. */
async function record(
  database: Database,
  { clock, manifest: { made_at, version } }: Unsettled,
): Promise<void> {
  const audit = new AuditLog({ clock })
  const parties = await store.listParties(database.db)
  const entry = {
    type: 'restored',
    by: 'system',
    subject: {},
    detail: { made_at, version },
  } as const
  await database.commit(
    (tx) => audit.append(tx, ...parties.map((party) => ({ party, ...entry }))),
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

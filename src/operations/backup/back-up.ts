/** A back-up from beginning to end: the keys tried before, the file made, and that it was made kept. */
import { AuditLog } from '../../audit/log.ts'
import { settleAll } from '../../audit/settle.ts'
import { type Config, databasePlace } from '../../config.ts'
import { type Database, openDatabase } from '../../database/open.ts'
import { KNOWN_MIGRATIONS } from '../../database/rows.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import type { Recipient } from './envelope.ts'
import { expectKeysOpen } from './keys.ts'
import { type BackupServices, type MadeBackup, makeBackup } from './make.ts'
import { storeLastBackup } from './store.ts'

export interface BackUpServices extends BackupServices {
  readonly config: Config
}

export interface DoneBackup extends MadeBackup {
  /**
   * Whether the installation knows of it. Not where its database lacks migrations of this version:
   * who makes a back-up before an upgrade does not want it upgraded by that.
   */
  readonly recorded: boolean
}

export async function backUp(
  services: BackUpServices,
  out: string,
  recipients: readonly Recipient[],
): Promise<DoneBackup> {
  const { config, clock, dump } = services
  const had = await dump.migrations()
  const isCurrent = KNOWN_MIGRATIONS.every((name) => had.includes(name))
  if (isCurrent) {
    await using(config, async (database) => {
      await expectKeysOpen({ database, clock }, config.masterKeyFile)
      // As far as the log in the back-up goes it is that of the installation.
      await settleAll(database)
    })
  }
  const made = await makeBackup(services, out, recipients)
  if (isCurrent) await using(config, (database) => record(services, database, made, recipients))
  return { ...made, recorded: isCurrent }
}

/** All keys of the installation have left it: its log tells, and to whom. */
async function record(
  { clock }: Pick<BackupServices, 'clock'>,
  database: Database,
  { manifest, sha256 }: MadeBackup,
  recipients: readonly Recipient[],
): Promise<void> {
  const audit = new AuditLog({ clock })
  const detail = { sha256, recipients: recipients.map(({ fingerprint }) => fingerprint) }
  const type = 'backup-made'
  const entry = { party: HOME_PARTY, type, by: 'system', subject: {}, detail } as const
  await database.commit(async (tx) => {
    await storeLastBackup(tx, manifest.made_at)
    await audit.append(tx, entry)
  })
}

async function using<T>(config: Config, work: (database: Database) => Promise<T>) {
  const database = await openDatabase(databasePlace(config))
  try {
    return await work(database)
  } finally {
    await database.close()
  }
}

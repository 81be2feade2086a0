/** A data directory as a service leaves it, without the service. */
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AuditLog } from '../../src/audit/log.ts'
import { FakeClock } from '../../src/clock.ts'
import { type Config, databasePlace, loadConfig } from '../../src/config.ts'
import { dumpOf } from '../../src/database/dump.ts'
import { type Database, openDatabase } from '../../src/database/open.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { Parties } from '../../src/parties/service.ts'
import { KeyStore } from '../../src/secrets/key-store.ts'
import { checkMasterKey, loadMasterKey } from '../../src/secrets/master-key.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { isOnPostgres, makeEmptyDatabase, withDatabase } from './database.ts'

export interface DataDirectory {
  readonly folder: string
  readonly config: Config
  readonly clock: FakeClock
  readonly database: Database
  readonly sealer: Sealer
  file(name: string, content?: string | Uint8Array): string
  close(): Promise<void>
  remove(): Promise<void>
}

const TEXT = 'what devices get'
/** The file that a plan sends. */
export const CONTENT = { text: TEXT, sha384: createHash('sha384').update(TEXT).digest('hex') }

/** With a party, an owner key, and a file that a plan sends; on PostgreSQL where tests are run there. */
export async function dataDirectory({ onSqlite = false } = {}): Promise<DataDirectory> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-data-'))
  const variables = { FIRSTLIGHT_DATA: join(folder, 'data') }
  const config = loadConfig(onSqlite ? variables : await withDatabase(variables))
  mkdirSync(config.dataDir, { mode: 0o700 })
  const clock = new FakeClock()
  const sealer = new Sealer(loadMasterKey(config.masterKeyFile, false))
  const database = await openDatabase(databasePlace(config))
  await checkMasterKey(database, sealer, config.masterKeyFile)
  await Parties.open({ database, clock, audit: new AuditLog({ clock }) })
  const keys = await KeyStore.open({ database, clock, sealer })
  await keys.ring(HOME_PARTY).ensure('owner', ['p256'])
  mkdirSync(join(config.dataDir, 'contents'))
  writeFileSync(join(config.dataDir, 'contents', CONTENT.sha384), CONTENT.text)
  let open = true
  const close = async () => {
    if (open) await database.close()
    open = false
  }
  return {
    ...{ folder, config, clock, database, sealer, close },
    file(name, content) {
      const path = join(folder, name)
      if (content !== undefined) writeFileSync(path, content)
      return path
    },
    async remove() {
      await close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** Where nothing is yet, and a database in which nothing is. */
export async function cleanConfig(folder: string, { onSqlite = false } = {}): Promise<Config> {
  const variables = { FIRSTLIGHT_DATA: folder }
  if (onSqlite || !isOnPostgres) return loadConfig(variables)
  await makeEmptyDatabase(folder)
  return loadConfig(await withDatabase(variables))
}

export async function servicesOf({ config, clock }: Pick<DataDirectory, 'config' | 'clock'>) {
  return { config, clock, version: '1.2.3', dump: await dumpOf(databasePlace(config)) }
}

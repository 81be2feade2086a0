/** The database and the keys: whether they are whole, go together, and were backed up. */
import { existsSync } from 'node:fs'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { DatabaseDump } from '../../database/rows.ts'
import { migrations } from '../../database/migrations/index.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import { MigrationRefused, upgradeOf } from '../../database/upgrade.ts'
import { findHead } from '../../audit/store.ts'
import { silentLog } from '../../log.ts'
import { findNext, listOrigins } from '../../onboarding/register/store.ts'
import { openTokenKeys } from '../../secrets/pkcs11/keys.ts'
import { expectKeysOpen } from '../backup/keys.ts'
import { findLastBackup } from '../backup/store.ts'
import { isClosed } from './files.ts'
import { findLastSealingKey } from './store.ts'
import { type Finding, findings, reasonOf } from './finding.ts'

/** Whether the database can be looked into: undefined where it is of another version, or none. */
export async function checkDatabase(
  { databaseUrl, databaseFile, dataDir }: Config,
  dump: Pick<DatabaseDump, 'findFlaw' | 'migrations' | 'oldest'>,
): Promise<{ readonly found: Finding[]; readonly isCurrent: boolean }> {
  const { ok, problem, warning, skipped } = findings('database')
  const isUnseen = databaseUrl === undefined && isClosed(dataDir)
  if (isUnseen || (databaseUrl === undefined && !existsSync(databaseFile))) {
    const what = `${databaseFile} is not ${isUnseen ? 'seen' : 'there yet'}`
    return { found: [skipped(what)], isCurrent: false }
  }
  try {
    const flaw = await dump.findFlaw()
    if (flaw !== undefined) throw new Error(flaw)
    const had = await dump.migrations()
    const { missing, isLater } = upgradeOf({ had, oldest: await dump.oldest() }, migrations)
    if (missing.length === 0) {
      const version = isLater ? 'of a later version that lets this one run' : 'of this version'
      return { found: [ok(`whole, and ${version}`)], isCurrent: true }
    }
    if (had.length === 0) {
      return { found: [skipped('nothing is in it yet')], isCurrent: false }
    }
    const next = 'make a back-up (firstlight backup), then restart the service'
    const what = `of an earlier version: ${missing.join(', ')} will be run`
    return { found: [warning(what, next)], isCurrent: false }
  } catch (error) {
    if (error instanceof MigrationRefused) {
      const next = 'run the later version, or restore a back-up'
      return { found: [problem(error.message, next)], isCurrent: false }
    }
    const next =
      databaseUrl === undefined
        ? 'keep the files as they are, and restore a back-up elsewhere (firstlight restore)'
        : 'see that DATABASE_URL is right and the server runs; its log says more'
    return { found: [problem(reasonOf(error), next)], isCurrent: false }
  }
}

export async function checkKeys(
  config: Config,
  services: { readonly database: Database; readonly clock: Clock },
): Promise<Finding[]> {
  const { ok, problem } = findings('keys')
  try {
    await expectKeysOpen(services, config.masterKeyFile)
  } catch (error) {
    const next = 'put the master key back that belongs to this database; a back-up holds it'
    return [problem(reasonOf(error), next)]
  }
  const opened = ok('the master key opens every private key')
  return config.pkcs11 ? [opened, await checkToken(config.pkcs11)] : [opened]
}

async function checkToken(pkcs11: NonNullable<Config['pkcs11']>): Promise<Finding> {
  const { ok, problem, warning } = findings('token')
  try {
    const keys = await openTokenKeys(pkcs11, { log: silentLog })
    const count = keys.list().length
    await keys.stop()
    if (count > 0) return ok(`${count} keys in ${pkcs11.token}`)
    const next = 'label keys owner/… or manufacturer/…, or leave FIRSTLIGHT_PKCS11_… away'
    return warning(`no key in ${pkcs11.token} is ours to use`, next)
  } catch (error) {
    const next =
      'check FIRSTLIGHT_PKCS11_MODULE, _TOKEN and _PIN_FILE; a wrong PIN may have locked it'
    return problem(reasonOf(error), next)
  }
}

export async function checkBackup(
  { database, clock }: { readonly database: Database; readonly clock: Clock },
  oldestSeconds: number,
): Promise<Finding[]> {
  const { ok, problem, warning } = findings('back-up')
  const at = await findLastBackup(database.db)
  const next = 'firstlight backup --to recipient.pem --out FILE, every day'
  if (at === undefined) return [warning('none has ever been made', next)]
  const isOld = clock.now().getTime() - Date.parse(at) > oldestSeconds * 1000
  return [isOld ? problem(`the last was made at ${at}`, next) : ok(`the last was made at ${at}`)]
}

const SLACK_MS = 60_000

/** By what was written here: a clock that stands before it has been set back. */
export async function checkClockBehind({
  database,
  clock,
}: {
  readonly database: Database
  readonly clock: Clock
}): Promise<Finding[]> {
  const { ok, problem } = findings('clock')
  const { db } = database
  const head = await findHead(db, HOME_PARTY)
  const times = [head?.at, await findLastSealingKey(db)].filter((one) => one !== undefined)
  const latest = times.toSorted().at(-1)
  if (latest === undefined || Date.parse(latest) <= clock.now().getTime() + SLACK_MS) {
    return [ok('not behind what was written here')]
  }
  const next = 'set the clock: certificates and tokens made until then are not in force'
  return [problem(`it stands before ${latest}, when something was written here`, next)]
}

const OVERDUE_MS = 15 * 60_000
const MOST_PLACES = 50

export async function checkRegistrations({
  database,
  clock,
}: {
  readonly database: Database
  readonly clock: Clock
}): Promise<Finding[]> {
  const { ok, problem } = findings('registrations')
  const late: string[] = []
  for (const origin of (await listOrigins(database.db)).slice(0, MOST_PLACES)) {
    const next = await findNext.first(database.db, { origin })
    const isLate = next && clock.now().getTime() - Date.parse(next.next_at) > OVERDUE_MS
    if (isLate) late.push(`${origin} since ${next.next_at}`)
  }
  if (late.length === 0) return [ok('none is overdue')]
  const next = 'devices do not find us: is the service running, and are those addresses right?'
  return [problem(`vouchers wait to be registered at ${late.join('; ')}`, next)]
}

/**
 * Puts a back-up into an empty data directory, and an empty database. What it holds is checked before
 * anything stands under its own name, and the database comes last: where that is, everything is.
 */
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, open, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import type { KeyObject } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Clock } from '../../clock.ts'
import { type Config, databasePlace } from '../../config.ts'
import { isOnPostgres } from '../../database/connection.ts'
import { dumpOf, fillDatabase } from '../../database/dump.ts'
import { DatabaseNotEmpty, KNOWN_MIGRATIONS, type Snapshot } from '../../database/rows.ts'
import { settleFiles } from '../../onboarding/shared/moving.ts'
import { OperationRefused } from '../refused.ts'
import { unwrapKey } from './envelope.ts'
import { DATABASE, FOLDERS, MASTER_KEY } from './files.ts'
import type { Manifest } from './manifest.ts'
import { readBackup } from './read.ts'
import { snapshotIn } from './rows.ts'
import { type RestoredState, settle } from './settle.ts'

export interface RestoreServices {
  readonly config: Config
  readonly clock: Clock
}

export interface Restored extends RestoredState {
  readonly manifest: Manifest
}

const WORK = '.restoring-'
/** A directory that was just mounted has it. */
const NO_DATA = 'lost+found'

/** Reads all of it, as a restoration would, and writes nothing. */
export async function checkBackup(path: string, privateKey: KeyObject): Promise<Manifest> {
  return expectKnown(await readBackup(path, (wrapped) => unwrapKey(wrapped, privateKey)))
}

export async function restoreBackup(
  services: RestoreServices,
  path: string,
  privateKey: KeyObject,
): Promise<Restored> {
  const { dataDir } = services.config
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await expectEmpty(services.config)
  const work = await mkdtemp(join(dataDir, WORK))
  try {
    const unlock = (wrapped: Parameters<typeof unwrapKey>[0]) => unwrapKey(wrapped, privateKey)
    const manifest = expectKnown(
      await readBackup(path, unlock, (name, content) => put(join(work, name), content)),
    )
    const state = await restoreDatabase(services, work, manifest)
    return { manifest, ...state }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** As the service will find it: up to date, and knowing that it was restored. */
async function restoreDatabase(
  { config, clock }: RestoreServices,
  work: string,
  manifest: Manifest,
): Promise<RestoredState> {
  const place = databasePlace(config)
  const snapshot = await snapshotOf(work, manifest)
  const masterKeyFile = join(work, MASTER_KEY)
  const adminTokenFile = join(work, 'admin.token')
  const filling = { place, draft: join(work, 'restored.sqlite'), snapshot }
  try {
    return await fillDatabase(filling, async (database) => {
      await settleFiles({ database, clock }, work)
      const state = await settle(database, { clock, manifest, masterKeyFile, adminTokenFile })
      await placeFiles(config, work, isOnPostgres(database.db) ? [] : FOLDERS)
      return state
    })
  } catch (cause) {
    if (!(cause instanceof DatabaseNotEmpty)) throw cause
    const next = 'give the restored service a database of its own, in which nothing is'
    throw new OperationRefused('not-empty', cause.message, { next, cause })
  } finally {
    await snapshot.close()
  }
}

async function snapshotOf(work: string, manifest: Manifest): Promise<Snapshot> {
  const file = join(work, DATABASE)
  return existsSync(file) ? (await dumpOf(file)).snapshot() : snapshotIn(work, manifest)
}

async function placeFiles(
  { dataDir, masterKeyFile, adminTokenFile }: Config,
  work: string,
  folders: readonly string[],
): Promise<void> {
  for (const folder of folders) {
    if (existsSync(join(work, folder))) await rename(join(work, folder), join(dataDir, folder))
  }
  await moveSecret(join(work, MASTER_KEY), masterKeyFile)
  await rename(join(work, 'admin.token'), adminTokenFile)
  await toDisk(dataDir)
}

function expectKnown(manifest: Manifest): Manifest {
  const unknown = manifest.migrations.find((name) => !KNOWN_MIGRATIONS.includes(name))
  if (unknown === undefined) return manifest
  throw new OperationRefused(
    'newer',
    `the back-up was made by version ${manifest.version}, which knows more (${unknown})`,
    {
      next: 'restore it with that version or a later one',
    },
  )
}

async function expectEmpty({ dataDir, masterKeyFile }: Config): Promise<void> {
  for (const name of await readdir(dataDir)) {
    // What an attempt that was killed has left.
    if (name.startsWith(WORK)) await rm(join(dataDir, name), { recursive: true, force: true })
    else if (name !== NO_DATA && join(dataDir, name) !== masterKeyFile) {
      throw new OperationRefused('not-empty', `${dataDir} is not empty: there is ${name}`, {
        next: 'give the restored service a data directory of its own (FIRSTLIGHT_DATA)',
      })
    }
  }
  if (!existsSync(masterKeyFile)) return
  throw new OperationRefused('not-empty', `${masterKeyFile} is there already`, {
    next: 'move it away: the back-up has the key that its database needs',
  })
}

async function put(path: string, content: AsyncIterable<Bytes>): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'wx', 0o600)
  try {
    for await (const bytes of content) await file.writeFile(bytes)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** To another disk, maybe. */
async function moveSecret(from: string, to: string): Promise<void> {
  await writeFile(to, await readFile(from), { mode: 0o600, flag: 'wx', flush: true })
}

async function toDisk(folder: string): Promise<void> {
  const handle = await open(folder)
  await handle.sync()
  await handle.close()
}

/**
 * Puts a back-up into an empty data directory. What it holds is checked before anything stands under
 * its own name, and the database comes last: where that is, everything is.
 */
import { existsSync } from 'node:fs'
import {
  chmod,
  mkdir,
  mkdtemp,
  open,
  readFile,
  readdir,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises'
import type { KeyObject } from 'node:crypto'
import { dirname, join } from 'node:path'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import { type DatabaseDump, KNOWN_MIGRATIONS } from '../../database/dump.ts'
import { OperationRefused } from '../refused.ts'
import { unwrapKey } from './envelope.ts'
import { DATABASE, MASTER_KEY } from './files.ts'
import type { Manifest } from './manifest.ts'
import { readBackup } from './read.ts'
import { type RestoredState, settle } from './settle.ts'

export interface RestoreServices {
  readonly config: Config
  readonly clock: Clock
  /** How the database in this file is written and read. */
  readonly dumpOf: (file: string) => DatabaseDump
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
  const { dataDir, masterKeyFile } = services.config
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  await expectEmpty(services.config)
  const work = await mkdtemp(join(dataDir, WORK))
  try {
    const unlock = (wrapped: Parameters<typeof unwrapKey>[0]) => unwrapKey(wrapped, privateKey)
    const manifest = expectKnown(
      await readBackup(path, unlock, (name, content) => put(join(work, name), content)),
    )
    const state = await restoreDatabase(services, work, manifest)
    for (const folder of await readdir(work)) {
      if (folder === 'contents' || folder === 'uploads')
        await rename(join(work, folder), join(dataDir, folder))
    }
    await moveSecret(join(work, MASTER_KEY), masterKeyFile)
    await rename(join(work, 'admin.token'), services.config.adminTokenFile)
    await rename(join(work, 'restored.sqlite'), services.config.databaseFile)
    await toDisk(dataDir)
    return { manifest, ...state }
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

/** The database as the service will find it: up to date, and knowing that it was restored. */
async function restoreDatabase(
  { clock, dumpOf }: RestoreServices,
  work: string,
  manifest: Manifest,
): Promise<RestoredState> {
  const file = join(work, 'restored.sqlite')
  const dump = dumpOf(file)
  if (dump.driver !== manifest.driver) {
    throw new OperationRefused(
      'other-database',
      `the back-up is of a ${manifest.driver} database`,
      {
        next: `restore it where the service uses ${manifest.driver}`,
      },
    )
  }
  await dump.restoreFrom(join(work, DATABASE))
  await chmod(file, 0o600)
  const masterKeyFile = join(work, MASTER_KEY)
  return settle({
    ...{ clock, manifest, databaseFile: file, masterKeyFile },
    adminTokenFile: join(work, 'admin.token'),
  })
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

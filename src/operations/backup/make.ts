/**
 * Makes a back-up while the service runs: database, master key, contents of plans and uploads in one
 * file that only the holders of its recipients' private keys open. Read once more before it counts.
 */
import { randomBytes } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type Bytes, utf8 } from '../../../protocol/bytes.ts'
import type { Clock } from '../../clock.ts'
import type { Config } from '../../config.ts'
import type { DatabaseDump, Snapshot } from '../../database/rows.ts'
import type { Tables } from '../../database/tables.ts'
import { OperationRefused } from '../refused.ts'
import { type ArchivedFile, pack } from './archive.ts'
import { type Recipient, wrapKey } from './envelope.ts'
import { MANIFEST, MASTER_KEY, contentOf, isMissing, listFiles } from './files.ts'
import { type FileSum, type Manifest, Sum } from './manifest.ts'
import { pieceKey, sealPieces } from './pieces.ts'
import { MAGIC, readBackup } from './read.ts'
import { fileOf, packRows } from './rows.ts'

export interface BackupServices {
  readonly config: Pick<Config, 'dataDir' | 'masterKeyFile'>
  readonly dump: DatabaseDump
  readonly clock: Clock
  readonly version: string
}

export interface MadeBackup {
  readonly manifest: Manifest
  readonly bytes: number
  /** Of the whole file, hex. */
  readonly sha256: string
}

/** Conversations under way: what they were sealed with must not outlive them. */
const LEFT_OUT: readonly (keyof Tables)[] = ['session', 'sealing_key', 'key_auth_session', 'lease']

/** Nothing is overwritten, and where it fails there is no file. */
export async function makeBackup(
  services: BackupServices,
  out: string,
  recipients: readonly Recipient[],
): Promise<MadeBackup> {
  if (await isThere(out)) {
    const next = 'give each back-up a name of its own'
    throw new OperationRefused('file', `${out} is there already`, { next })
  }
  const draft = `${out}.part`
  // Of one that was killed.
  await rm(draft, { force: true })
  try {
    const key = randomBytes(32)
    const head = utf8(`${MAGIC}\n${JSON.stringify(await wrapKey(key, recipients))}\n`)
    await write(draft, head, sealPieces(pieceKey(key, head), pack(filesOf(services))))
    const manifest = await readBackup(draft, async () => key)
    const made = { manifest, ...(await sumOf(draft)) }
    await settle(draft, out)
    return made
  } finally {
    await rm(draft, { force: true })
  }
}

/**
 * Files before the database and files that have come since: whatever the database names was there
 * when it was copied, and so is in here.
 */
async function* filesOf(services: BackupServices): AsyncGenerator<ArchivedFile> {
  const { config, dump, clock, version } = services
  const files: Record<string, FileSum> = {}
  async function* summed(
    name: string,
    content: AsyncIterable<Bytes>,
  ): AsyncGenerator<ArchivedFile> {
    const sum = new Sum()
    yield { name, content: sum.of(content) }
    files[name] = sum.total()
  }
  async function* unseen(): AsyncGenerator<ArchivedFile> {
    for (const name of await listFiles(config.dataDir)) {
      const path = join(config.dataDir, name)
      if (!(name in files) && (await isThere(path))) yield* summed(name, contentOf(path))
    }
  }
  yield* unseen()
  const made_at = clock.now().toISOString()
  const snapshot = await dump.snapshot()
  const { migrations } = snapshot
  const tables = tablesIn(snapshot)
  try {
    for (const table of tables) {
      yield* summed(fileOf(table), packRows(snapshot.rowsOf(table)))
    }
  } finally {
    await snapshot.close()
  }
  yield* unseen()
  yield* summed(MASTER_KEY, once(await readFile(config.masterKeyFile)))
  const manifest: Manifest = { made_at, version, driver: dump.driver, migrations, tables, files }
  yield { name: MANIFEST, content: once(utf8(JSON.stringify(manifest))) }
}

function tablesIn({ tables }: Snapshot) {
  return tables.filter(({ name }) => !LEFT_OUT.some((one) => one === name))
}

/** Readable by its owner only, and on the disk when this resolves. */
async function write(path: string, head: Bytes, pieces: AsyncIterable<Bytes>): Promise<void> {
  async function* all() {
    yield head
    yield* pieces
  }
  await pipeline(
    Readable.from(all(), { objectMode: true }),
    createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true }),
  )
}

/** Its name reaches the disk, too. */
async function settle(draft: string, out: string): Promise<void> {
  await rename(draft, out)
  const folder = await open(dirname(out))
  await folder.sync()
  await folder.close()
}

async function sumOf(path: string): Promise<{ bytes: number; sha256: string }> {
  const sum = new Sum()
  for await (const _ of sum.of(contentOf(path)));
  return sum.total()
}

/** It may have been removed since it was listed. */
async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

async function* once(bytes: Bytes): AsyncGenerator<Bytes> {
  yield bytes
}

/** Reads a back-up from its beginning to its end, and believes nothing before it has been checked. */
import { createReadStream } from 'node:fs'
import type { GeneralJWE } from 'jose'
import type { Bytes } from '../../../protocol/bytes.ts'
import { ByteReader } from '../../bundles/byte-reader.ts'
import { OperationRefused } from '../refused.ts'
import { unpack } from './archive.ts'
import { MANIFEST, isArchived } from './files.ts'
import { type FileSum, type Manifest, Sum, parseManifest } from './manifest.ts'
import { damaged, openPieces, pieceKey } from './pieces.ts'

/** The first line of a back-up; the second is the wrapped key. */
export const MAGIC = 'firstlight-backup 2'
/** Of those that hold a database as a file of SQLite's. */
const MAGIC_BEFORE = 'firstlight-backup 1'
const MOST_HEAD_BYTES = 64 * 1024
const MOST_MANIFEST_BYTES = 256 << 20

/** Opens the wrapped key. */
export type Unlock = (wrapped: GeneralJWE) => Promise<Bytes>
/** Takes a file of the back-up; what it leaves of it is read and checked all the same. */
export type TakeFile = (name: string, content: AsyncIterable<Bytes>) => Promise<void>

/** Throws OperationRefused for what is no back-up, not for this key, damaged, or incomplete. */
export async function readBackup(
  path: string,
  unlock: Unlock,
  take: TakeFile = async () => {},
): Promise<Manifest> {
  const reader = new ByteReader(createReadStream(path, { highWaterMark: 256 * 1024 }))
  try {
    const { head, wrapped } = await takeHead(reader, path)
    const key = pieceKey(await unlock(wrapped), head)
    return await readFiles(openPieces(key, reader), take)
  } finally {
    await reader.close()
  }
}

async function readFiles(plain: AsyncIterable<Bytes>, take: TakeFile): Promise<Manifest> {
  const sums = new Map<string, FileSum>()
  let manifest: Manifest | undefined
  for await (const { name, content } of unpack(plain)) {
    if (manifest) throw damaged('something follows its manifest')
    if (name === MANIFEST) {
      manifest = parseManifest(await collected(content))
      continue
    }
    if (!isArchived(name) || sums.has(name)) throw damaged(`a file called ${JSON.stringify(name)}`)
    const sum = new Sum()
    const counted = sum.of(content)
    await take(name, counted)
    for await (const _ of counted); // What nobody wanted.
    sums.set(name, sum.total())
  }
  if (!manifest) throw damaged('it has no manifest')
  compare(manifest, sums)
  return manifest
}

function compare({ files }: Manifest, sums: ReadonlyMap<string, FileSum>): void {
  for (const [name, { bytes, sha256 }] of Object.entries(files)) {
    const sum = sums.get(name)
    if (sum?.bytes !== bytes || sum.sha256 !== sha256) throw damaged(`${name} is not as it was`)
  }
  if (Object.keys(files).length !== sums.size)
    throw damaged('it holds what its manifest does not name')
}

/** Both lines, and what the second says. */
async function takeHead(
  reader: ByteReader,
  path: string,
): Promise<{ head: Bytes; wrapped: GeneralJWE }> {
  const bytes = (await reader.peek(MOST_HEAD_BYTES)).subarray(0, MOST_HEAD_BYTES)
  const first = bytes.indexOf('\n')
  const second = bytes.indexOf('\n', first + 1)
  const magic = bytes.toString('latin1', 0, Math.max(first, 0))
  if (second < 0 || ![MAGIC, MAGIC_BEFORE].includes(magic)) {
    throw new OperationRefused('not-a-backup', `${path} is no back-up of this program`)
  }
  const head = Buffer.from(bytes.subarray(0, second + 1))
  reader.skip(head.length)
  try {
    return { head, wrapped: JSON.parse(head.toString('utf8', first + 1)) as GeneralJWE }
  } catch {
    throw damaged('its head cannot be read')
  }
}

async function collected(content: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = []
  let length = 0
  for await (const bytes of content) {
    length += bytes.length
    if (length > MOST_MANIFEST_BYTES) throw damaged('its manifest is too long')
    parts.push(bytes)
  }
  return Buffer.concat(parts)
}

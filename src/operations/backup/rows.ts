/**
 * The rows of a table as bytes: batches one after the other, each a CBOR array of rows behind its
 * length. So a database of one kind comes out of what another kind held.
 */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { Bytes } from '../../../protocol/bytes.ts'
import { decode, encode } from '../../../protocol/cbor/cbor.ts'
import { ByteReader } from '../../bundles/byte-reader.ts'
import type { Row, Snapshot, TableShape } from '../../database/rows.ts'
import { ROWS } from './files.ts'
import type { Manifest } from './manifest.ts'

const LENGTH_BYTES = 4
const READ_AT_ONCE = 256 * 1024

export function fileOf({ name }: TableShape): string {
  return `${ROWS}/${name}`
}

export async function* packRows(batches: AsyncIterable<readonly Row[]>): AsyncGenerator<Bytes> {
  for await (const batch of batches) {
    const bytes = encode(batch)
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt32BE(bytes.length)
    yield length
    yield bytes
  }
}

/** What a back-up held, once all of it lies in this folder. */
export function snapshotIn(folder: string, manifest: Manifest): Snapshot {
  return {
    migrations: manifest.migrations,
    tables: manifest.tables ?? [],
    rowsOf: (table) => unpackRows(join(folder, fileOf(table))),
    async close() {},
  }
}

async function* unpackRows(path: string): AsyncGenerator<readonly Row[]> {
  const reader = new ByteReader(createReadStream(path, { highWaterMark: READ_AT_ONCE }))
  try {
    for (;;) {
      const head = await reader.peek(LENGTH_BYTES)
      if (head.length === 0) return
      const length = head.readUInt32BE()
      const held = await reader.peek(LENGTH_BYTES + length)
      yield decode(held.subarray(LENGTH_BYTES, LENGTH_BYTES + length)) as Row[]
      reader.skip(LENGTH_BYTES + length)
    }
  } finally {
    await reader.close()
  }
}

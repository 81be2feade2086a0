/** Files one after the other in a stream: a name, its bytes in parts as they came, an empty part. */
import { type Bytes, fromUtf8, utf8 } from '../../../protocol/bytes.ts'
import { ByteReader } from '../../bundles/byte-reader.ts'
import { damaged } from './pieces.ts'

export interface ArchivedFile {
  readonly name: string
  /** Read before the next file is asked for. */
  readonly content: AsyncIterable<Bytes>
}

const LENGTH_BYTES = 4
const MOST_NAME_BYTES = 512
const MOST_PART_BYTES = 64 << 20

export async function* pack(files: AsyncIterable<ArchivedFile>): AsyncGenerator<Bytes> {
  for await (const { name, content } of files) {
    yield part(utf8(name))
    for await (const bytes of content) if (bytes.length > 0) yield part(bytes)
    yield part(NOTHING)
  }
  yield part(NOTHING)
}

/** Throws OperationRefused where it is not what `pack` writes. */
export async function* unpack(packed: AsyncIterable<Bytes>): AsyncGenerator<ArchivedFile> {
  const reader = new ByteReader(packed)
  for (;;) {
    const name = await takePart(reader, MOST_NAME_BYTES)
    if (name.length === 0) break
    const content = partsOf(reader)
    yield { name: fromUtf8(name), content }
    for await (const _ of content); // What nobody wanted.
  }
  if ((await reader.peek(1)).length > 0) throw damaged('something follows its end')
}

const NOTHING = new Uint8Array(0)

function part(bytes: Bytes): Bytes {
  const length = Buffer.alloc(LENGTH_BYTES)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

async function* partsOf(reader: ByteReader): AsyncGenerator<Bytes> {
  for (;;) {
    const bytes = await takePart(reader, MOST_PART_BYTES)
    if (bytes.length === 0) return
    yield bytes
  }
}

async function takePart(reader: ByteReader, most: number): Promise<Bytes> {
  const length = (await take(reader, LENGTH_BYTES)).readUInt32BE()
  if (length > most) throw damaged('a part of it is too long')
  return take(reader, length)
}

async function take(reader: ByteReader, length: number): Promise<Buffer> {
  const held = await reader.peek(length)
  if (held.length < length) throw damaged('it ends in the middle')
  reader.skip(length)
  return held.subarray(0, length)
}

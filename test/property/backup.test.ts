/** What a back-up is made of, whatever is in it and however it arrives. */
import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../protocol/bytes.ts'
import { ByteReader } from '../../src/bundles/byte-reader.ts'
import { type Row, type TableShape, inBatches } from '../../src/database/rows.ts'
import { pack, unpack } from '../../src/operations/backup/archive.ts'
import { openPieces, sealPieces } from '../../src/operations/backup/pieces.ts'
import { fileOf, packRows, snapshotIn } from '../../src/operations/backup/rows.ts'

const key = randomBytes(32)

async function* streamed(parts: readonly Bytes[]) {
  yield* parts
}

async function collected(stream: AsyncIterable<Bytes>): Promise<Buffer> {
  const parts: Bytes[] = []
  for await (const part of stream) parts.push(part)
  return Buffer.concat(parts)
}

const opened = (sealed: Bytes) => collected(openPieces(key, new ByteReader(streamed([sealed]))))
const anyParts = fc.array(fc.uint8Array({ maxLength: 70_000, size: 'max' }), { maxLength: 5 })

describe('pieces', () => {
  it('give back what was sealed, in whatever parts it came', async () => {
    await fc.assert(
      fc.asyncProperty(anyParts, async (parts) => {
        const sealed = await collected(sealPieces(key, streamed(parts)))
        expect((await opened(sealed)).equals(Buffer.concat(parts))).toBe(true)
      }),
      { numRuns: 40 },
    )
  })

  it('give nothing wrong back where a byte is changed or the end is missing', async () => {
    const plain = randomBytes(150_000)
    const sealed = await collected(sealPieces(key, streamed([plain])))
    await fc.assert(
      fc.asyncProperty(fc.nat(sealed.length - 1), fc.boolean(), async (at, cut) => {
        const wrong = Buffer.from(cut ? sealed.subarray(0, at) : sealed)
        if (!cut) wrong[at] = (wrong[at] ?? 0) ^ 0x80
        await expect(opened(wrong)).rejects.toMatchObject({ code: 'damaged' })
      }),
      { numRuns: 60 },
    )
  })

  it('cannot be moved', async () => {
    const sealed = await collected(sealPieces(key, streamed([randomBytes(150_000)])))
    const piece = 64 * 1024 + 16
    const swapped = [
      sealed.subarray(piece, 2 * piece),
      sealed.subarray(0, piece),
      sealed.subarray(2 * piece),
    ]
    await expect(opened(Buffer.concat(swapped))).rejects.toMatchObject({ code: 'damaged' })
  })
})

describe('an archive', () => {
  const anyFiles = fc.array(
    fc.record({ name: fc.string({ minLength: 1, maxLength: 40 }), parts: anyParts }),
    {
      maxLength: 4,
    },
  )

  it('gives back its files, read or passed over', async () => {
    await fc.assert(
      fc.asyncProperty(anyFiles, fc.nat(), async (files, passed) => {
        async function* all() {
          for (const { name, parts } of files) yield { name, content: streamed(parts) }
        }
        const packed = await collected(pack(all()))
        let index = 0
        for await (const { name, content } of unpack(streamed([packed]))) {
          expect(name).toBe(files[index]?.name)
          if (index !== passed % 4) {
            const whole = Buffer.concat(files[index]?.parts ?? [])
            expect((await collected(content)).equals(whole)).toBe(true)
          }
          index++
        }
        expect(index).toBe(files.length)
      }),
      { numRuns: 40 },
    )
  })

  it('refuses any bytes that are none, without holding more than they are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        const read = async () => {
          for await (const { content } of unpack(streamed([bytes]))) await collected(content)
        }
        await read().catch((error: unknown) => expect(error).toMatchObject({ code: 'damaged' }))
      }),
    )
  })
})

describe('rows', () => {
  const anyValue = fc.oneof(
    fc.constant(null),
    fc.maxSafeInteger(),
    fc.string({ unit: 'binary', maxLength: 300 }),
    fc.uint8Array({ maxLength: 3_000 }),
  )
  const anyRows = fc.array(fc.tuple(anyValue, anyValue), { maxLength: 60, size: 'max' })
  const table: TableShape = { name: 'a_table', columns: ['one', 'other'] }
  const manifest = { made_at: '', version: '', driver: '', migrations: [], files: {} }

  it('come out of a file as they went in, some at a time', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-rows-'))
    mkdirSync(join(folder, 'rows'))
    async function* batches(rows: readonly Row[]) {
      yield* inBatches(rows, table)
    }
    await fc.assert(
      fc.asyncProperty(anyRows, async (rows) => {
        const path = join(folder, fileOf(table))
        writeFileSync(path, await collected(packRows(batches(rows))))
        const read: Row[] = []
        for await (const some of snapshotIn(folder, manifest).rowsOf(table)) read.push(...some)
        expect(read).toEqual(rows)
      }),
      { numRuns: 60 },
    )
    rmSync(folder, { recursive: true })
  })
})

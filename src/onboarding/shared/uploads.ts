/**
 * What devices send, in the database: each message's piece is a row, written in the transaction that
 * moves the run on, whichever instance that is.
 */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { RunName, UploadFiles, UploadName, Uploads } from '../uploads.ts'
import * as store from './store.ts'

const PIECES_AT_ONCE = 64

export class SharedUploads implements Uploads {
  readonly #database: Pick<Database, 'db'>
  /** What came to a version that had it in a folder. */
  readonly #before: UploadFiles

  constructor(database: Pick<Database, 'db'>, before: UploadFiles) {
    this.#database = database
    this.#before = before
  }

  async write(upload: UploadName, offset: number, bytes: Bytes, tx: Executor): Promise<void> {
    const named = rowNameOf(upload)
    // A file that is begun anew.
    if (offset === 0) await store.removeUpload.run(tx, named)
    if (bytes.length > 0) await store.addUploadPiece.run(tx, { ...named, offset, bytes })
  }

  async touch(upload: UploadName, tx: Executor): Promise<void> {
    await store.removeUpload.run(tx, rowNameOf(upload))
  }

  /** Takes in what is in a folder. */
  async adopt(upload: UploadName, tx: Executor): Promise<void> {
    if (await store.findPieceAt.first(tx, { ...rowNameOf(upload), offset: 0 })) return
    let offset = 0
    for await (const bytes of await this.#before.stream(upload).catch(nothing)) {
      await this.write(upload, offset, bytes, tx)
      offset += bytes.length
    }
  }

  /** Puts it into a folder instead. */
  async release(upload: UploadName): Promise<void> {
    let offset = 0
    for await (const bytes of this.#from(upload, 0, Number.MAX_SAFE_INTEGER)) {
      this.#before.write(upload, offset, bytes)
      offset += bytes.length
    }
    await store.removeUpload.run(this.#database.db, rowNameOf(upload))
  }

  async read(upload: UploadName, offset: number, length: number): Promise<Bytes> {
    const parts: Bytes[] = []
    for await (const part of this.#from(upload, offset, offset + length)) parts.push(part)
    return Buffer.concat(parts)
  }

  async stream(upload: UploadName): Promise<AsyncIterable<Bytes>> {
    const first = await store.findPieceAt.first(this.#database.db, {
      ...rowNameOf(upload),
      offset: 0,
    })
    if (first) return this.#from(upload, 0, Number.MAX_SAFE_INTEGER)
    return this.#before.stream(upload).catch(nothing)
  }

  async remove(upload: UploadName): Promise<void> {
    await store.removeUpload.run(this.#database.db, rowNameOf(upload))
    await this.#before.remove(upload)
  }

  async removeRun(run: RunName, tx: Executor): Promise<void> {
    const { deviceId: device_id, runId: run_id } = run
    await store.removeUploadsOfRun.run(tx, { device_id, run_id })
    await this.#before.removeRun(run)
  }

  /** The bytes between, as far as they are there without a gap. */
  async *#from(upload: UploadName, begin: number, end: number): AsyncGenerator<Bytes> {
    const { db } = this.#database
    const named = rowNameOf(upload)
    const first = await store.findPieceAt.first(db, { ...named, offset: begin })
    let from = first?.offset ?? begin
    let at = begin
    for (;;) {
      const range = { from, to: end, limit: PIECES_AT_ONCE }
      const pieces = await store.listUploadPieces.all(db, { ...named, ...range })
      for (const { offset, bytes } of pieces) {
        if (offset > at) return
        yield bytes.subarray(at - offset, end - offset)
        at = Math.min(end, offset + bytes.length)
      }
      if (pieces.length < PIECES_AT_ONCE) return
      from = at
    }
  }
}

function rowNameOf({ deviceId, runId, name }: UploadName) {
  return { device_id: deviceId, run_id: runId, name }
}

/** An empty file has no piece. */
function nothing(error: unknown): AsyncIterable<Bytes> {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  return (async function* () {})()
}

/**
 * What devices send in TO2: below the data directory, a folder for each run, the file names made
 * of hashes. What a run that was broken off has left is removed.
 */
import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { open, rm, rmdir } from 'node:fs/promises'
import { hash } from 'node:crypto'
import { join } from 'node:path'
import type { Bytes } from '../../protocol/bytes.ts'
import type { Executor } from '../database/connection.ts'

/** Whose file, of which run; the name is the plan's. */
export interface UploadName {
  readonly deviceId: string
  readonly runId: string
  readonly name: string
}

export type RunName = Omit<UploadName, 'name'>

const DEVICE_ID = /^[a-z0-9_]{1,64}$/
const RUN_ID = /^[0-9a-f]{32}$/
const PART_BYTES = 256 * 1024

/** What devices have sent, in pieces, in the transaction that moves their run on. */
export interface Uploads {
  write(upload: UploadName, offset: number, bytes: Bytes, tx: Executor): void | Promise<void>
  /** An empty file, where a device had nothing to send. */
  touch(upload: UploadName, tx: Executor): void | Promise<void>
  read(upload: UploadName, offset: number, length: number): Promise<Bytes>
  /** As fast as it is taken. Throws at once where there is none. */
  stream(upload: UploadName): Promise<AsyncIterable<Bytes>>
  remove(upload: UploadName): Promise<void>
  removeRun(run: RunName, tx: Executor): Promise<void>
}

export class UploadFiles implements Uploads {
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /**
   * Before the transaction that moves the run on is committed: written again if it was not. Done
   * at once, for what comes with one message is short and others wait for that transaction.
   */
  write(upload: UploadName, offset: number, bytes: Bytes): void {
    mkdirSync(this.#folderOf(upload), { recursive: true, mode: 0o700 })
    const file = openSync(this.#pathOf(upload), offset === 0 ? 'w' : 'r+', 0o600)
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(file, bytes, done, bytes.length - done, offset + done)
      }
    } finally {
      closeSync(file)
    }
  }

  touch(upload: UploadName): void {
    this.write(upload, 0, new Uint8Array(0))
  }

  /** Not at once: it may be one piece of many, between which others have their turn. */
  async read(upload: UploadName, offset: number, length: number): Promise<Bytes> {
    const file = await open(this.#pathOf(upload), 'r')
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  async stream(upload: UploadName): Promise<AsyncIterable<Bytes>> {
    const file = await open(this.#pathOf(upload), 'r')
    return file.createReadStream({ highWaterMark: PART_BYTES })
  }

  async remove(upload: UploadName): Promise<void> {
    await rm(this.#pathOf(upload), { force: true })
    // Where something else of the run is left, its folder stays.
    await rmdir(this.#folderOf(upload)).catch(() => {})
  }

  async removeRun(run: RunName): Promise<void> {
    await rm(this.#folderOf(run), { recursive: true, force: true })
  }

  #folderOf({ deviceId, runId }: RunName): string {
    if (!DEVICE_ID.test(deviceId) || !RUN_ID.test(runId)) {
      throw new Error('not the id of a device and a run')
    }
    return join(this.#folder, deviceId, runId)
  }

  #pathOf(upload: UploadName): string {
    return join(this.#folderOf(upload), hash('sha256', upload.name, 'hex'))
  }
}

/**
 * What plans send to devices: files below the data directory, each under the hash of its bytes, so
 * that no name from outside ever becomes a path. Each party has its own, in a folder of its own.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bytes } from '../../protocol/bytes.ts'
import { HOME_PARTY } from '../database/tables.ts'

export interface Content {
  /** The path of the file, of which the last part is the hash. */
  readonly ref: string
  /** SHA-384 of the bytes, hex. */
  readonly sha384: string
  readonly length: number
}

const SHA384 = /^[0-9a-f]{96}$/
const REF = /^(?:fdop_[0-9a-z]+\/)?([0-9a-f]{96})$/
/** What every device gets is asked for piece by piece, time and again. */
const KEPT_BYTES = 256 * 1024
const MOST_KEPT = 64

export class ContentStore {
  readonly #folder: string
  readonly #kept = new Map<string, Bytes>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async put(party: string, bytes: Bytes): Promise<Content> {
    const sha384 = createHash('sha384').update(bytes).digest('hex')
    const ref = folderOf(party) + sha384
    const content = { ref, sha384, length: bytes.length }
    if ((await this.#find(ref)) !== undefined) return content
    await mkdir(join(this.#folder, folderOf(party)), { recursive: true, mode: 0o700 })
    const draft = join(this.#folder, `${ref}.${randomBytes(6).toString('hex')}`)
    await writeFile(draft, bytes, { mode: 0o600, flag: 'wx', flush: true })
    await rename(draft, join(this.#folder, ref))
    return content
  }

  /** By its hash. */
  find(party: string, sha384: string): Promise<Content | undefined> {
    return this.#find(folderOf(party) + sha384)
  }

  async #find(ref: string): Promise<Content | undefined> {
    const [, sha384] = REF.exec(ref) ?? []
    if (sha384 === undefined) return undefined
    const kept = this.#kept.get(ref)
    if (kept) return { ref, sha384, length: kept.length }
    try {
      const { size } = await stat(join(this.#folder, ref))
      return { ref, sha384, length: size }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** The hashes of all that a party has. */
  async list(party: string): Promise<readonly string[]> {
    try {
      const names = await readdir(join(this.#folder, folderOf(party)))
      return names.filter((name) => SHA384.test(name)).sort()
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
  }

  /** Part of one; shorter than asked only at its end. Throws where it is gone. */
  read(ref: string, offset: number, length: number): Bytes | Promise<Bytes> {
    const kept = this.#kept.get(ref)
    return kept ? kept.subarray(offset, offset + length) : this.#readFile(ref, offset, length)
  }

  async #readFile(ref: string, offset: number, length: number): Promise<Bytes> {
    const content = await this.#find(ref)
    if (!content) throw new Error(`the content ${ref} is gone`)
    const path = join(this.#folder, ref)
    if (content.length <= KEPT_BYTES) {
      const bytes = new Uint8Array(await readFile(path))
      this.#keep(ref, bytes)
      return bytes.subarray(offset, offset + length)
    }
    const file = await open(path)
    try {
      const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    } finally {
      await file.close()
    }
  }

  #keep(ref: string, bytes: Bytes): void {
    this.#kept.set(ref, bytes)
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(this.#kept.keys().next().value ?? '')
  }

  /** False if there is none. */
  async remove(party: string, sha384: string): Promise<boolean> {
    const ref = folderOf(party) + sha384
    const isThere = (await this.#find(ref)) !== undefined
    this.#kept.delete(ref)
    if (isThere) await rm(join(this.#folder, ref), { force: true })
    return isThere
  }
}

function folderOf(party: string): string {
  return party === HOME_PARTY ? '' : `${party}/`
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/**
 * What plans send to devices: files below the data directory, each under the hash of its bytes, so
 * that no name from outside ever becomes a path.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bytes } from '../../protocol/bytes.ts'

export interface Content {
  /** SHA-384 of the bytes, hex. */
  readonly ref: string
  readonly length: number
}

const REF = /^[0-9a-f]{96}$/
/** What every device gets is asked for piece by piece, time and again. */
const KEPT_BYTES = 256 * 1024
const MOST_KEPT = 64

export class ContentStore {
  readonly #folder: string
  readonly #kept = new Map<string, Bytes>()

  constructor(folder: string) {
    this.#folder = folder
  }

  async put(bytes: Bytes): Promise<Content> {
    const ref = createHash('sha384').update(bytes).digest('hex')
    const content = { ref, length: bytes.length }
    if ((await this.find(ref)) !== undefined) return content
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const draft = join(this.#folder, `${ref}.${randomBytes(6).toString('hex')}`)
    await writeFile(draft, bytes, { mode: 0o600, flag: 'wx', flush: true })
    await rename(draft, join(this.#folder, ref))
    return content
  }

  async find(ref: string): Promise<Content | undefined> {
    if (!REF.test(ref)) return undefined
    const kept = this.#kept.get(ref)
    if (kept) return { ref, length: kept.length }
    try {
      const { size } = await stat(join(this.#folder, ref))
      return { ref, length: size }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** All of them, by reference. */
  async list(): Promise<readonly string[]> {
    try {
      return (await readdir(this.#folder)).filter((name) => REF.test(name)).sort()
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
    const content = await this.find(ref)
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
  async remove(ref: string): Promise<boolean> {
    const isThere = (await this.find(ref)) !== undefined
    this.#kept.delete(ref)
    if (isThere) await rm(join(this.#folder, ref), { force: true })
    return isThere
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

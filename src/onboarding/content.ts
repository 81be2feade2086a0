/**
 * What plans send to devices: files below the data directory, each under the hash of its bytes, so
 * that no name from outside ever becomes a path. Each party has its own, in a folder of its own.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  mkdir,
  open,
  readFile,
  readdir,
  rename,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
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
const REF = /^(?:(?:fdop_[0-9a-z]+|lent)\/)?([0-9a-f]{96})$/
/** Made for one device each, and of no use once its run is over. */
const LENT = 'lent/'
/** Longer than a run lasts. */
const LENT_MS = 24 * 3_600_000
/** What every device gets is asked for piece by piece, time and again. */
const KEPT_BYTES = 256 * 1024
const MOST_KEPT = 64
const DRAFT = '.draft'

export class ContentStore {
  readonly #folder: string
  readonly #kept = new Map<string, Bytes>()

  constructor(folder: string) {
    this.#folder = folder
  }

  put(party: string, bytes: Bytes): Promise<Content> {
    return this.#put(folderOf(party), bytes)
  }

  /** Until a sweep finds that nobody can want it any more. */
  async lend(bytes: Bytes): Promise<Content> {
    const content = await this.#put(LENT, bytes)
    const now = new Date()
    await utimes(join(this.#folder, content.ref), now, now)
    return content
  }

  async #put(folder: string, bytes: Bytes): Promise<Content> {
    const sha384 = createHash('sha384').update(bytes).digest('hex')
    const content = { ref: folder + sha384, sha384, length: bytes.length }
    if ((await this.#find(content.ref)) !== undefined) return content
    const draft = await this.#draft(folder)
    try {
      await writeFile(draft, bytes, { mode: 0o600, flag: 'wx', flush: true })
      await rename(draft, join(this.#folder, content.ref))
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
    return content
  }

  /** As it comes, however long it is: no more of it is held than has just come. */
  async take(party: string, parts: AsyncIterable<Bytes>): Promise<Content> {
    const draft = await this.#draft(folderOf(party))
    const hash = createHash('sha384')
    let length = 0
    try {
      const file = await open(draft, 'wx', 0o600)
      try {
        for await (const part of parts) {
          hash.update(part)
          length += part.length
          await file.appendFile(part)
        }
        await file.sync()
      } finally {
        await file.close()
      }
      const sha384 = hash.digest('hex')
      const ref = folderOf(party) + sha384
      await rename(draft, join(this.#folder, ref))
      return { ref, sha384, length }
    } catch (error) {
      await rm(draft, { force: true })
      throw error
    }
  }

  /** Where it is written before it has its name. */
  async #draft(folder: string): Promise<string> {
    await mkdir(join(this.#folder, folder), { recursive: true, mode: 0o700 })
    return join(this.#folder, folder, `${randomBytes(12).toString('hex')}${DRAFT}`)
  }

  /** From time to time: what was lent, and what was broken off while it came. */
  async sweep(now: Date): Promise<void> {
    const before = now.getTime() - LENT_MS
    for (const folder of ['', ...(await this.#foldersOf())]) {
      for (const name of await this.#namesIn(folder)) {
        if (folder !== LENT && !name.endsWith(DRAFT)) continue
        const path = join(this.#folder, folder, name)
        const found = await stat(path).catch(() => undefined)
        if (!found?.isFile() || found.mtimeMs >= before) continue
        this.#kept.delete(folder + name)
        await rm(path, { force: true })
      }
    }
  }

  async #foldersOf(): Promise<readonly string[]> {
    const names = await this.#namesIn('')
    return names.filter((name) => /^(?:lent|fdop_[0-9a-z]+)$/.test(name)).map((name) => `${name}/`)
  }

  async #namesIn(folder: string): Promise<readonly string[]> {
    try {
      return await readdir(join(this.#folder, folder))
    } catch (error) {
      if (isMissing(error)) return []
      throw error
    }
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
    const names = await this.#namesIn(folderOf(party))
    return names.filter((name) => SHA384.test(name)).sort()
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

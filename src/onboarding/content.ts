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
export const LENT_PLACE = 'lent'
const LENT = `${LENT_PLACE}/`
/** Longer than a run lasts. */
export const LENT_MS = 24 * 3_600_000
/** What every device gets is asked for piece by piece, time and again. */
const KEPT_BYTES = 256 * 1024
const MOST_KEPT = 64
const DRAFT = '.draft'

/** What plans are served from. */
export interface Contents {
  put(party: string, bytes: Bytes): Promise<Content>
  /** Until a sweep finds that nobody can want it any more. */
  lend(bytes: Bytes): Promise<Content>
  /** As it comes, however long it is: no more of it is held than has just come. */
  take(party: string, parts: AsyncIterable<Bytes>): Promise<Content>
  /** From time to time: what was lent, and what was broken off while it came. */
  sweep(now: Date): Promise<void>
  /** By its hash. */
  find(party: string, sha384: string): Promise<Content | undefined>
  /** The hashes of all that a party has. */
  list(party: string): Promise<readonly string[]>
  /** Part of one; shorter than asked only at its end. Throws ContentGone. */
  read(ref: string, offset: number, length: number): Bytes | Promise<Bytes>
  /** False if there is none. */
  remove(party: string, sha384: string): Promise<boolean>
}

export class ContentGone extends Error {
  override readonly name = 'ContentGone'

  constructor(ref: string) {
    super(`the content ${sha384Of(ref)} is gone: bring it again, or send another`)
  }
}

export class ContentStore implements Contents {
  readonly #folder: string
  readonly #kept = new Map<string, Bytes>()

  constructor(folder: string) {
    this.#folder = folder
  }

  put(party: string, bytes: Bytes): Promise<Content> {
    return this.#put(folderOf(party), bytes)
  }

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

  take(party: string, parts: AsyncIterable<Bytes>): Promise<Content> {
    return this.#take(folderOf(party), parts)
  }

  /** One that is kept elsewhere, too, from there. */
  async fill(ref: string, parts: AsyncIterable<Bytes>): Promise<void> {
    const sha384 = sha384Of(ref)
    await this.#take(ref.slice(0, ref.length - sha384.length), parts, sha384)
  }

  async #take(folder: string, parts: AsyncIterable<Bytes>, expected?: string): Promise<Content> {
    const draft = await this.#draft(folder)
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
      const ref = folder + sha384
      if (expected !== undefined && sha384 !== expected) throw new ContentGone(folder + expected)
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

  find(party: string, sha384: string): Promise<Content | undefined> {
    return this.#find(folderOf(party) + sha384)
  }

  async #find(ref: string): Promise<Content | undefined> {
    const sha384 = sha384Of(ref)
    if (sha384 === '') return undefined
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

  /** Of whom there is something. */
  async parties(): Promise<readonly string[]> {
    const folders = ['', ...(await this.#foldersOf())].filter((folder) => folder !== LENT)
    return folders.map((folder) => folder.slice(0, -1) || HOME_PARTY)
  }

  async list(party: string): Promise<readonly string[]> {
    const names = await this.#namesIn(folderOf(party))
    return names.filter((name) => SHA384.test(name)).sort()
  }

  read(ref: string, offset: number, length: number): Bytes | Promise<Bytes> {
    const kept = this.#kept.get(ref)
    return kept ? kept.subarray(offset, offset + length) : this.#readFile(ref, offset, length)
  }

  async #readFile(ref: string, offset: number, length: number): Promise<Bytes> {
    const content = await this.#find(ref)
    if (!content) throw new ContentGone(ref)
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

  async remove(party: string, sha384: string): Promise<boolean> {
    const ref = folderOf(party) + sha384
    const isThere = (await this.#find(ref)) !== undefined
    this.#kept.delete(ref)
    if (isThere) await rm(join(this.#folder, ref), { force: true })
    return isThere
  }
}

/** The last part of it; nothing where it is no name of a content. */
export function sha384Of(ref: string): string {
  return REF.exec(ref)?.[1] ?? ''
}

/** Whose it is: a party, or nobody for long. */
export function placeOf(ref: string): string {
  return ref.slice(0, -sha384Of(ref).length - 1) || HOME_PARTY
}

export function refOf(party: string, sha384: string): string {
  return folderOf(party) + sha384
}

function folderOf(party: string): string {
  return party === HOME_PARTY ? '' : `${party}/`
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

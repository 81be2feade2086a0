/**
 * What plans send, in the database, so that every instance has it; the disk keeps a copy of what was
 * read here once. What a hash names never changes, so that copies need no looking after until it is
 * removed.
 */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Executor } from '../../database/connection.ts'
import type { Services } from '../../services.ts'
import {
  type Content,
  ContentGone,
  type ContentStore,
  type Contents,
  LENT_MS,
  LENT_PLACE,
  placeOf,
  refOf,
  sha384Of,
} from '../content.ts'
import * as store from './store.ts'

const PIECE_BYTES = 256 * 1024

export class SharedContents implements Contents {
  readonly #services: Pick<Services, 'database' | 'clock'>
  readonly #cache: ContentStore
  /** What versions that had a folder in common have left there; they may still run beside us. */
  readonly #before: ContentStore
  /** What the database has had a while ago: not asked for by every run. */
  readonly #known = new Set<string>()
  readonly #coming = new Map<string, Promise<void>>()
  readonly #going = new Set<string>()

  constructor(
    services: Pick<Services, 'database' | 'clock'>,
    { cache, before }: { readonly cache: ContentStore; readonly before: ContentStore },
  ) {
    this.#services = services
    this.#cache = cache
    this.#before = before
  }

  async put(party: string, bytes: Bytes): Promise<Content> {
    return this.#keep(await this.#cache.put(party, bytes), this.#cache)
  }

  async lend(bytes: Bytes): Promise<Content> {
    return this.#keep(await this.#cache.lend(bytes), this.#cache)
  }

  async take(party: string, parts: AsyncIterable<Bytes>): Promise<Content> {
    return this.#keep(await this.#cache.take(party, parts), this.#cache)
  }

  /** Takes in what is in the folder. It stays there until it is removed. */
  async adopt(): Promise<void> {
    const folders = this.#before
    for (const party of await folders.parties()) {
      for (const sha384 of await folders.list(party)) {
        const content = await folders.find(party, sha384)
        if (content) await this.#keep(content, folders)
      }
    }
  }

  /** Puts all of it into the folder instead. */
  async release(): Promise<void> {
    const { database } = this.#services
    for (const named of await store.listAllContents(database.db)) {
      const ref = refOf(named.place, named.sha384)
      if (named.place !== LENT_PLACE) await this.#before.fill(ref, this.#piecesOf(ref))
      await database.commit((tx) => store.removeContent(tx, named))
    }
  }

  async find(party: string, sha384: string): Promise<Content | undefined> {
    const { db } = this.#services.database
    const row = await store.findContent.first(db, { place: party, sha384 })
    return row && { ref: refOf(party, sha384), sha384, length: row.length }
  }

  list(party: string): Promise<readonly string[]> {
    return store.listContents(this.#services.database.db, party)
  }

  read(ref: string, offset: number, length: number): Bytes | Promise<Bytes> {
    const read = this.#cache.read(ref, offset, length)
    if (!(read instanceof Promise)) return read
    return read.catch(async (error: unknown) => {
      if (!(error instanceof ContentGone)) throw error
      await this.#fetch(ref)
      return this.#cache.read(ref, offset, length)
    })
  }

  async remove(party: string, sha384: string): Promise<boolean> {
    const { database } = this.#services
    this.#known.delete(refOf(party, sha384))
    const named = { place: party, sha384 }
    const isThere = await database.commit((tx) => store.removeContent(tx, named))
    for (const copies of [this.#cache, this.#before]) await copies.remove(party, sha384)
    return isThere
  }

  async sweep(now: Date): Promise<void> {
    const { database } = this.#services
    this.#known.clear()
    const before = new Date(now.getTime() - LENT_MS).toISOString()
    const lapsed = await store.listKeptBefore.all(database.db, { place: LENT_PLACE, before })
    for (const { sha384 } of lapsed) {
      await database.commit((tx) => store.removeContent(tx, { place: LENT_PLACE, sha384 }))
    }
    await this.#cache.sweep(now)
    for (const party of await this.#cache.parties()) await this.#forgetRemoved(party)
  }

  /** By another instance. */
  async #forgetRemoved(party: string): Promise<void> {
    const here = await this.#cache.list(party)
    if (here.length === 0) return
    const kept = new Set(await this.list(party))
    for (const sha384 of here) {
      // On its way there: what of it is here is read yet.
      const isGoing = this.#going.has(refOf(party, sha384))
      if (!kept.has(sha384) && !isGoing) await this.#cache.remove(party, sha384)
    }
  }

  async #keep(content: Content, files: ContentStore): Promise<Content> {
    const { ref } = content
    if (this.#known.has(ref)) return content
    this.#going.add(ref)
    try {
      await this.#store(content, files)
      this.#known.add(ref)
    } finally {
      this.#going.delete(ref)
    }
    return content
  }

  async #store({ ref, sha384, length }: Content, files: ContentStore): Promise<void> {
    const { database, clock } = this.#services
    const named = { place: placeOf(ref), sha384 }
    const kept_at = clock.now().toISOString()
    const work = async (tx: Executor) => {
      if ((await store.keepContent.run(tx, { ...named, kept_at })) > 0) return
      await store.addContent.run(tx, { ...named, length, kept_at })
      for (let number = 0; number * PIECE_BYTES < length; number++) {
        const bytes = await files.read(ref, number * PIECE_BYTES, PIECE_BYTES)
        await store.addContentPiece.run(tx, { ...named, number, bytes })
      }
    }
    await database.commit(work, { durable: true })
  }

  /** Once, however many ask for it at the same time. */
  #fetch(ref: string): Promise<void> {
    const coming =
      this.#coming.get(ref) ??
      this.#cache.fill(ref, this.#piecesOf(ref)).finally(() => this.#coming.delete(ref))
    this.#coming.set(ref, coming)
    return coming
  }

  async *#piecesOf(ref: string): AsyncGenerator<Bytes> {
    const { db } = this.#services.database
    const named = { place: placeOf(ref), sha384: sha384Of(ref) }
    const row = await store.findContent.first(db, named)
    if (!row) throw new ContentGone(ref)
    for (let number = 0; number * PIECE_BYTES < row.length; number++) {
      const piece = await store.findContentPiece.first(db, { ...named, number })
      if (!piece) throw new ContentGone(ref)
      yield piece.bytes
    }
  }
}

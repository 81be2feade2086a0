/**
 * Private keys by party, purpose and kind, sealed at rest. Gives out Signers, not keys; keys made
 * elsewhere can be added while running, several of a kind side by side. What another process has
 * changed is read again before it is used. Whoever works for one party has its KeyRing.
 */
import { type KeyObject, createPrivateKey, createPublicKey, randomBytes } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { kindOf } from '../../protocol/crypto/verify-key.ts'
import type { Clock } from '../clock.ts'
import type { Executor } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import type { Histogram } from '../measures.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { Slots } from '../slots.ts'
import type { ExternalKey, ExternalKeys } from './external-keys.ts'
import { KeyBook, fingerprintOf, slotName } from './key-book.ts'
import { parsePrivateKeys } from './key-files/read.ts'
import type { KeyInfo, KeySlot } from './key-info.ts'
import { KeyRing } from './key-ring.ts'
import { makeKey } from './make-key.ts'
import type { Sealer } from './seal.ts'
import { timed } from './timed.ts'
import { type PrivateKeyRow, PrivateKeyStore } from './store.ts'
import { NAME_PREFIXES } from '../prefixes.ts'

export interface KeyStoreServices {
  readonly database: Database
  readonly clock: Clock
  /** Under the master key. */
  readonly sealer: Sealer
  /** What is made of a private key; recorded runs put their signatures in its place. */
  readonly signerOf?: typeof signerOf
  /** How long signatures take. */
  readonly signatures?: Histogram
  /** Keys held elsewhere; their labels say whose they are, and what for. */
  readonly external?: ExternalKeys | undefined
}

/** What else belongs to a change, in its transaction: what throws undoes it. */
export type Alongside = (tx: Executor, key: KeyInfo) => Promise<void>

type NewRow = PrivateKeyRow & { readonly wrapped: Bytes }

export class KeyStore {
  readonly #services: KeyStoreServices
  readonly #store = new PrivateKeyStore()
  #external: readonly KeyInfo[] = []
  #book = new KeyBook([])
  #readAt = -1
  readonly #objects = new Map<string, KeyObject>()
  readonly #signers = new Map<string, Signer>()
  readonly #making = new Map<string, Promise<KeyInfo>>()
  /** The threads that look for RSA keys are those that bring commits to the disk. */
  readonly #finding = new Slots(1)

  private constructor(services: KeyStoreServices) {
    this.#services = services
  }

  static async open(services: KeyStoreServices): Promise<KeyStore> {
    const keys = new KeyStore(services)
    const at = services.clock.now().toISOString()
    keys.#external = services.external?.list().flatMap((key) => externalInfo(key, at)) ?? []
    await keys.read()
    return keys
  }

  /** Lets go of the keys that are held elsewhere: nothing is signed with them after that. */
  async close(): Promise<void> {
    await this.#services.external?.stop()
  }

  /** Those of all parties, as they were read last. */
  list(): readonly KeyInfo[] {
    return this.#book.keys
  }

  /** As they are now. Not for use inside a transaction, which it would wait for. */
  async read(): Promise<KeyBook> {
    const { database } = this.#services
    const readAt = database.changesOf('private_key')
    if (readAt === this.#readAt) return this.#book
    const stored = (await this.#store.list(database.db)).map(infoOf)
    // Another call may have seen a change that came after this was read.
    if (readAt < this.#readAt) return this.#book
    this.#book = new KeyBook([...stored, ...this.#external])
    this.#readAt = readAt
    this.#forgetRemoved()
    return this.#book
  }

  ring(party: string): KeyRing {
    return new KeyRing(this, party)
  }

  /** The party's own key of this kind that is in use, made when it is first asked for. */
  async ownKey(slot: KeySlot): Promise<KeyInfo> {
    return (await this.read()).active(slot) ?? this.#makeFirst(slot)
  }

  #makeFirst(slot: KeySlot): Promise<KeyInfo> {
    const name = slotName(slot)
    const underWay = this.#making.get(name)
    if (underWay) return underWay
    const making = this.#makeUnlessThere(slot)
      .then(({ key }) => key)
      .finally(() => this.#making.delete(name))
    this.#making.set(name, making)
    return making
  }

  /** The first of its kind; undefined where another has been made meanwhile. */
  async make(slot: KeySlot, alongside: Alongside): Promise<KeyInfo | undefined> {
    const { key, isNew } = await this.#makeUnlessThere(slot, alongside)
    return isNew ? key : undefined
  }

  async #makeUnlessThere(slot: KeySlot, alongside?: Alongside) {
    const row = this.#rowOf(slot, await this.#newKey(slot.kind), 'made')
    return this.#commit(async (tx) => {
      const known = await this.#store.findActive(tx, slot)
      return known ? { key: infoOf(known), isNew: false } : this.#add(tx, row, alongside)
    })
  }

  /**
   * Puts a new key in the place of one that stays, for what was signed to it; both or neither.
   * Undefined where somebody else has done so meanwhile.
   */
  async rotate(old: KeyInfo, alongside: Alongside): Promise<KeyInfo | undefined> {
    const row = this.#rowOf(old, await this.#newKey(old.kind), 'made')
    return this.#commit(async (tx) => {
      const active = await this.#store.findActive(tx, old)
      if (active && active.id !== old.id) return undefined
      if (!(await this.#store.retire(tx, old.id, row.created_at))) return undefined
      return (await this.#add(tx, row, alongside)).key
    })
  }

  /** False where it is gone already. */
  remove(key: KeyInfo, alongside: Alongside): Promise<boolean> {
    return this.#commit(async (tx) => {
      if (!(await this.#store.remove(tx, key.id))) return false
      await alongside(tx, key)
      return true
    })
  }

  /** Adds the key in a file made elsewhere. One that is here already is left as it is. */
  async import(
    { party, purpose }: Pick<KeySlot, 'party' | 'purpose'>,
    file: Bytes,
    { passphrase, alongside }: { passphrase?: string | undefined; alongside?: Alongside } = {},
  ): Promise<KeyInfo> {
    const { key } = await parsePrivateKeys(file, { passphrase })
    const here = (await this.read()).find(party, purpose, spkiOf(key))
    if (here) return here
    const row = this.#rowOf({ party, purpose }, key, 'imported')
    const added = await this.#commit(async (tx) => {
      const known = await this.#store.findNamed(tx, row)
      return known ? { key: infoOf(known) } : this.#add(tx, row, alongside)
    })
    return added.key
  }

  /** How many keys a party has here; for use inside a transaction. */
  count(tx: Executor, party: string): Promise<number> {
    return this.#store.count(tx, party)
  }

  /** Whether the party has it as the transaction sees it, whatever was read before. */
  async has(tx: Executor, name: Parameters<KeyBook['named']>[0]): Promise<boolean> {
    if (this.#book.named(name)?.origin === 'token') return true
    return (await this.#store.findNamed(tx, name)) !== undefined
  }

  /** The parties that have the key with this public half, as they were read last. */
  holders(purpose: string, spki: Bytes): readonly string[] {
    return this.#book.holders(purpose, spki)
  }

  async signerFor(info: KeyInfo, algorithm?: SignatureAlgorithm): Promise<Signer> {
    const name = `${info.id} ${algorithm?.name ?? ''}`
    const known = this.#signers.get(name)
    if (known) return known
    const signer = await this.#makeSigner(info, algorithm)
    // It may have been removed meanwhile, and would not be forgotten again.
    if (this.#book.has(info.id)) this.#signers.set(name, signer)
    return signer
  }

  async #makeSigner(info: KeyInfo, algorithm?: SignatureAlgorithm): Promise<Signer> {
    const { external, signatures, signerOf: makeSigner = signerOf } = this.#services
    const held = info.origin === 'token' ? 'token' : 'memory'
    const signer =
      external && held === 'token'
        ? await external.signer(info.id, algorithm)
        : makeSigner(await this.objectOf(info), algorithm)
    return signatures ? timed(signer, signatures, info.kind, held) : signer
  }

  async objectOf({ id }: KeyInfo): Promise<KeyObject> {
    const known = this.#objects.get(id)
    if (known) return known
    const { database, sealer } = this.#services
    const wrapped = await this.#store.findWrapped(database.db, id)
    const pkcs8 = wrapped && sealer.open(contextOf(id), wrapped)
    if (!pkcs8) throw new Error(`the master key does not open the private key ${id}`)
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    pkcs8.fill(0)
    if (this.#book.has(id)) this.#objects.set(id, key)
    return key
  }

  async #commit<T>(work: (tx: Executor) => Promise<T>): Promise<T> {
    const done = await this.#services.database.commit(work, { durable: true })
    await this.read()
    return done
  }

  async #add(tx: Executor, row: NewRow, alongside?: Alongside) {
    const key = infoOf(row)
    await this.#store.add(tx, row)
    await alongside?.(tx, key)
    return { key, isNew: true }
  }

  #rowOf(
    { party, purpose }: Pick<KeySlot, 'party' | 'purpose'>,
    key: KeyObject,
    origin: PrivateKeyRow['origin'],
  ): NewRow {
    const { clock, sealer } = this.#services
    const id = `${NAME_PREFIXES.key}${randomBytes(12).toString('hex')}`
    const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
    const wrapped = sealer.seal(contextOf(id), pkcs8)
    pkcs8.fill(0)
    const spki = spkiOf(key)
    return {
      ...{ id, party, purpose, origin, spki, wrapped },
      kind: kindOf(key),
      fingerprint: fingerprintOf(spki),
      created_at: clock.now().toISOString(),
      retired_at: null,
    }
  }

  #newKey(kind: KeyKind): Promise<KeyObject> {
    return kind.startsWith('rsa') ? this.#finding.run(() => makeKey(kind)) : makeKey(kind)
  }

  /** A key that is gone is not used any more, whoever has removed it. */
  #forgetRemoved(): void {
    const isGone = (id: string) => !this.#book.has(id)
    for (const id of this.#objects.keys()) if (isGone(id)) this.#objects.delete(id)
    for (const name of this.#signers.keys()) {
      if (isGone(name.slice(0, name.indexOf(' ')))) this.#signers.delete(name)
    }
  }
}

function spkiOf(key: KeyObject): Bytes {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

export function contextOf(id: string): string {
  return `private-key:${id}`
}

const LABEL = /^(?:(fdop_\w+)\/)?(manufacturer|owner)(?:\/|$)/

/** By its label: `owner/…` or `manufacturer/…`, with a party before it if it is not the first. */
function externalInfo({ label, ...key }: ExternalKey, createdAt: string): KeyInfo[] {
  const [, party = HOME_PARTY, purpose] = LABEL.exec(label) ?? []
  const rest = { origin: 'token', createdAt, retiredAt: null } as const
  return purpose === undefined ? [] : [{ ...key, party, purpose, ...rest }]
}

function infoOf({ created_at, retired_at, ...row }: PrivateKeyRow): KeyInfo {
  const { id, party, purpose, kind, fingerprint, spki, origin } = row
  const times = { createdAt: created_at, retiredAt: retired_at }
  return { id, party, purpose, kind, fingerprint, spki, origin, ...times }
}

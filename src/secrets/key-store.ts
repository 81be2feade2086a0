/**
 * Private keys by party, purpose and kind, sealed at rest. Gives out Signers, not keys; keys made
 * elsewhere can be added while running, several of a kind side by side. Whoever works for one party
 * has its KeyRing.
 */
import {
  type KeyObject,
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  hash,
  randomBytes,
} from 'node:crypto'
import { promisify } from 'node:util'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { kindOf } from '../../protocol/crypto/verify-key.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Histogram } from '../measures.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { ExternalKey, ExternalKeys } from './external-keys.ts'
import { parsePrivateKeys } from './key-files/read.ts'
import type { KeyInfo, KeySlot } from './key-info.ts'
import { KeyRing } from './key-ring.ts'
import type { Sealer } from './seal.ts'
import { type PrivateKeyRow, PrivateKeyStore } from './store.ts'

export interface KeyStoreServices {
  readonly database: Database
  readonly clock: Clock
  /** Under the master key. */
  readonly sealer: Sealer
  /** What is made of a private key; recorded runs put their signatures in its place. */
  readonly signerOf?: typeof signerOf
  /** How long signatures take, by kind of key and where that is. */
  readonly signatures?: Histogram
  /** Keys held elsewhere; their labels say whose they are, and what for. */
  readonly external?: ExternalKeys | undefined
}

export class KeyStore {
  readonly #services: KeyStoreServices
  readonly #store = new PrivateKeyStore()
  /** Oldest first. */
  #keys: readonly KeyInfo[] = []
  #external: readonly KeyInfo[] = []
  #named: ReadonlyMap<string, KeyInfo> = new Map()
  /** Of those in a token, else of those made here, the newest of each kind. */
  #own: ReadonlyMap<string, KeyInfo> = new Map()
  #holders: ReadonlyMap<string, readonly string[]> = new Map()
  readonly #objects = new Map<string, KeyObject>()
  readonly #signers = new Map<string, Signer>()
  readonly #making = new Map<string, Promise<KeyInfo>>()

  private constructor(services: KeyStoreServices) {
    this.#services = services
  }

  static async open(services: KeyStoreServices): Promise<KeyStore> {
    const keys = new KeyStore(services)
    const at = services.clock.now().toISOString()
    keys.#external = services.external?.list().flatMap((key) => externalInfo(key, at)) ?? []
    await keys.#reload()
    return keys
  }

  /** Lets go of the keys that are held elsewhere: nothing is signed with them after that. */
  async close(): Promise<void> {
    await this.#services.external?.stop()
  }

  /** Those of all parties. */
  list(): readonly KeyInfo[] {
    return this.#keys
  }

  ring(party: string): KeyRing {
    return new KeyRing(this, party)
  }

  /** The party's own key of this kind, made when it is first asked for; of several the newest. */
  ownKey(slot: KeySlot): Promise<KeyInfo> {
    const own = this.#own.get(slotName(slot))
    return own ? Promise.resolve(own) : this.make(slot)
  }

  /** Another one, unless one is being made already: it takes the place of the one before. */
  make(slot: KeySlot): Promise<KeyInfo> {
    const name = slotName(slot)
    const underWay = this.#making.get(name)
    if (underWay) return underWay
    const making = makeKey(slot.kind)
      .then((key) => this.#add(slot, key, 'made'))
      .finally(() => this.#making.delete(name))
    this.#making.set(name, making)
    return making
  }

  /** The key with this public half, own or imported, if the party has it. */
  find(party: string, purpose: string, spki: Bytes): KeyInfo | undefined {
    return this.#named.get(keyName({ party, purpose, fingerprint: fingerprintOf(spki) }))
  }

  /** The parties that have the key with this public half. */
  holders(purpose: string, spki: Bytes): readonly string[] {
    return this.#holders.get(holderName({ purpose, fingerprint: fingerprintOf(spki) })) ?? []
  }

  /** Adds the key in a file made elsewhere. One that is here already is left as it is. */
  async import(
    { party, purpose }: Pick<KeySlot, 'party' | 'purpose'>,
    file: Bytes,
    passphrase?: string,
  ): Promise<KeyInfo> {
    const { key } = await parsePrivateKeys(file, { passphrase })
    const known = this.find(party, purpose, spkiOf(key))
    return known ?? this.#add({ party, purpose }, key, 'imported')
  }

  async #add(
    { party, purpose }: Pick<KeySlot, 'party' | 'purpose'>,
    key: KeyObject,
    origin: PrivateKeyRow['origin'],
  ): Promise<KeyInfo> {
    const { database, clock, sealer } = this.#services
    const id = `fdok_${randomBytes(12).toString('hex')}`
    const pkcs8 = key.export({ type: 'pkcs8', format: 'der' })
    const spki = spkiOf(key)
    const row = {
      id,
      party,
      purpose,
      kind: kindOf(key),
      fingerprint: fingerprintOf(spki),
      origin,
      spki,
      wrapped: sealer.seal(contextOf(id), pkcs8),
      created_at: clock.now().toISOString(),
    }
    pkcs8.fill(0)
    const added = await database.commit((tx) => this.#store.add(tx, row), { durable: true })
    await this.#reload()
    if (added) return infoOf(row)
    const known = this.#named.get(keyName(row))
    if (!known) throw new Error('a key that is neither new nor known')
    return known
  }

  async signerFor(info: KeyInfo, algorithm?: SignatureAlgorithm): Promise<Signer> {
    const name = `${info.id} ${algorithm?.name ?? ''}`
    const known = this.#signers.get(name)
    if (known) return known
    const signer = await this.#makeSigner(info, algorithm)
    this.#signers.set(name, signer)
    return signer
  }

  async #makeSigner(info: KeyInfo, algorithm?: SignatureAlgorithm): Promise<Signer> {
    const { external, signatures, signerOf: makeSigner = signerOf } = this.#services
    const signer =
      external && info.origin === 'token'
        ? await external.signer(info.id, algorithm)
        : makeSigner(await this.objectOf(info), algorithm)
    const held = info.origin === 'token' ? 'token' : 'memory'
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
    this.#objects.set(id, key)
    return key
  }

  async #reload(): Promise<void> {
    const stored = (await this.#store.list(this.#services.database.db)).map(infoOf)
    const keys = [...stored, ...this.#external]
    this.#keys = keys
    this.#named = new Map(keys.map((key) => [keyName(key), key]))
    const holders = new Map<string, string[]>()
    for (const key of keys) {
      holders.set(holderName(key), [...(holders.get(holderName(key)) ?? []), key.party])
    }
    this.#holders = holders
    const own = keys.filter(({ origin }) => origin !== 'imported')
    this.#own = new Map(own.map((key) => [slotName(key), key]))
  }
}

/** At once where the key signs at once: who waits for a promise waits longer. */
function timed(signer: Signer, histogram: Histogram, ...labels: readonly string[]): Signer {
  return {
    ...signer,
    sign(data) {
      const began = performance.now()
      const note = () => histogram.observe((performance.now() - began) / 1000, ...labels)
      const signature = signer.sign(data)
      if (signature instanceof Promise) signature.then(note, note)
      else note()
      return signature
    },
  }
}

const generate = promisify(generateKeyPair)

async function makeKey(kind: KeyKind): Promise<KeyObject> {
  if (kind === 'p256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey
  if (kind === 'p384') return (await generate('ec', { namedCurve: 'P-384' })).privateKey
  const modulusLength = kind === 'rsa2048' ? 2048 : 3072
  return (await generate('rsa', { modulusLength })).privateKey
}

function spkiOf(key: KeyObject): Bytes {
  return createPublicKey(key).export({ type: 'spki', format: 'der' })
}

function fingerprintOf(spki: Bytes): string {
  return hash('sha256', spki, 'hex')
}

function keyName(key: Pick<KeyInfo, 'party' | 'purpose' | 'fingerprint'>): string {
  return `${key.party} ${key.purpose} ${key.fingerprint}`
}

function holderName({ purpose, fingerprint }: Pick<KeyInfo, 'purpose' | 'fingerprint'>): string {
  return `${purpose} ${fingerprint}`
}

function slotName({ party, purpose, kind }: KeySlot): string {
  return `${party} ${purpose} ${kind}`
}

export function contextOf(id: string): string {
  return `private-key:${id}`
}

const LABEL = /^(?:(fdop_\w+)\/)?(manufacturer|owner)(?:\/|$)/

/** By its label: `owner/…` or `manufacturer/…`, with a party before it if it is not the first. */
function externalInfo({ label, ...key }: ExternalKey, createdAt: string): KeyInfo[] {
  const [, party = HOME_PARTY, purpose] = LABEL.exec(label) ?? []
  return purpose === undefined ? [] : [{ ...key, party, purpose, origin: 'token', createdAt }]
}

function infoOf({ created_at, ...row }: PrivateKeyRow): KeyInfo {
  const { id, party, purpose, kind, fingerprint, spki, origin } = row
  return { id, party, purpose, kind, fingerprint, spki, origin, createdAt: created_at }
}

/** The keys of one party, as those see them who work for it. */
import type { KeyObject } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { KeyBook } from './key-book.ts'
import { ALL_KINDS, type KeyInfo, type KeySlot } from './key-info.ts'

/** The keys of all parties; see KeyStore. */
interface Keys {
  list(): readonly KeyInfo[]
  read(): Promise<KeyBook>
  ownKey(slot: KeySlot): Promise<KeyInfo>
  import(
    owner: Pick<KeySlot, 'party' | 'purpose'>,
    file: Bytes,
    how?: { passphrase?: string | undefined },
  ): Promise<KeyInfo>
  signerFor(info: KeyInfo, algorithm?: SignatureAlgorithm): Promise<Signer>
  objectOf(info: KeyInfo): Promise<KeyObject>
}

export class KeyRing {
  readonly party: string
  readonly #keys: Keys

  constructor(keys: Keys, party: string) {
    this.#keys = keys
    this.party = party
  }

  /** Oldest first, as they were read last. */
  list(): readonly KeyInfo[] {
    return this.#keys.list().filter(({ party }) => party === this.party)
  }

  /** The same as they are now, those in use before those that were. */
  async ranked(purpose: string): Promise<readonly KeyInfo[]> {
    const book = await this.#keys.read()
    const rank = (key: KeyInfo) => (book.active(key)?.id === key.id ? 0 : key.retiredAt ? 2 : 1)
    return this.list()
      .filter((key) => key.purpose === purpose)
      .toSorted((a, b) => rank(a) - rank(b))
  }

  /** The key of this kind that is in use, if there is one. */
  async active(purpose: string, kind: KeyKind): Promise<KeyInfo | undefined> {
    return (await this.#keys.read()).active({ party: this.party, purpose, kind })
  }

  /** Makes what is missing; elliptic keys take a millisecond, RSA up to seconds of another thread. */
  async ensure(purpose: string, kinds: readonly KeyKind[] = ALL_KINDS): Promise<void> {
    await Promise.all(kinds.map((kind) => this.#ownKey(purpose, kind)))
  }

  /** Our own key of this kind that is in use, made when it is first asked for. */
  async signer(purpose: string, kind: KeyKind, algorithm?: SignatureAlgorithm): Promise<Signer> {
    return this.#keys.signerFor(await this.#ownKey(purpose, kind), algorithm)
  }

  /** The key with this public half, own or imported, if it is here. */
  async findSigner(
    purpose: string,
    spki: Bytes,
    algorithm?: SignatureAlgorithm,
  ): Promise<Signer | undefined> {
    const known = (await this.#keys.read()).find(this.party, purpose, spki)
    return known && this.#keys.signerFor(known, algorithm)
  }

  /** The key itself, for the two that take no Signer: the TLS listener and the token issuer. */
  async keyObject(purpose: string, kind: KeyKind): Promise<KeyObject> {
    return this.#keys.objectOf(await this.#ownKey(purpose, kind))
  }

  /** See KeyStore. */
  import(purpose: string, file: Bytes, passphrase?: string): Promise<KeyInfo> {
    return this.#keys.import({ party: this.party, purpose }, file, { passphrase })
  }

  #ownKey(purpose: string, kind: KeyKind): Promise<KeyInfo> {
    return this.#keys.ownKey({ party: this.party, purpose, kind })
  }
}

/** The keys of one party, as those see them who work for it. */
import type { KeyObject } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { ALL_KINDS, type KeyInfo, type KeySlot } from './key-info.ts'

/** The keys of all parties; see KeyStore. */
interface Keys {
  list(): readonly KeyInfo[]
  ownKey(slot: KeySlot): Promise<KeyInfo>
  make(slot: KeySlot): Promise<KeyInfo>
  find(party: string, purpose: string, spki: Bytes): KeyInfo | undefined
  import(
    owner: Pick<KeySlot, 'party' | 'purpose'>,
    file: Bytes,
    passphrase?: string,
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

  /** Oldest first. */
  list(): readonly KeyInfo[] {
    return this.#keys.list().filter(({ party }) => party === this.party)
  }

  /** Makes what is missing; elliptic keys take a millisecond, RSA up to seconds of another thread. */
  async ensure(purpose: string, kinds: readonly KeyKind[] = ALL_KINDS): Promise<void> {
    await Promise.all(kinds.map((kind) => this.#ownKey(purpose, kind)))
  }

  /** Our own key of this kind, made when it is first asked for. */
  async signer(purpose: string, kind: KeyKind, algorithm?: SignatureAlgorithm): Promise<Signer> {
    return this.#keys.signerFor(await this.#ownKey(purpose, kind), algorithm)
  }

  /** The key with this public half, own or imported, if it is here. */
  async findSigner(
    purpose: string,
    spki: Bytes,
    algorithm?: SignatureAlgorithm,
  ): Promise<Signer | undefined> {
    const known = this.#keys.find(this.party, purpose, spki)
    return known && this.#keys.signerFor(known, algorithm)
  }

  /** The key itself, for the two that take no Signer: the TLS listener and the token issuer. */
  async keyObject(purpose: string, kind: KeyKind): Promise<KeyObject> {
    return this.#keys.objectOf(await this.#ownKey(purpose, kind))
  }

  /** Makes a key that is used from now on; those before are kept, for what was signed to them. */
  rotate(purpose: string, kind: KeyKind): Promise<KeyInfo> {
    return this.#keys.make({ party: this.party, purpose, kind })
  }

  /** See KeyStore. */
  import(purpose: string, file: Bytes, passphrase?: string): Promise<KeyInfo> {
    return this.#keys.import({ party: this.party, purpose }, file, passphrase)
  }

  #ownKey(purpose: string, kind: KeyKind): Promise<KeyInfo> {
    return this.#keys.ownKey({ party: this.party, purpose, kind })
  }
}

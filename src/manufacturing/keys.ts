/** The manufacturer's keys, as devices ask for them: which key, in which encoding. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyKind, SignatureAlgorithm } from '../../protocol/cose/algorithms.ts'
import {
  COSEKEY,
  type PkEnc,
  type PkType,
  type PublicKey,
  RSA2048RESTR,
  RSAPKCS,
  RSAPSS,
  SECP256R1,
  SECP384R1,
  X5CHAIN,
  algorithmFor,
} from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { VerifyKey } from '../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../protocol/errors.ts'

/** The key store, as far as manufacturing goes. */
export interface SigningKeys {
  signer(purpose: string, kind: KeyKind, algorithm?: SignatureAlgorithm): Promise<Signer>
  findSigner(
    purpose: string,
    spki: Bytes,
    algorithm?: SignatureAlgorithm,
  ): Promise<Signer | undefined>
}

export const MANUFACTURER = 'manufacturer'
export const OWNER = 'owner'

/** RSAPKCS and RSAPSS leave the size open: the larger, since 2048 has a type of its own. */
const KIND_OF: Record<PkType, KeyKind> = {
  [RSA2048RESTR]: 'rsa2048',
  [RSAPKCS]: 'rsa3072',
  [RSAPSS]: 'rsa3072',
  [SECP256R1]: 'p256',
  [SECP384R1]: 'p384',
}

interface Encoded {
  readonly key: VerifyKey
  readonly made: Promise<PublicKey>
}

export class ManufacturerKeys {
  readonly #keys: SigningKeys
  readonly #certify: (spki: Bytes) => Promise<readonly Bytes[]>
  /** As they were given out last, by type and encoding. */
  readonly #known = new Map<string, Encoded>()

  /** `certify` gives a chain for a key, leaf first. */
  constructor(keys: SigningKeys, certify: (spki: Bytes) => Promise<readonly Bytes[]>) {
    this.#keys = keys
    this.#certify = certify
  }

  /** Of the key in use now. Throws INVALID_MESSAGE_ERROR for a mix that FDO has no form for. */
  async publicKey(type: PkType, encoding: PkEnc): Promise<PublicKey> {
    const kind = KIND_OF[type]
    if (encoding === COSEKEY && kind.startsWith('rsa')) {
      throw new FdoError('INVALID_MESSAGE_ERROR', 'DI.AppStart: RSA keys have no COSEKEY encoding')
    }
    const { key } = await this.#keys.signer(MANUFACTURER, kind)
    const name = `${type} ${encoding}`
    const known = this.#known.get(name)
    if (known?.key === key) return known.made
    const made = this.#encode(type, encoding, key)
    this.#known.set(name, { key, made })
    // What failed once may work the next time.
    made.catch(() => this.#known.delete(name))
    return made
  }

  /** What signs for a key given out by publicKey, by the algorithm its type stands for. */
  findSigner({ type, key }: PublicKey): Promise<Signer | undefined> {
    return this.#keys.findSigner(MANUFACTURER, key.spki, algorithmFor(type, key.kind))
  }

  async #encode(type: PkType, encoding: PkEnc, key: VerifyKey): Promise<PublicKey> {
    if (encoding !== X5CHAIN) return { type, encoding, key }
    return { type, encoding, key, chain: await this.#certify(key.spki) }
  }
}

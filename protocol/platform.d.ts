/**
 * All of the platform that protocol/ may use: text encoding, and the part of node:crypto that
 * protocol/crypto and protocol/cose need. Nothing else compiles here.
 */
declare class TextEncoder {
  encode(text: string): Uint8Array
}
declare class TextDecoder {
  constructor(label: string, options?: { fatal?: boolean; ignoreBOM?: boolean })
  decode(bytes: Uint8Array): string
}

declare module 'node:crypto' {
  type Data = Uint8Array<ArrayBufferLike>

  class KeyObject {
    private constructor()
    readonly type: 'secret' | 'public' | 'private'
    readonly asymmetricKeyType?: string
    readonly asymmetricKeyDetails?: {
      modulusLength?: number
      publicExponent?: bigint
      namedCurve?: string
    }
    export(options: { type: 'spki' | 'pkcs8'; format: 'der' }): Data
    export(options: { format: 'jwk' }): Record<string, string | undefined>
    equals(other: KeyObject): boolean
  }

  interface SigningOptions {
    key: KeyObject
    dsaEncoding?: 'ieee-p1363' | 'der'
    padding?: number
    saltLength?: number
  }

  type Callback<T> = (error: Error | null, value: T) => void

  function createPublicKey(input: { key: Data; format: 'der'; type: 'spki' } | KeyObject): KeyObject
  function createPublicKey(input: { key: Record<string, unknown>; format: 'jwk' }): KeyObject
  function createPrivateKey(input: { key: Data; format: 'der'; type: 'pkcs8' | 'sec1' }): KeyObject
  function diffieHellman(keys: { privateKey: KeyObject; publicKey: KeyObject }): Data
  function sign(algorithm: string, data: Data, key: SigningOptions): Data
  function sign(algorithm: string, data: Data, key: SigningOptions, callback: Callback<Data>): void
  function verify(algorithm: string, data: Data, key: SigningOptions, signature: Data): boolean
  function verify(
    algorithm: string,
    data: Data,
    key: SigningOptions,
    signature: Data,
    callback: Callback<boolean>,
  ): void

  interface Hash {
    update(data: Data): Hash
    digest(): Data
  }
  interface Hmac {
    update(data: Data): Hmac
    digest(): Data
  }
  function createHash(algorithm: string): Hash
  function hash(algorithm: string, data: Data, outputEncoding: 'buffer'): Data
  function createHmac(algorithm: string, key: Data): Hmac
  function timingSafeEqual(a: Data, b: Data): boolean

  interface Cipher {
    setAAD(data: Data, options?: { plaintextLength: number }): Cipher
    setAutoPadding(on: boolean): Cipher
    setAuthTag(tag: Data): Cipher
    getAuthTag(): Data
    update(data: Data): Data
    final(): Data
  }
  function createCipheriv(
    algorithm: string,
    key: Data,
    iv: Data,
    options?: { authTagLength?: number },
  ): Cipher
  function createDecipheriv(
    algorithm: string,
    key: Data,
    iv: Data,
    options?: { authTagLength?: number },
  ): Cipher

  interface ECDH {
    generateKeys(): Data
    setPrivateKey(key: Data): void
    getPrivateKey(): Data
    getPublicKey(): Data
    computeSecret(otherPublicKey: Data): Data
  }
  function createECDH(curve: string): ECDH

  interface DiffieHellman {
    generateKeys(): Data
    getPrime(): Data
    getPrivateKey(): Data
    setPrivateKey(key: Data): void
    getPublicKey(): Data
    computeSecret(otherPublicKey: Data): Data
  }
  function createDiffieHellman(prime: Data, generator: number): DiffieHellman
  function getDiffieHellman(group: string): DiffieHellman

  interface OaepOptions {
    key: KeyObject
    padding: number
    oaepHash: string
  }
  function publicEncrypt(key: OaepOptions, data: Data): Data
  function privateDecrypt(key: OaepOptions, data: Data): Data

  namespace webcrypto {
    interface CryptoKey {
      readonly type: string
    }
    interface RsaOaep {
      name: 'RSA-OAEP'
      hash: 'SHA-256'
    }
    const subtle: {
      importKey(
        format: 'pkcs8',
        key: Data,
        algorithm: RsaOaep,
        extractable: boolean,
        usages: readonly 'decrypt'[],
      ): Promise<CryptoKey>
      decrypt(algorithm: RsaOaep, key: CryptoKey, data: Data): Promise<ArrayBuffer>
    }
  }

  const constants: {
    RSA_PKCS1_PADDING: number
    RSA_PKCS1_PSS_PADDING: number
    RSA_PKCS1_OAEP_PADDING: number
    RSA_PSS_SALTLEN_DIGEST: number
  }
}

/** What Node 20 accepts and its types leave out: DER keys in any Uint8Array, GCM used as CCM is. */
import 'node:crypto'

declare module 'node:crypto' {
  function createPublicKey(input: { key: Uint8Array; format: 'der'; type: 'spki' }): KeyObject
  function createPrivateKey(input: {
    key: Uint8Array
    format: 'der'
    type: 'pkcs8' | 'sec1' | 'pkcs1'
  }): KeyObject

  type AeadName = 'aes-128-gcm' | 'aes-256-gcm' | 'aes-128-ccm' | 'aes-256-ccm'
  interface AeadOptions {
    authTagLength: number
  }
  function createCipheriv(
    algorithm: AeadName,
    key: Uint8Array,
    iv: Uint8Array,
    options: AeadOptions,
  ): CipherCCM
  function createDecipheriv(
    algorithm: AeadName,
    key: Uint8Array,
    iv: Uint8Array,
    options: AeadOptions,
  ): DecipherCCM
}

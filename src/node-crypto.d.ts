/** What Node 20 accepts and its types leave out: DER keys in any Uint8Array. */
import 'node:crypto'

declare module 'node:crypto' {
  function createPublicKey(input: { key: Uint8Array; format: 'der'; type: 'spki' }): KeyObject
  function createPrivateKey(input: { key: Uint8Array; format: 'der'; type: 'pkcs8' }): KeyObject
}

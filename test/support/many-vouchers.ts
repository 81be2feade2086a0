/** Vouchers of as many devices as wanted, each with a certificate of its own, sold to one owner. */
import { randomBytes } from 'node:crypto'
import { type Bytes, concat } from '../../protocol/bytes.ts'
import { DEFAULT_TYPE, X509 } from '../../protocol/crypto/public-key.ts'
import { SHA256, hashOf } from '../../protocol/crypto/hash.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { extendVoucher } from '../../protocol/voucher/extend.ts'
import { CA_USAGE, certificateOf, ecKey } from './certificates.ts'
import { makeVoucher, partsOf } from './vouchers.ts'

/** CBOR; `owner` is a DER SubjectPublicKeyInfo. */
export async function manyVouchers(count: number, owner: Bytes): Promise<Bytes[]> {
  const authority = { key: ecKey(), subject: 'a device CA' }
  const root = certificateOf({ ...authority, isCa: true, keyUsage: CA_USAGE })
  const key = importSpki(owner)
  const next = { type: DEFAULT_TYPE[key.kind], encoding: X509, key } as const
  const parts = partsOf()
  const [manufacturer] = parts.signers
  if (!manufacturer) throw new Error('no manufacturer')
  const vouchers: Bytes[] = []
  for (let i = 0; i < count; i++) {
    const leaf = certificateOf({ key: ecKey(), subject: `device ${i}`, issuer: authority })
    const chain = [leaf, root]
    const header = {
      guid: new Uint8Array(randomBytes(16)),
      deviceCertChainHash: hashOf(SHA256, concat(...chain)),
    }
    const made = await makeVoucher({ ...parts, chain }, { header, sales: 0 })
    vouchers.push(await extendVoucher(made, manufacturer, next))
  }
  return vouchers
}

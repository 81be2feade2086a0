/** DeviceMfgInfo: what a Device says of itself in the factory. FDO 1.1, "DI.AppStart". */
import type { Bytes } from '../bytes.ts'
import { Major, scan } from '../cbor/scan.ts'
import { type Infer, bytes, encodeAs, isNull, mismatch, text, tuple } from '../cbor/schema.ts'
import { PkEnc, PkType } from '../crypto/public-key.ts'

/** What go-fdo, C and Java devices send; its content is an agreement of theirs, not the spec's. */
export const DeviceMfgInfo = tuple({
  /** The type of *owner* key the Device wants, which need not be that of its own. */
  keyType: PkType,
  /** How it wants that key encoded. */
  keyEncoding: PkEnc,
  serial: text,
  /** Becomes OVDeviceInfo: the model, mostly. */
  deviceInfo: text,
  /** DER PKCS#10. */
  csr: bytes(),
})
export type DeviceMfgInfo = Infer<typeof DeviceMfgInfo>

const PATH = 'DeviceMfgInfo'

/** C adds MAC addresses, and three more items with an Intel CSE. */
const MAX_ITEMS = 9

/** One of the forms seen in the field, told apart by `form`. */
export type AnyMfgInfo =
  | ({ readonly form: 'csr' } & DeviceMfgInfo)
  /** fdo-rs: a name only; its key was agreed on beforehand. */
  | { readonly form: 'text'; readonly name: string }
  /** go-fdo's client when it has nothing to say. */
  | { readonly form: 'none' }

/** The content of `DeviceMfgInfo = bstr .cbor any`; null where there is none. */
export function parseMfgInfo(content: Bytes | null): AnyMfgInfo {
  if (content === null) return { form: 'none' }
  const item = scan(content)
  if (isNull(item)) return { form: 'none' }
  if (item.major === Major.TEXT) return { form: 'text', name: text.parse(item, PATH) }
  if (item.major !== Major.ARRAY || item.items.length > MAX_ITEMS) {
    return mismatch(PATH, 'an array of 5 to 9')
  }
  const firstFive = { ...item, items: item.items.slice(0, 5) }
  return { form: 'csr', ...DeviceMfgInfo.parse(firstFive, PATH) }
}

export function buildMfgInfo(info: DeviceMfgInfo): Bytes {
  return encodeAs(DeviceMfgInfo, info)
}

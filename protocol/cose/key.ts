/** COSE_Key ↔ public key, elliptic curves only. RFC 9052, section 7; RFC 9053, section 7.1.1. */
import { type Bytes, concat, fromHex, toFixedLength } from '../bytes.ts'
import type { CborValue } from '../cbor/cbor.ts'
import type { Item } from '../cbor/scan.ts'
import { bytes, mismatch, oneOf } from '../cbor/schema.ts'
import { type VerifyKey, importSpki } from '../crypto/verify-key.ts'
import { Headers } from './headers.ts'

const KTY = 1
const KTY_EC2 = 2
const CRV = -1
const X = -2
const Y = -3

interface Curve {
  readonly id: number
  readonly coordinateBytes: number
  /** The DER of a SubjectPublicKeyInfo up to the uncompressed point. */
  readonly spkiPrefix: Bytes
}

const P256: Curve = {
  id: 1,
  coordinateBytes: 32,
  spkiPrefix: fromHex('3059301306072a8648ce3d020106082a8648ce3d030107034200'),
}
const P384: Curve = {
  id: 2,
  coordinateBytes: 48,
  spkiPrefix: fromHex('3076301006072a8648ce3d020106052b81040022036200'),
}

/**
 * Reads what peers write: go-fdo leaves out leading zeros of a coordinate, the Java ones may add
 * one and leave out kty. Throws MESSAGE_BODY_ERROR for anything that is no point of the curve.
 */
export function parseCoseKey(item: Item, path: string): VerifyKey {
  const map = Headers.parse(item, path)
  const kty = map.get(KTY)
  if (kty) oneOf(KTY_EC2).parse(kty, `${path}.kty`)
  const curve = oneOf(P256.id, P384.id).parse(required(map, CRV, path), `${path}.crv`)
  return importSpki(
    spkiOfPoint(
      curve === P256.id ? P256 : P384,
      coordinate(map, X, path),
      coordinate(map, Y, path),
    ) ?? mismatch(path, 'coordinates of the curve'),
  )
}

function spkiOfPoint(curve: Curve, x: Bytes, y: Bytes): Bytes | undefined {
  const fixedX = toFixedLength(x, curve.coordinateBytes)
  const fixedY = toFixedLength(y, curve.coordinateBytes)
  return fixedX && fixedY && concat(curve.spkiPrefix, Uint8Array.of(4), fixedX, fixedY)
}

/** `{1: 2, -1: crv, -2: x, -3: y}`, coordinates of fixed length. Throws for an RSA key. */
export function coseKeyOf({ kind, spki }: VerifyKey): CborValue {
  const curve = kind === 'p256' ? P256 : kind === 'p384' ? P384 : undefined
  if (!curve) throw new Error('an RSA key has no COSEKEY encoding in FDO')
  const point = spki.subarray(-2 * curve.coordinateBytes)
  return new Map<number, CborValue>([
    [KTY, KTY_EC2],
    [CRV, curve.id],
    [X, point.subarray(0, curve.coordinateBytes)],
    [Y, point.subarray(curve.coordinateBytes)],
  ])
}

function coordinate(map: Headers, label: number, path: string): Bytes {
  return bytes().parse(required(map, label, path), path)
}

function required(map: Headers, label: number, path: string): Item {
  return map.get(label) ?? mismatch(path, `label ${label}`)
}

/** ECDH256 and ECDH384. FDO 1.1, "ECDH Key Exchange". */
import {
  type ECDH,
  createECDH,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
} from 'node:crypto'
import { type Bytes, EMPTY, concat, fromHex, toFixedLength } from '../../bytes.ts'
import type { RandomBytes } from '../../types/base.ts'
import { type Exchange, type SharedSecret, refused } from './exchange.ts'

export interface Curve {
  /** For node:crypto. */
  readonly name: 'prime256v1' | 'secp384r1'
  readonly coordinateBytes: number
  /** Of the random number each party adds. */
  readonly randomBytes: number
  /** The x coordinate that a private scalar and a public point give. */
  derive(scalar: Bytes, point: Bytes): Bytes
}

/**
 * What made a half, for as long as that half itself is at hand: setting up a private key anew costs
 * as much as making it, since node:crypto computes and checks the public point again.
 */
const made = new WeakMap<Bytes, ECDH>()

export const P256: Curve = {
  name: 'prime256v1',
  coordinateBytes: 32,
  randomBytes: 16,
  derive(scalar, point) {
    const ecdh = createECDH('prime256v1')
    ecdh.setPrivateKey(scalar)
    return ecdh.computeSecret(point)
  },
}

export const P384: Curve = {
  name: 'secp384r1',
  coordinateBytes: 48,
  randomBytes: 48,
  derive: deriveP384,
}

export function ecdh(curve: Curve): Exchange {
  return {
    start(randomBytes) {
      const { scalar, point, key } = makeKey(curve, randomBytes)
      const random = new Uint8Array(randomBytes(curve.randomBytes))
      // The C device drops leading zeros of this number before it hashes it.
      if (random[0] === 0) random[0] = 1
      const secret = concat(scalar, random)
      made.set(secret, key)
      return { xA: encode(curve, point, random), secret }
    },
    finish(secret, xB) {
      const { point, random: deviceRandom } = decode(curve, xB)
      const scalar = secret.subarray(0, curve.coordinateBytes)
      const ownerRandom = secret.subarray(curve.coordinateBytes)
      const key = made.get(secret)
      const x = () => key?.computeSecret(point) ?? curve.derive(scalar, point)
      return share(x, { deviceRandom, ownerRandom })
    },
    answer(xA, _ownerKey, randomBytes) {
      const { point: ownerPoint, random: ownerRandom } = decode(curve, xA)
      const { scalar, point } = makeKey(curve, randomBytes)
      const deviceRandom = randomBytes(curve.randomBytes)
      const x = () => curve.derive(scalar, ownerPoint)
      return {
        xB: encode(curve, point, deviceRandom),
        shared: share(x, { deviceRandom, ownerRandom }),
      }
    },
  }
}

/** `ShSe = Shx ‖ R_device ‖ R_owner`; `x` throws for what is no point. */
function share(
  x: () => Bytes,
  { deviceRandom, ownerRandom }: { readonly deviceRandom: Bytes; readonly ownerRandom: Bytes },
): SharedSecret {
  let shx: Bytes
  try {
    shx = x()
  } catch (cause) {
    throw refused('not a point of the curve', cause)
  }
  return { shSe: concat(shx, deviceRandom, ownerRandom), contextRand: EMPTY }
}

const ATTEMPTS = 16

/** An ephemeral key; numbers that are no private key (one in 2³² at most) are drawn again. */
function makeKey(
  curve: Curve,
  randomBytes: RandomBytes,
): { readonly scalar: Bytes; readonly point: Bytes; readonly key: ECDH } {
  const key = createECDH(curve.name)
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const scalar = randomBytes(curve.coordinateBytes)
    try {
      key.setPrivateKey(scalar)
    } catch {
      continue // zero, or beyond the order of the curve
    }
    return { scalar, point: key.getPublicKey(), key }
  }
  throw new Error('random numbers that make no private key')
}

/** `be16(len X) ‖ X ‖ be16(len Y) ‖ Y ‖ be16(len R) ‖ R`. */
function encode({ coordinateBytes: length }: Curve, point: Bytes, random: Bytes): Bytes {
  const [x, y] = [point.subarray(1, 1 + length), point.subarray(1 + length)]
  return concat(...[x, y, random].flatMap((part) => [Uint8Array.of(0, part.length), part]))
}

/** Coordinates may come with zeros left out or added, as C and Java devices write them. */
function decode(curve: Curve, exchange: Bytes): { point: Bytes; random: Bytes } {
  const parts: Bytes[] = []
  for (let offset = 0; offset < exchange.length;) {
    const length = ((exchange[offset] ?? 0) << 8) | (exchange[offset + 1] ?? 0)
    const end = offset + 2 + length
    if (end > exchange.length || parts.length === 3) throw refused('lengths that do not fit')
    parts.push(exchange.subarray(offset + 2, end))
    offset = end
  }
  const x = toFixedLength(parts[0] ?? EMPTY, curve.coordinateBytes)
  const y = toFixedLength(parts[1] ?? EMPTY, curve.coordinateBytes)
  const random = parts[2]
  if (!x || !y) throw refused('a coordinate too long')
  if (random?.length !== curve.randomBytes) throw refused('a random number of another length')
  return { point: concat(Uint8Array.of(4), x, y), random }
}

/** ECPrivateKey (RFC 5915) up to the scalar, and from there to the public point. */
const SEC1_PREFIX = fromHex('3081a40201010430')
const SEC1_MIDDLE = fromHex('a00706052b81040022a164036200')
const SPKI_PREFIX = fromHex('3076301006072a8648ce3d020106052b81040022036200')
const GENERATOR = generatorOfP384()

/**
 * Through KeyObjects, which takes half the time of node:crypto's ECDH class: that one computes and
 * checks our own public point again, which costs as much as the rest. The structure asks for some
 * point beside the scalar, and the derivation does not look at it: the generator stands in.
 */
function deriveP384(scalar: Bytes, point: Bytes): Bytes {
  const sec1 = concat(SEC1_PREFIX, scalar, SEC1_MIDDLE, GENERATOR)
  return diffieHellman({
    privateKey: createPrivateKey({ key: sec1, format: 'der', type: 'sec1' }),
    publicKey: createPublicKey({ key: concat(SPKI_PREFIX, point), format: 'der', type: 'spki' }),
  })
}

function generatorOfP384(): Bytes {
  const one = new Uint8Array(48)
  one[47] = 1
  const ecdh = createECDH('secp384r1')
  ecdh.setPrivateKey(one)
  return ecdh.getPublicKey()
}

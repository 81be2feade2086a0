/**
 * DHKEXid14 and DHKEXid15: RFC 3526's groups 14 and 15. FDO 1.1, "Diffie-Hellman Key Exchange".
 *
 * Node has no asynchronous form of these: an exponentiation holds up the thread it is done in, for
 * under half a millisecond in group 14 and some three in group 15. Hence `power` and `share`, for a
 * caller with another thread to do them in.
 */
import { createDiffieHellman, getDiffieHellman } from 'node:crypto'
import { type Bytes, EMPTY, toFixedLength } from '../../bytes.ts'
import { type Exchange, type SharedSecret, refused } from './exchange.ts'

interface Group {
  readonly prime: Bytes
  readonly exponentBytes: number
}

const GENERATOR = 2

/** By the name of the exchange. */
export const GROUPS = {
  DHKEXid14: { prime: getDiffieHellman('modp14').getPrime(), exponentBytes: 32 },
  DHKEXid15: { prime: getDiffieHellman('modp15').getPrime(), exponentBytes: 96 },
} as const satisfies Record<string, Group>

export type DhName = keyof typeof GROUPS

export function dh(group: Group): Exchange {
  return {
    start(randomBytes) {
      const exponent = randomBytes(group.exponentBytes)
      return { xA: power(group, exponent), secret: exponent }
    },
    finish: (secret, xB) => share(group, secret, xB),
    answer(xA, _ownerKey, randomBytes) {
      const exponent = randomBytes(group.exponentBytes)
      return { xB: power(group, exponent), shared: share(group, exponent, xA) }
    },
  }
}

/** `g^exponent mod p`: what a party sends. */
export function power({ prime }: Group, exponent: Bytes): Bytes {
  const party = createDiffieHellman(prime, GENERATOR)
  party.setPrivateKey(exponent)
  return party.generateKeys()
}

/**
 * `ShSe = g^ab mod p`. Divergence: as long as p, zeros in front included, which go-fdo writes and
 * Java does not: one run in 256 fails between them.
 */
export function share({ prime }: Group, exponent: Bytes, received: Bytes): SharedSecret {
  const party = createDiffieHellman(prime, GENERATOR)
  party.setPrivateKey(exponent)
  const fixed = toFixedLength(received, prime.length)
  if (!fixed || !isBelow(fixed, prime)) throw refused('a power beyond the prime')
  try {
    // Throws for 0, 1 and p − 1, whether received or shared. NIST SP 800-56A, section 5.7.1.1.
    return { shSe: party.computeSecret(fixed), contextRand: EMPTY }
  } catch (cause) {
    throw refused('a power out of range', cause)
  }
}

/** For big-endian numbers of one length. */
function isBelow(number: Bytes, limit: Bytes): boolean {
  const at = number.findIndex((byte, i) => byte !== limit[i])
  return at >= 0 && (number[at] ?? 0) < (limit[at] ?? 0)
}

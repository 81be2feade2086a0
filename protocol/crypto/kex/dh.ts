/**
 * DHKEXid14 and DHKEXid15: RFC 3526's groups 14 and 15. FDO 1.1, "Diffie-Hellman Key Exchange".
 *
 * Node has no asynchronous form of these: an exponentiation holds up the event loop, for under
 * half a millisecond in group 14 and some three in group 15.
 */
import { createDiffieHellman, getDiffieHellman } from 'node:crypto'
import { type Bytes, EMPTY, toFixedLength } from '../../bytes.ts'
import type { RandomBytes } from '../../types/base.ts'
import { type Exchange, type SharedSecret, refused } from './exchange.ts'

export interface Group {
  readonly prime: Bytes
  readonly exponentBytes: number
}

const GENERATOR = 2

export const GROUP_14: Group = { prime: getDiffieHellman('modp14').getPrime(), exponentBytes: 32 }
export const GROUP_15: Group = { prime: getDiffieHellman('modp15').getPrime(), exponentBytes: 96 }

export function dh(group: Group): Exchange {
  return {
    start(randomBytes) {
      const { exponent, power } = makeKey(group, randomBytes)
      return { xA: power, secret: exponent }
    },
    finish: (secret, xB) => share(group, secret, xB),
    answer(xA, _ownerKey, randomBytes) {
      const { exponent, power } = makeKey(group, randomBytes)
      return { xB: power, shared: share(group, exponent, xA) }
    },
  }
}

function makeKey(group: Group, randomBytes: RandomBytes): { exponent: Bytes; power: Bytes } {
  const exponent = randomBytes(group.exponentBytes)
  const party = createDiffieHellman(group.prime, GENERATOR)
  party.setPrivateKey(exponent)
  return { exponent, power: party.generateKeys() }
}

/**
 * `ShSe = g^ab mod p`. Divergence: as long as p, zeros in front included, which go-fdo writes and
 * Java does not: one run in 256 fails between them.
 */
function share({ prime }: Group, exponent: Bytes, power: Bytes): SharedSecret {
  const party = createDiffieHellman(prime, GENERATOR)
  party.setPrivateKey(exponent)
  const fixed = toFixedLength(power, prime.length)
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

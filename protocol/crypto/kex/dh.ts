/**
 * DHKEXid14 and DHKEXid15: RFC 3526's groups 14 and 15. FDO 1.1, "Diffie-Hellman Key Exchange".
 *
 * Node has no asynchronous form of these: an exponentiation holds up the event loop, for under
 * half a millisecond in group 14 and some three in group 15.
 */
import { createDiffieHellman, getDiffieHellman } from 'node:crypto'
import { type Bytes, EMPTY, equalBytes, toFixedLength } from '../../bytes.ts'
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
  const fixed = toFixedLength(power, prime.length)
  if (!fixed || isTrivial(fixed, prime)) throw refused('a power out of range')
  const party = createDiffieHellman(prime, GENERATOR)
  party.setPrivateKey(exponent)
  let shared: Bytes | undefined
  try {
    shared = toFixedLength(party.computeSecret(fixed), prime.length)
  } catch (cause) {
    throw refused('a power that cannot be used', cause)
  }
  if (!shared || isTrivial(shared, prime)) throw refused('a shared secret anyone could guess')
  return { shSe: shared, contextRand: EMPTY }
}

/** Whether a number is 0, 1, p − 1 or beyond. The primes are odd: p − 1 differs in one bit. */
function isTrivial(number: Bytes, prime: Bytes): boolean {
  const last = number.length - 1
  if (number.subarray(0, last).every((byte) => byte === 0) && (number[last] ?? 0) <= 1) return true
  const minusOne = new Uint8Array(prime)
  minusOne[last] = (prime[last] ?? 0) - 1
  if (equalBytes(number, minusOne)) return true
  for (const [i, byte] of number.entries()) {
    if (byte !== prime[i]) return byte > (prime[i] ?? 0)
  }
  return true
}

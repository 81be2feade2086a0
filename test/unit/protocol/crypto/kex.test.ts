import { createECDH, getDiffieHellman, randomBytes } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Bytes, concat, toHex } from '../../../../protocol/bytes.ts'
import type { KeyKind } from '../../../../protocol/cose/algorithms.ts'
import {
  CIPHERS,
  KEX,
  type Kex,
  type KexName,
  answerAsDevice,
  findKex,
  finishOwnerExchange,
  isKexAllowed,
  startOwnerExchange,
} from '../../../../protocol/crypto/kex/suites.ts'
import { deriveTunnelKey } from '../../../../protocol/crypto/kex/tunnel.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { ecKey, freshRsaKey, rsaKey } from '../../../support/certificates.ts'

const signers = new Map<KeyKind, Signer>()
const random = (length: number): Bytes => new Uint8Array(randomBytes(length))

beforeAll(() => {
  for (const key of [ecKey(), ecKey('P-384'), rsaKey(2048), rsaKey(3072)]) {
    const signer = signerOf(key)
    signers.set(signer.key.kind, signer)
  }
})

function signerFor(kex: Kex): Signer {
  return signers.get(kex.ownerKinds[0]!)!
}

describe('every key exchange', () => {
  for (const kex of Object.values(KEX)) {
    it(`${kex.name} gives both parties the same keys, and fresh ones each time`, async () => {
      const keys = new Set<string>()
      for (let run = 0; run < 3; run++) {
        const signer = signerFor(kex)
        const { xA, secret } = await startOwnerExchange(kex, random)
        const { xB, shared } = await answerAsDevice(kex, xA, signer.key, random)
        const owner = await finishOwnerExchange(kex, secret, xB, signer)
        for (const cipher of CIPHERS.values()) {
          const key = toHex(deriveTunnelKey(cipher, owner))
          expect(key).toBe(toHex(deriveTunnelKey(cipher, shared)))
          expect(key).toHaveLength(2 * cipher.keyBytes)
          keys.add(key)
        }
      }
      // One key for each length and PRF there is.
      expect(keys.size).toBe(3 * 3)
    })

    it(`${kex.name} goes on from the secret that a token brought back`, async () => {
      const signer = signerFor(kex)
      const { xA, secret } = await startOwnerExchange(kex, random)
      const { xB, shared } = await answerAsDevice(kex, xA, signer.key, random)
      const owner = await finishOwnerExchange(kex, secret.slice(), xB, signer)
      expect(toHex(owner.shSe)).toBe(toHex(shared.shSe))
    })

    it(`${kex.name} leaves a secret that fits into a token`, async () => {
      const { secret } = await startOwnerExchange(kex, random)
      expect(secret.length).toBeLessThanOrEqual(100)
    })

    it(`${kex.name} refuses halves that are empty, or far too long`, async () => {
      const { secret } = await startOwnerExchange(kex, random)
      const signer = signerFor(kex)
      for (const half of [new Uint8Array(0), Uint8Array.of(0), random(600)]) {
        const refusal = { name: 'FdoError', code: 'INVALID_MESSAGE_ERROR' }
        await expect(finishOwnerExchange(kex, secret, half, signer)).rejects.toMatchObject(refusal)
        await expect(answerAsDevice(kex, half, signer.key, random)).rejects.toMatchObject(refusal)
      }
    })
  }

  it('goes with the owner keys of its strength, and ECDH384 with P-256 too, for fdo-rs', () => {
    const allowed = Object.values(KEX).map(({ name, ownerKinds }) => [name, ...ownerKinds])
    expect(allowed).toEqual([
      ['DHKEXid14', 'rsa2048'],
      ['DHKEXid15', 'rsa3072'],
      ['ASYMKEX2048', 'rsa2048'],
      ['ASYMKEX3072', 'rsa3072'],
      ['ECDH256', 'p256'],
      ['ECDH384', 'p384', 'p256'],
    ])
    expect(isKexAllowed(KEX.ECDH256, 'p256')).toBe(true)
    expect(isKexAllowed(KEX.ECDH256, 'p384')).toBe(false)
  })

  it('is found by its name, case and all', () => {
    expect(findKex('ECDH256')).toBe(KEX.ECDH256)
    for (const name of ['ecdh256', 'constructor', '__proto__', '']) {
      expect(findKex(name)).toBeUndefined()
    }
  })
})

describe('ECDH', () => {
  /** The last is a private key whose point has an x that begins with a zero. */
  const cases: [KexName, string, number, number, number][] = [
    ['ECDH256', 'prime256v1', 32, 16, 379],
    ['ECDH384', 'secp384r1', 48, 48, 197],
  ]
  for (const [name, curve, length, randomLength, shortKey] of cases) {
    const kex = KEX[name]

    /** A device that writes numbers as it likes. */
    async function exchangeWith(write: (coordinate: Bytes) => Bytes) {
      const { xA, secret } = await startOwnerExchange(kex, random)
      const device = createECDH(curve)
      device.setPrivateKey(Uint8Array.of(shortKey >> 8, shortKey))
      const point = device.getPublicKey()
      expect(point[1]).toBe(0)
      const [x, y] = [point.subarray(1, 1 + length), point.subarray(1 + length)]
      const deviceRandom = random(randomLength)
      const xB = parts(write(x), write(y), deviceRandom)
      const { shSe } = await finishOwnerExchange(kex, secret, xB, signers.get('p256')!)
      const ownerPoint = concat(
        Uint8Array.of(4),
        xA.subarray(2, 2 + length),
        xA.subarray(4 + length, 4 + 2 * length),
      )
      const expected = device.computeSecret(ownerPoint)
      expect(toHex(shSe)).toBe(toHex(concat(expected, deviceRandom, xA.subarray(-randomLength))))
    }

    it(`${name} reads coordinates without their leading zeros`, async () => {
      await exchangeWith((coordinate) =>
        coordinate.subarray(coordinate.findIndex((byte) => byte !== 0)),
      )
    })

    it(`${name} reads coordinates with a sign byte in front`, async () => {
      await exchangeWith((coordinate) => concat(Uint8Array.of(0), coordinate))
    })

    it(`${name} starts the owner's random number with something else than zero`, async () => {
      const zero = new Uint8Array(randomLength)
      const queue = [random(length), zero]
      const { xA, secret } = await startOwnerExchange(kex, () => queue.shift()!)
      expect(xA[4 + 2 * length + 2]).toBe(1)
      expect(toHex(secret.subarray(length))).toBe(toHex(xA.subarray(-randomLength)))
      expect(zero[0]).toBe(0)
    })

    it(`${name} draws again what is no private key`, async () => {
      const queue = [new Uint8Array(length), new Uint8Array(length).fill(0xff)]
      const good = random(length)
      good[0] = 1
      const { secret } = await startOwnerExchange(kex, (n) => queue.shift() ?? good.slice(0, n))
      expect(toHex(secret.subarray(0, length))).toBe(toHex(good))
      await expect(startOwnerExchange(kex, (n) => new Uint8Array(n))).rejects.toThrow(/private key/)
    })

    it(`${name} refuses points off the curve, at infinity, and lengths that lie`, async () => {
      const { xA, secret } = await startOwnerExchange(kex, random)
      const good = parts(
        xA.subarray(2, 2 + length),
        xA.subarray(4 + length, 4 + 2 * length),
        random(randomLength),
      )
      const ownRandom = random(randomLength)
      const bent = new Uint8Array(good)
      bent[10] = (bent[10] ?? 0) ^ 1
      const zeros = new Uint8Array(length)
      const bad = [
        bent,
        parts(zeros, zeros, ownRandom),
        parts(new Uint8Array(0), new Uint8Array(0), ownRandom),
        parts(concat(Uint8Array.of(1), zeros), zeros, ownRandom),
        good.subarray(0, -1),
        concat(good, Uint8Array.of(0)),
        concat(good, parts(ownRandom)),
        good.subarray(0, -(randomLength + 2)),
        concat(good.subarray(0, -(randomLength + 2)), parts(ownRandom.subarray(1))),
      ]
      for (const xB of bad) {
        await expect(
          finishOwnerExchange(kex, secret, xB, signers.get('p256')!),
        ).rejects.toMatchObject({ name: 'FdoError', code: 'INVALID_MESSAGE_ERROR' })
      }
    })
  }
})

describe('Diffie-Hellman', () => {
  for (const [name, group] of [
    ['DHKEXid14', 'modp14'],
    ['DHKEXid15', 'modp15'],
  ] as const) {
    const prime = new Uint8Array(getDiffieHellman(group).getPrime())
    const neighbour = (difference: number) => {
      const number = new Uint8Array(prime)
      number[number.length - 1] = (number.at(-1) ?? 0) + difference
      return number
    }

    it(`${name} refuses numbers that give the secret away`, async () => {
      const kex = KEX[name]
      const { secret } = await startOwnerExchange(kex, random)
      const signer = signerFor(kex)
      const trivial = [
        Uint8Array.of(0),
        Uint8Array.of(1),
        neighbour(-1),
        prime,
        new Uint8Array(prime.length).fill(0xff),
        concat(Uint8Array.of(1), prime),
      ]
      for (const number of trivial) {
        const refusal = { name: 'FdoError', code: 'INVALID_MESSAGE_ERROR' }
        await expect(finishOwnerExchange(kex, secret, number, signer)).rejects.toMatchObject(
          refusal,
        )
        await expect(answerAsDevice(kex, number, signer.key, random)).rejects.toMatchObject(refusal)
      }
      for (const number of [Uint8Array.of(2), neighbour(-2)]) {
        const { shSe } = await finishOwnerExchange(kex, secret, number, signer)
        expect(shSe).toHaveLength(prime.length)
      }
    })

    it(`${name} reads numbers with zeros in front, and pads the secret`, async () => {
      const kex = KEX[name]
      const { secret } = await startOwnerExchange(kex, random)
      const bare = await finishOwnerExchange(kex, secret, Uint8Array.of(2), signerFor(kex))
      const padded = concat(new Uint8Array(prime.length + 3), Uint8Array.of(2))
      const same = await finishOwnerExchange(kex, secret, padded, signerFor(kex))
      expect(toHex(same.shSe)).toBe(toHex(bare.shSe))
    })
  }

  it('gives a secret as long as the prime when it begins with zeros', async () => {
    const kex = KEX.DHKEXid14
    const one = concat(new Uint8Array(31), Uint8Array.of(3))
    const { shSe } = await finishOwnerExchange(kex, one, Uint8Array.of(2), signerFor(kex))
    expect(toHex(shSe)).toBe('00'.repeat(255) + '08')
  })
})

describe('ASYMKEX', () => {
  it('refuses a number of another length, whoever encrypted it', async () => {
    const signer = signers.get('rsa2048')!
    const { xA, secret } = await startOwnerExchange(KEX.ASYMKEX2048, random)
    const { xB } = await answerAsDevice(KEX.ASYMKEX2048, xA, signer.key, () => random(31))
    await expect(finishOwnerExchange(KEX.ASYMKEX2048, secret, xB, signer)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
  })

  it('does not trouble the private key with what no device encrypts', async () => {
    const { secret } = await startOwnerExchange(KEX.ASYMKEX2048, random)
    let calls = 0
    const counting = { ...signers.get('rsa2048')!, decrypt: () => random(32 + 0 * ++calls) }
    for (const length of [0, 255, 257, 60_000]) {
      await expect(
        finishOwnerExchange(KEX.ASYMKEX2048, secret, random(length), counting),
      ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    }
    expect(calls).toBe(0)
  })

  it('refuses what was encrypted for another key', async () => {
    const signer = signers.get('rsa2048')!
    const { xA, secret } = await startOwnerExchange(KEX.ASYMKEX2048, random)
    const other = signerOf(freshRsaKey())
    const { xB } = await answerAsDevice(KEX.ASYMKEX2048, xA, other.key, random)
    await expect(finishOwnerExchange(KEX.ASYMKEX2048, secret, xB, signer)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
  })

  it('is refused by a device whose owner shows a key of another kind', async () => {
    const { xA } = await startOwnerExchange(KEX.ASYMKEX2048, random)
    for (const kind of ['rsa3072', 'p256'] as const) {
      await expect(
        answerAsDevice(KEX.ASYMKEX2048, xA, signers.get(kind)!.key, random),
      ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
    }
  })

  it('with an owner key of another kind is our own mistake', async () => {
    const { secret } = await startOwnerExchange(KEX.ASYMKEX2048, random)
    const { decrypt: _, ...cannotDecrypt } = signers.get('rsa2048')!
    for (const signer of [signers.get('p256')!, signers.get('rsa3072')!, cannotDecrypt]) {
      await expect(
        finishOwnerExchange(KEX.ASYMKEX2048, secret, random(256), signer),
      ).rejects.toThrow(/another kind/)
    }
  })
})

/** Each with its length in front. */
function parts(...numbers: Bytes[]): Bytes {
  return concat(
    ...numbers.flatMap((number) => [Uint8Array.of(number.length >> 8, number.length), number]),
  )
}

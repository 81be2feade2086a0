/** What holds for every value and for any bytes at all, with cborg as the judge. */
import * as cborg from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../protocol/bytes.ts'
import { type CborValue, Tagged, decode, encode } from '../../protocol/cbor/cbor.ts'
import { diagnosticOf } from '../../protocol/cbor/diagnostic.ts'
import { type Item, Major, bytesOf, scan } from '../../protocol/cbor/scan.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import { Sign1 } from '../../protocol/cose/sign1.ts'
import { PublicKey } from '../../protocol/crypto/public-key.ts'
import { CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { openMessage, sealMessage } from '../../protocol/crypto/kex/tunnel.ts'
import { FdoError } from '../../protocol/errors.ts'
import { parseCertificate, spkiOfCertificate } from '../../protocol/x509/certificate.ts'
import { findChainFlaw } from '../../protocol/x509/chain.ts'
import { parseCsr } from '../../protocol/x509/csr.ts'
import { CA_USAGE, certificateOf, csrOf, ecKey } from '../support/certificates.ts'
import { garbageLike } from '../support/mutation.ts'
import { partsOf, voucherVectors } from '../support/vouchers.ts'
import { fromHex, toHex } from '../support/wire.ts'

const integer = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) - 1n }),
)
const string = fc.oneof(fc.string({ unit: 'grapheme' }), fc.uint8Array({ maxLength: 300 }))
const leaf = fc.oneof(integer, string, fc.boolean(), fc.constantFrom(null, undefined))
const key = fc.oneof(fc.integer({ min: -300, max: 300 }), fc.string({ maxLength: 3 }))

/** Everything that can be encoded; tags and byte strings as keys are beyond cborg. */
const value: fc.Arbitrary<CborValue> = fc.letrec<{ tree: CborValue }>((tie) => ({
  tree: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    leaf,
    fc.array(tie('tree'), { maxLength: 6 }),
    fc
      .uniqueArray(fc.tuple(key, tie('tree')), { maxLength: 6, selector: ([name]) => name })
      .map((entries) => new Map<CborValue, CborValue>(entries)),
  ),
})).tree

const CBORG = { useMaps: true, strict: true, rejectDuplicateMapKeys: true }

describe('CBOR', () => {
  it('is read back as it was written', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(decode(encode(one))).toEqual(one)
      }),
    )
  })

  it('is the same for another reader, which accepts the shortest forms only', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(cborg.decode(encode(one), CBORG)).toEqual(one)
      }),
    )
  })

  it('is the same from another writer, maps aside, which it leaves in any order', () => {
    fc.assert(
      fc.property(value, (one) => {
        const theirs = cborg.encode(one, { float64: false })
        expect(decode(theirs)).toEqual(one)
        if (!containsMap(one)) expect(encode(one)).toEqual(new Uint8Array(theirs))
      }),
    )
  })

  it('has one encoding, whatever the order of a map', () => {
    fc.assert(
      fc.property(value, (one) => {
        expect(encode(reversed(one))).toEqual(encode(one))
      }),
    )
  })

  it('that is not deterministic becomes so: what is read and written again is stable', () => {
    fc.assert(
      fc.property(anyBytes(), (bytes) => {
        const one = onlyFdoErrors(() => decode(bytes))
        if (one === FAILED) return
        const again = encode(one as CborValue)
        expect(again.length).toBeLessThanOrEqual(bytes.length)
        expect(encode(decode(again))).toEqual(again)
      }),
      { numRuns: 1000 },
    )
  })

  it('of any bytes at all gives items that tile their parent, or an FdoError', () => {
    fc.assert(
      fc.property(anyBytes(), (bytes) => {
        const item = onlyFdoErrors(() => scan(bytes, { floats: true }))
        if (item === FAILED) return
        expectTiled(item as Item)
        expect(typeof diagnosticOf(bytes)).toBe('string')
      }),
      { numRuns: 1000 },
    )
  })

  it('that another strict reader refuses is refused, but for long heads, floats and tags', () => {
    fc.assert(
      fc.property(anyBytes(), (bytes) => {
        const ours = onlyFdoErrors(() => decode(bytes))
        if (ours === FAILED) return
        const lenient = { ...CBORG, strict: false, tags: TAGS }
        expect(cborg.decode(bytes, lenient)).toEqual(ours)
      }),
      { numRuns: 1000 },
    )
  })
})

describe('garbage brings nothing but FdoErrors', () => {
  const voucher = partsOf()
  const sign1 = fromHex('d28443a10126a04a83016366646f4301020341ff')
  const publicKey = encode(PublicKey.build(voucher.publicKeys[0]!))

  it('from signed messages', () => {
    fc.assert(
      fc.property(garbageLike(sign1), (bytes) => {
        onlyFdoErrors(() => decodeAs(Sign1, bytes, 'Sign1'))
      }),
      { numRuns: 150 },
    )
  })

  it('from public keys', () => {
    for (const bytes of [publicKey, coseKey()]) {
      fc.assert(
        fc.property(garbageLike(bytes), (garbage) => {
          onlyFdoErrors(() => decodeAs(PublicKey, garbage, 'PublicKey'))
        }),
        { numRuns: 1500 },
      )
    }
  })

  it('from sealed messages, and only the untouched one opens', () => {
    for (const cipher of CIPHERS.values()) {
      const sealKey = new Uint8Array(cipher.keyBytes).fill(1)
      const nonce = new Uint8Array(cipher.nonceBytes).fill(2)
      const plaintext = Uint8Array.of(0x81, 0x01)
      const message = sealMessage(cipher, sealKey, nonce, plaintext)
      fc.assert(
        fc.property(garbageLike(message), (garbage) => {
          const opened = onlyFdoErrors(() => openMessage(cipher, sealKey, garbage))
          // What is not under the tag may be written in another way, but not mean another thing.
          if (opened === FAILED) return
          expect(toHex(opened.plaintext)).toBe(toHex(plaintext))
          expect(opened.nonce).toEqual(nonce)
        }),
        { numRuns: 200 },
      )
    }
  })

  it('from certificates', () => {
    for (const certificate of voucher.chain) {
      fc.assert(
        fc.property(garbageLike(certificate), (garbage) => {
          onlyFdoErrors(() => parseCertificate(garbage))
          onlyFdoErrors(() => spkiOfCertificate(garbage))
        }),
        { numRuns: 500 },
      )
    }
  })

  it('nor even those from chains, which always have a flaw', async () => {
    const issuer = { key: ecKey(), subject: 'ca' }
    const ca = certificateOf({ ...issuer, isCa: true, keyUsage: CA_USAGE })
    const leaf = certificateOf({ key: ecKey(), subject: 'leaf', issuer })
    await fc.assert(
      fc.asyncProperty(garbageLike(leaf), garbageLike(ca), async (badLeaf, badCa) => {
        expect(await findChainFlaw([badLeaf, ca])).toBeTypeOf(
          isSame(badLeaf, leaf) ? 'undefined' : 'string',
        )
        await findChainFlaw([leaf, badCa])
        await findChainFlaw([leaf], { anchors: [badCa] })
      }),
      { numRuns: 200 },
    )
  })

  it('from certification requests, and none that was touched passes', async () => {
    const csr = csrOf(ecKey())
    await fc.assert(
      fc.asyncProperty(garbageLike(csr), async (garbage) => {
        try {
          expect((await parseCsr(garbage)).der).toEqual(csr)
        } catch (error) {
          if (!(error instanceof FdoError)) throw error
        }
      }),
      { numRuns: 1500 },
    )
  })
})

/** Random bytes, and CBOR with wounds. */
function anyBytes(): fc.Arbitrary<Bytes> {
  return fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    value.chain((one) => garbageLike(encode(one))),
  )
}

const FAILED = Symbol('failed')

function onlyFdoErrors<T>(work: () => T): T | typeof FAILED {
  try {
    return work()
  } catch (error) {
    if (error instanceof FdoError) return FAILED
    throw error
  }
}

const TAGS = Object.assign(
  [],
  Object.fromEntries(
    [0, 1, 16, 17, 18].map((tag) => [tag, (inner: () => CborValue) => new Tagged(tag, inner())]),
  ),
)

function containsMap(one: CborValue): boolean {
  return one instanceof Map || (Array.isArray(one) && one.some(containsMap))
}

function reversed(one: CborValue): CborValue {
  if (Array.isArray(one)) return one.map(reversed)
  if (!(one instanceof Map)) return one
  return new Map([...one].toReversed().map(([name, inner]) => [name, reversed(inner)]))
}

function expectTiled(item: Item): void {
  let at = item.contentStart
  for (const child of item.items) {
    expect(child.start).toBe(at)
    expect(bytesOf(child)).toHaveLength(child.end - child.start)
    expectTiled(child)
    at = child.end
  }
  if (item.major >= Major.ARRAY) expect(at).toBe(item.end)
}

function isSame(a: Bytes, b: Bytes): boolean {
  return toHex(a) === toHex(b)
}

function coseKey(): Bytes {
  const name = voucherVectors.find((one) => one.keyEnc === 3)!.name
  return encode(PublicKey.build(partsOf(name).publicKeys[0]!))
}

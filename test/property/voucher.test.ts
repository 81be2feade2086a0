/** Vouchers, whole and mutated: none but the genuine one verifies, and only FdoErrors come out. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import { voucherToPem, vouchersFromPem } from '../../protocol/voucher/pem.ts'
import { findVoucherFlaw } from '../../protocol/voucher/verify.ts'
import { type Voucher, ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { makeVoucher, partsOf, sell, voucherVectors } from '../support/vouchers.ts'
import { fromHex } from '../support/wire.ts'

/** Parsed and verified, or undefined where it is refused as it should be. */
async function accepted(encoded: Uint8Array): Promise<Voucher | undefined> {
  try {
    const voucher = parseVoucher(encoded)
    return (await findVoucherFlaw(voucher)) ? undefined : voucher
  } catch (error) {
    if (error instanceof FdoError) return undefined
    throw error
  }
}

/** Whether two vouchers say the same: the device's HMAC and the certificates alone may differ. */
function isSameClaim(a: Voucher, b: Voucher): boolean {
  return (
    equalBytes(a.header.bytes, b.header.bytes) &&
    equalBytes(ownerKeyOf(a).bytes, ownerKeyOf(b).bytes) &&
    a.entries.length === b.entries.length
  )
}

describe('a mutated voucher', () => {
  // The quick kinds of key: what is mutated is the structure, and that is the same for all.
  const names = voucherVectors.map(({ name }) => name).filter((name) => /^p256/.test(name))

  it.each(names)('never makes another claim: %s', async (name) => {
    const vector = voucherVectors.find((one) => one.name === name) ?? expect.fail()
    const genuine = fromHex(vector.good[2]?.voucher ?? '')
    const original = parseVoucher(genuine)
    const mutation = fc.tuple(fc.nat(genuine.length - 1), fc.integer({ min: 1, max: 255 }))
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const mutated = genuine.slice()
        for (const [at, mask] of mutations) mutated[at] = (mutated[at] ?? 0) ^ mask
        const voucher = await accepted(mutated)
        if (voucher) expect(isSameClaim(voucher, original)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('is refused wherever it is cut off', async () => {
    const { bytes } = await makeVoucher(partsOf())
    for (let length = 0; length < bytes.length; length++) {
      expect(await accepted(bytes.subarray(0, length))).toBeUndefined()
    }
  })

  it('of random bytes is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (garbage) => {
        expect(await accepted(garbage)).toBeUndefined()
      }),
    )
  })
})

describe('a chain of sales', () => {
  it('verifies up to 255 entries, and no entry can be left out or exchanged', async () => {
    const parts = partsOf('p256-cosekey-devP256')
    let voucher = await makeVoucher(parts, { sales: 0 })
    for (let i = 1; i <= 255; i++) voucher = await sell(parts, voucher, i)
    expect(voucher.bytes.length).toBeLessThanOrEqual(65_535)
    expect(await findVoucherFlaw(voucher)).toBeUndefined()
    await expect(sell(parts, voucher, 256)).rejects.toThrow('too-many-entries')

    await fc.assert(
      fc.asyncProperty(fc.nat(253), fc.nat(253), async (i, j) => {
        const entries = [...voucher.entries]
        if (i === j) entries.splice(i, 1)
        else [entries[i], entries[j]] = [entries[j] ?? expect.fail(), entries[i] ?? expect.fail()]
        expect((await findVoucherFlaw({ ...voucher, entries }))?.check).toMatch(/^entry-/)
      }),
      { numRuns: 10 },
    )
  }, 30_000)

  it('comes back from PEM as it went in', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (content) => {
        expect(vouchersFromPem(voucherToPem(content))).toEqual([content])
      }),
    )
  })
})

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { FdoError } from '../../../../protocol/errors.ts'
import { readReceipt, signReceipt } from '../../../../protocol/transfer/receipt.ts'
import { mutationOf } from '../../../support/mutation.ts'
import { makeVoucher, partsOf, sell } from '../../../support/vouchers.ts'

const parts = partsOf()
const voucher = await makeVoucher(parts)
const [seller, buyer] = parts.signers
const received = { receivedAt: new Date('2026-11-22T12:00:00Z'), sender: 'ACME' }
const receipt = await signReceipt(voucher, buyer ?? expect.fail(), received)

describe('a receipt', () => {
  it('says what was received, when, and from whom', async () => {
    expect(await readReceipt(receipt, voucher)).toMatchObject({
      guid: voucher.header.value.guid,
      receivedAt: received.receivedAt.getTime() / 1000,
      sender: 'ACME',
    })
  })

  it('is signed by none but the buyer', async () => {
    await expect(signReceipt(voucher, seller ?? expect.fail(), received)).rejects.toThrow(/buyer/)
  })

  it('is for one voucher and no other', async () => {
    const other = await makeVoucher(parts, { header: { deviceInfo: 'another' } })
    await expect(readReceipt(receipt, other)).rejects.toThrow(/another voucher/)
    const soldOn = await sell(parts, voucher, 2)
    await expect(readReceipt(receipt, soldOn)).rejects.toThrow(/not signed/)
  })

  it('is refused with any of it changed, by an FdoError', async () => {
    await fc.assert(
      fc.asyncProperty(mutationOf(receipt), async (bytes) => {
        const said = await readReceipt(bytes, voucher).catch((error) => {
          if (error instanceof FdoError) return undefined
          throw error
        })
        if (said) expect(said.sender).toBe('ACME')
      }),
    )
  })
})

import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Voucher } from '../../../../protocol/voucher/voucher.ts'
import { ParsedVouchers } from '../../../../src/vouchers/parsed.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const edition = { party: HOME_PARTY, revision: 1, created_at: '2026-01-02T03:04:05.000Z' }
let voucher: Voucher
let longer: Voucher
beforeAll(async () => {
  voucher = await makeVoucher(partsOf(), { sales: 1 })
  longer = await makeVoucher(partsOf(), { sales: 2 })
})

describe('vouchers parsed lately', () => {
  it('are had again without their bytes', () => {
    const parsed = new ParsedVouchers()
    const first = parsed.parse('a', voucher.bytes, edition)
    expect(parsed.recall('a', edition)).toBe(first)
  })

  it('are parsed again where their row is of another edition', () => {
    const parsed = new ParsedVouchers()
    parsed.parse('a', voucher.bytes, edition)
    expect(parsed.recall('a', { ...edition, revision: 2 })).toBeUndefined()
    expect(parsed.recall('a', { ...edition, created_at: 'later' })).toBeUndefined()
    expect(parsed.recall('b', edition)).toBeUndefined()
  })

  it('are not had again by an edition that nobody named', () => {
    const parsed = new ParsedVouchers()
    parsed.parse('a', voucher.bytes)
    expect(parsed.recall('a', edition)).toBeUndefined()
  })

  it('are those of the bytes given last', () => {
    const parsed = new ParsedVouchers()
    parsed.parse('a', voucher.bytes, edition)
    expect(parsed.parse('a', longer.bytes, edition).entries).toHaveLength(2)
    expect(parsed.recall('a', edition)?.entries).toHaveLength(2)
  })

  it('are forgotten when they are told to be', () => {
    const parsed = new ParsedVouchers()
    parsed.parse('a', voucher.bytes, edition)
    parsed.forget('a')
    expect(parsed.recall('a', edition)).toBeUndefined()
  })
})

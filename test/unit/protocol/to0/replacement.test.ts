import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../../../protocol/bytes.ts'
import { type StoredRank, replaces } from '../../../../protocol/to0/replacement.ts'

const bytes = (text: string): Bytes => new Uint8Array(Buffer.from(text))
const sales = (...names: string[]) => names.map(bytes)
const rank = (order: number, ownerKey: string, ...entries: string[]) => ({
  to1d: bytes(`to1d ${order} ${ownerKey}`),
  ownerKey: bytes(ownerKey),
  entryHashes: sales(...entries),
  order,
})
const stored: StoredRank = { ...rank(5, 'bob', 'mfg→alice', 'alice→bob'), lapsed: false }

describe('replacing a registration', () => {
  it('lets the same owner register again', () => {
    const again = rank(6, 'bob', 'mfg→alice', 'alice→bob')
    expect(replaces(stored, again)).toEqual(stored.entryHashes)
  })

  it('lets the next owner take over', () => {
    const sold = rank(6, 'carol', 'mfg→alice', 'alice→bob', 'bob→carol')
    expect(replaces(stored, sold)).toEqual(sold.entryHashes)
  })

  it('refuses a former owner with the voucher as it was', () => {
    expect(() => replaces(stored, rank(6, 'alice', 'mfg→alice'))).toThrow('sold on')
  })

  it('refuses one to whom a former owner sold the device a second time', () => {
    const forked = rank(6, 'dave', 'mfg→alice', 'alice→dave')
    expect(() => replaces(stored, forked)).toThrow('sold on')
    const longer = rank(6, 'dave', 'mfg→alice', 'alice→eve', 'eve→dave')
    expect(() => replaces(stored, longer)).toThrow('sold on')
  })

  it('refuses one from nowhere', () => {
    expect(() => replaces(stored, rank(6, 'dave'))).toThrow('sold on')
  })

  it('remembers the sales that the same owner leaves out', () => {
    const round = { ...rank(5, 'alice', 'mfg→alice', 'alice→bob', 'bob→alice'), lapsed: false }
    const short = rank(6, 'alice', 'mfg→alice')
    expect(replaces(round, short)).toEqual(round.entryHashes)
    const afterwards = { ...short, entryHashes: round.entryHashes, lapsed: false }
    const bob = rank(7, 'bob', 'mfg→alice', 'alice→bob')
    expect(() => replaces(afterwards, bob)).toThrow('sold on')
  })

  it('takes the same owner’s voucher of other sales as it is', () => {
    const other = rank(6, 'bob', 'mfg→bob')
    expect(replaces(stored, other)).toEqual(other.entryHashes)
  })

  it('changes nothing for a repeat', () => {
    expect(replaces(stored, rank(5, 'bob', 'mfg→alice', 'alice→bob'))).toBeUndefined()
  })

  it('refuses a second, different registration of one run', () => {
    const other = { ...rank(5, 'bob', 'mfg→alice', 'alice→bob'), to1d: bytes('elsewhere') }
    expect(() => replaces(stored, other)).toThrow('older')
  })

  it('refuses one of a run that began earlier, even where the other has lapsed', () => {
    const older = rank(4, 'bob', 'mfg→alice', 'alice→bob')
    expect(() => replaces(stored, older)).toThrow('older')
    expect(() => replaces({ ...stored, lapsed: true }, older)).toThrow('older')
  })

  it('lets anybody follow one that has lapsed', () => {
    const forked = rank(6, 'dave', 'mfg→alice', 'alice→dave')
    expect(replaces({ ...stored, lapsed: true }, forked)).toEqual(forked.entryHashes)
  })
})

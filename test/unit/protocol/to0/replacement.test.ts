import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../../../protocol/bytes.ts'
import {
  FormerOwnerError,
  type StoredRank,
  chainOf,
  replaces,
} from '../../../../protocol/to0/replacement.ts'

const bytes = (text: string): Bytes => new Uint8Array(Buffer.from(text))
const sales = (...names: string[]) => names.map(bytes)
const rank = (order: number, ownerKey: string, ...entries: string[]) => ({
  to1d: bytes(`to1d ${order} ${ownerKey}`),
  ownerKey: bytes(ownerKey),
  entryHashes: sales(...entries),
  order,
})
const remembered = (order: number, ownerKey: string, ...entries: string[]): StoredRank => {
  const { to1d, entryHashes, ...rest } = rank(order, ownerKey, ...entries)
  return { to1d, ...rest, ...chainOf(entryHashes) }
}
const stored = remembered(5, 'bob', 'mfg→alice', 'alice→bob')
const lapsed = { ...stored, to1d: null }

describe('replacing a registration', () => {
  it('lets the same owner register again', () => {
    const again = rank(6, 'bob', 'mfg→alice', 'alice→bob')
    expect(replaces(stored, again)).toEqual(chainOf(again.entryHashes))
  })

  it('lets the next owner take over', () => {
    const sold = rank(6, 'carol', 'mfg→alice', 'alice→bob', 'bob→carol')
    expect(replaces(stored, sold)).toEqual(chainOf(sold.entryHashes))
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
    const round = remembered(5, 'alice', 'mfg→alice', 'alice→bob', 'bob→alice')
    const short = rank(6, 'alice', 'mfg→alice')
    expect(replaces(round, short)).toMatchObject(chainOf(sales('x', 'y', 'bob→alice')))
    const bob = rank(7, 'bob', 'mfg→alice', 'alice→bob')
    expect(() => replaces(round, bob)).toThrow('sold on')
  })

  it('takes the same owner’s voucher of other sales as it is', () => {
    const other = rank(6, 'bob', 'mfg→carol', 'carol→bob')
    expect(replaces(stored, other)).toEqual(chainOf(other.entryHashes))
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
    expect(() => replaces(lapsed, older)).toThrow('older')
  })

  it('lets the next owner take over by a run that began before what the seller did last', () => {
    const sold = rank(4, 'carol', 'mfg→alice', 'alice→bob', 'bob→carol')
    expect(replaces(stored, sold)).toEqual(chainOf(sold.entryHashes))
    expect(replaces(lapsed, sold)).toEqual(chainOf(sold.entryHashes))
    const forked = rank(4, 'carol', 'mfg→alice', 'alice→eve', 'eve→carol')
    expect(() => replaces(stored, forked)).toThrow('older')
    expect(() => replaces(lapsed, forked)).toThrow('older')
  })

  it('knows nobody better for having lapsed', () => {
    for (const entries of [['mfg→alice'], ['mfg→alice', 'alice→dave'], ['mfg→dave', 'x', 'y']]) {
      const former = rank(6, 'dave', ...entries)
      expect(() => replaces(lapsed, former)).toThrow(FormerOwnerError)
    }
    const again = rank(6, 'bob', 'mfg→alice', 'alice→bob')
    expect(replaces(lapsed, again)).toEqual(chainOf(again.entryHashes))
  })

  it('does not bring back what was withdrawn by sending it once more', () => {
    const again = rank(5, 'bob', 'mfg→alice', 'alice→bob')
    expect(() => replaces(lapsed, again)).toThrow('older')
  })

  it('lets in, of all that follow any sale, those only who go on from the last', () => {
    const names = fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 })
    // An entry names all before it, as real ones do by their hashes.
    const chain = (owners: string[]) => owners.map((_, i) => owners.slice(0, i + 1).join('→'))
    fc.assert(
      fc.property(names, names, fc.boolean(), (first, second, isLapsed) => {
        const before = remembered(5, first.at(-1)!, ...chain(first))
        const known = isLapsed ? { ...before, to1d: null } : before
        const offered = rank(6, second.at(-1)!, ...chain(second))
        const goesOn = first.every((owner, i) => second[i] === owner)
        const isSameOwner = first.at(-1) === second.at(-1)
        if (!goesOn && !isSameOwner) expect(() => replaces(known, offered)).toThrow('sold on')
        else expect(replaces(known, offered)!.entries).toBeGreaterThanOrEqual(second.length)
      }),
    )
  })
})

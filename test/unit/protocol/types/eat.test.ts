import { describe, expect, it } from 'vitest'
import { concat, toHex } from '../../../../protocol/bytes.ts'
import { type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import { buildEat, parseEat } from '../../../../protocol/types/eat.ts'

const nonce = new Uint8Array(16).fill(1)
const guid = new Uint8Array(16).fill(2)
const ueid = concat(Uint8Array.of(1), guid)
const xBKeyExchange = Uint8Array.of(3)

const read = (...claims: [number, CborValue][]) => parseEat(encode(new Map(claims)))

describe('an EAT', () => {
  it('is written in deterministic order', () => {
    const bytes = buildEat({ nonce, guid, xBKeyExchange })
    expect(toHex(bytes)).toBe(`a30a50${'01'.repeat(16)}1901005101${'02'.repeat(16)}390100814103`)
    expect(parseEat(bytes)).toEqual({ nonce, guid, xBKeyExchange })
  })

  it('has no FDO claim in TO1', () => {
    expect(parseEat(buildEat({ nonce, guid }))).toEqual({ nonce, guid })
  })

  it('is read with the UEID label of fdo-rs, and claims that are not ours', () => {
    const claims = read([10, nonce], [11, ueid], [4711, 'x'])
    expect(claims).toEqual({ nonce, guid, isOfDraft: true })
  })

  it('believes label 256 where both are there', () => {
    const other = new Uint8Array(17).fill(1)
    expect(read([10, nonce], [11, other], [256, ueid]).guid).toEqual(guid)
  })

  it.each<[string, [number, CborValue][]]>([
    ['no nonce', [[256, ueid]]],
    [
      'a nonce of 15 bytes',
      [
        [10, nonce.subarray(1)],
        [256, ueid],
      ],
    ],
    ['no UEID', [[10, nonce]]],
    [
      'text for a UEID',
      [
        [10, nonce],
        [256, 'x'],
      ],
    ],
    [
      'an FDO claim of two items',
      [
        [10, nonce],
        [256, ueid],
        [-257, [xBKeyExchange, xBKeyExchange]],
      ],
    ],
    [
      'an FDO claim of another type',
      [
        [10, nonce],
        [256, ueid],
        [-257, [1]],
      ],
    ],
  ])('is malformed with %s', (_, claims) => {
    expect(() => read(...claims)).toThrow(expect.objectContaining({ code: 'MESSAGE_BODY_ERROR' }))
  })

  it.each([
    ['of another type', concat(Uint8Array.of(2), guid)],
    ['too short', ueid.subarray(1)],
    ['too long', concat(ueid, guid)],
  ])('is refused with a UEID %s', (_, wrong) => {
    const refused = expect.objectContaining({ code: 'INVALID_MESSAGE_ERROR' })
    expect(() => read([10, nonce], [256, wrong])).toThrow(refused)
  })
})

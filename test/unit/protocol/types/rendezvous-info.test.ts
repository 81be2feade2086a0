import { describe, expect, it } from 'vitest'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../../protocol/cbor/schema.ts'
import {
  RendezvousInfo,
  RendezvousInfoOrEmpty,
  isEmptyRendezvousInfo,
} from '../../../../protocol/types/rendezvous-info.ts'

const read = (hex: string) => decodeAs(RendezvousInfo, fromHex(hex), 'RendezvousInfo')

describe('RendezvousInfo', () => {
  it.each([
    ['one element', '8181810e'],
    ['null', '8181820ef6'],
    ['a byte string', '8181820e41f5'],
  ])('reads a flag written with %s', (_, hex) => {
    expect(read(hex)[0]?.[0]).toMatchObject({ variable: 14 })
  })

  it('writes a flag as one element, whichever way it was read', () => {
    expect(toHex(encodeAs(RendezvousInfo, read('8181820ef6')))).toBe('8181810e')
  })

  it('reads what go-fdo wrote and writes the same', () => {
    const name = '506f72762e6578616d706c652e74657374'
    const bytes = fromHex(`8184820c41018205${name}820343191f69820443191f69`)
    expect(toHex(encodeAs(RendezvousInfo, read(toHex(bytes))))).toBe(toHex(bytes))
  })

  it.each([
    ['nothing', '80'],
    ['an instruction of three elements', '8181830ef6f6'],
    ['an instruction of none', '818180'],
    ['a variable above 255', '818181190100'],
    ['a value that is not in a byte string', '818182030a'],
  ])('refuses %s', (_, hex) => {
    expect(() => read(hex)).toThrow('expected')
  })

  it('can be read empty, to say so', () => {
    for (const hex of ['80', '8180', '828080']) {
      const info = decodeAs(RendezvousInfoOrEmpty, fromHex(hex), '')
      expect(isEmptyRendezvousInfo(info)).toBe(true)
    }
    expect(isEmptyRendezvousInfo(read('828081810e'))).toBe(false)
  })
})

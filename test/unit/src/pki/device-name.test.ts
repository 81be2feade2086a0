import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Tag } from '../../../../protocol/x509/der.ts'
import { derReader, textOf } from '../../../../protocol/x509/der-reader.ts'
import { type BirthData, birthName } from '../../../../src/pki/device-name.ts'
import { OID } from '../../../../src/pki/profiles.ts'
import { p256 } from '../../../support/pki.ts'

const { spki } = p256()

function attributesOf(birth: Omit<BirthData, 'spki'>): Record<string, string> {
  const subject = derReader(birthName({ ...birth, spki }))
  const attributes: Record<string, string> = {}
  while (!subject.atEnd) {
    const attribute = subject.enter(Tag.SET).enter(Tag.SEQUENCE)
    attributes[attribute.oid()] = textOf(attribute.element())
  }
  return attributes
}

describe('the name in a birth certificate', () => {
  it('is what the factory said', () => {
    expect(attributesOf({ serial: 'abcdef', model: '12345' })).toEqual({
      [OID.commonName]: '12345',
      [OID.serialNumber]: 'abcdef',
    })
  })

  it('has a digest for a serial number that is missing, too long or cannot be written', () => {
    const digests = [undefined, '', 'x'.repeat(65), 'séries', 'a\u0000b', 'a@b', '*'].map(
      (serial) => attributesOf({ serial })[OID.serialNumber],
    )
    for (const digest of digests) expect(digest).toMatch(/^[0-9a-f]{32}$/)
    expect(new Set(digests).size).toBe(digests.length - 1)
  })

  it('has a model without what cannot be seen, cut to 64 characters, or none', () => {
    const titleOf = (model: string) => attributesOf({ serial: '1', model })[OID.commonName]
    expect(titleOf('\u0000 M\u202eodel\n')).toBe('Model')
    expect(titleOf('é'.repeat(80))).toBe('é'.repeat(64))
    expect(titleOf('\u0007')).toBeUndefined()
  })

  it('can be read, and has a serialNumber, whatever the device calls itself', () => {
    const text = fc.option(fc.string({ unit: 'binary', maxLength: 100 }), { nil: undefined })
    fc.assert(
      fc.property(text, text, (serial, model) => {
        const attributes = attributesOf({ serial, model })
        expect(attributes[OID.serialNumber]).toMatch(/^[A-Za-z0-9 '()+,./:=?-]{1,64}$/)
        for (const value of Object.values(attributes)) expect([...value].length).toBeLessThan(65)
      }),
    )
  })
})

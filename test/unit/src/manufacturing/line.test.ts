/** What goes to the systems of a line: tables and labels. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { csvLine } from '../../../../src/manufacturing/orders/csv.ts'
import { findStrayPlaceholder, labelText } from '../../../../src/manufacturing/orders/label.ts'

const facts = { guid: 'g', serial: '{guid}', model: '$&', order: 'o', number: '7' }

describe('a line of CSV', () => {
  it('has no cell that a spreadsheet takes for a formula', () => {
    const cells = ['=1', '+1', '-1', '@a', '\tx', '\rx', 'a=1', '', null, 5] as const
    expect(csvLine(cells)).toBe(`'=1,'+1,'-1,'@a,'\tx,"'\rx",a=1,,,5\r\n`)
  })

  it('has the cells that went in', () => {
    const cell = fc.string({ unit: fc.constantFrom('"', ',', '\n', '\r', 'a', ' ') })
    fc.assert(
      fc.property(fc.array(cell, { minLength: 1 }), (cells) => {
        const read = cellsOf(csvLine(cells)).map((one) => one.replace(/^'(?=[\r\n])/, ''))
        expect(read).toEqual(cells)
      }),
    )
  })
})

/** RFC 4180, of a single line. */
function cellsOf(line: string): string[] {
  const cells = line.slice(0, -2).match(/(?<=^|,)("([^"]|"")*"|[^",]*)(?=,|$)/g) ?? []
  return cells.map((one) => (one.startsWith('"') ? one.slice(1, -1).replaceAll('""', '"') : one))
}

describe('a label', () => {
  it('has the facts in place, and what they hold is not looked into', () => {
    expect(labelText('{number} {serial} {model}{model} {guid}', facts)).toBe('7 {guid} $&$& g')
  })

  it('knows which words stand for nothing', () => {
    expect(findStrayPlaceholder('{guid} {number}')).toBeUndefined()
    expect(findStrayPlaceholder('{guid} {toString}')).toBe('{toString}')
    expect(findStrayPlaceholder('{ at }')).toBe('{ at }')
  })
})

/** Whether two who call may be one person. */
import { expect, it } from 'vitest'
import { mayBeSame, operatorId } from '../../../../src/callers/operator.ts'

it('is the same who has the same name in two providers, and nobody else', () => {
  const person = operatorId('fdoo_1', 'a:b')
  expect(mayBeSame(person, person)).toBe(true)
  expect(mayBeSame(person, operatorId('fdoo_2', 'a:b'))).toBe(true)
  for (const other of [operatorId('fdoo_1', 'b'), 'a:b', 'fdoa_1', '']) {
    expect([other, mayBeSame(person, other)]).toEqual([other, false])
  }
  expect(mayBeSame('fdoa_1', 'fdoa_1')).toBe(true)
  expect(mayBeSame('fdoa_1', 'fdoa_2')).toBe(false)
})

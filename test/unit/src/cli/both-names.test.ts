/** Who has learnt `get` in one group of commands says it in the next. */
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { byBothNames } from '../../../../src/cli/both-names.ts'

const group = (...commands: readonly string[]) => {
  const made = new Command('thing')
  for (const one of commands) made.command(one)
  return byBothNames(made).commands.map((one) => [one.name(), ...one.aliases()])
}

describe('one thing of a list', () => {
  it('is shown by either name', () => {
    expect(group('list', 'show <id>')).toEqual([['list'], ['show', 'get']])
    expect(group('list', 'get <id>')).toEqual([['list'], ['get', 'show']])
  })

  it('has no other name where that is another command, or there is none', () => {
    expect(group('show', 'get <id>')).toEqual([['show'], ['get']])
    expect(group('list')).toEqual([['list']])
  })

  it('has none where a file is shown', () => {
    expect(group('show <file>')).toEqual([['show']])
  })
})

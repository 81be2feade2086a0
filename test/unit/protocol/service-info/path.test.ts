import { describe, expect, it } from 'vitest'
import { isInnerPath } from '../../../../protocol/service-info/path.ts'

describe('a name that stays inside', () => {
  it.each(['file', 'a/b/c.txt', 'my file.txt', 'a..b', '.profile', 'größe.txt'])(
    'is %s',
    (name) => {
      expect(isInnerPath(name)).toBe(true)
    },
  )

  it.each([
    '',
    '/etc/passwd',
    '..',
    '.',
    '../secret',
    'a/../../b',
    'a/./b',
    'a//b',
    'a/',
    'a\\..\\b',
    'C:file',
    'a\0b',
    'a\nb',
    'a\u009bb',
    '-rf',
    'a/-x',
    ' a',
    'a ',
    'a.',
    'nul|x',
    'x'.repeat(256),
  ])('is not %j', (name) => {
    expect(isInnerPath(name)).toBe(false)
  })
})

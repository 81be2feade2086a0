/** The shape of files: how they open, how long they are, what they export and whether anyone cares. */
import { describe, expect, it } from 'vitest'
import { sourceFiles, withoutComments } from './source-files.ts'

const files = sourceFiles('protocol', 'src', 'scripts')
const tests = sourceFiles('test')
const LONGEST = 300

describe('every file', () => {
  it('opens with a sentence that says what it is', () => {
    const silent = files.filter(({ text }) => !/^(#!.*\n)?\/\*\*[\s*]+\S/.test(text))
    expect(silent.map(({ path }) => path)).toEqual([])
  })

  it('is short enough to be read', () => {
    const long = files.filter(({ text }) => text.split('\n').length > LONGEST + 1)
    expect(long.map(({ path }) => path)).toEqual([])
  })

  it('exports by name, and only what is its own', () => {
    const wrong = files.filter(({ path, text }) => {
      if (path === 'protocol/index.ts') return false
      return /^export (default|\*)/m.test(withoutComments(text))
    })
    expect(wrong.map(({ path }) => path)).toEqual([])
  })

  it('exports nothing that nobody uses', () => {
    const texts = [...files, ...tests].map(({ path, text }) => ({
      path,
      words: new Set(withoutComments(text).match(/\w+/g)),
    }))
    const unused = files.flatMap(({ path, text }) =>
      exportsOf(text)
        .filter((name) => !texts.some((other) => other.path !== path && other.words.has(name)))
        .map((name) => `${path}: ${name}`),
    )
    expect(unused).toEqual([])
  })
})

/** Values: a type may be exported for its name's sake, where it stands in a signature. */
function exportsOf(text: string): string[] {
  const declared = /^export (?:async )?(?:const|function\*?|class) (\w+)/gm
  return Array.from(withoutComments(text).matchAll(declared), ([, name = '']) => name)
}

/** What the README lists is all there is: commands, settings, and files it sends people to. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { ROOT } from './source-files.ts'

const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const readme = read('README.md')
const all = (text: string, pattern: RegExp) => Array.from(text.matchAll(pattern), ([, one]) => one)

describe('the README', () => {
  it('has each variable of the environment in its table, once', () => {
    const variables = all(read('src/config-variables.ts'), /^ {2}((?:FIRSTLIGHT|DATABASE)_\w+):/gm)
    const listed = all(readme, /^\| `((?:FIRSTLIGHT|DATABASE)_\w+)` /gm)
    expect(variables.length).toBeGreaterThan(15)
    expect(listed.toSorted()).toEqual(variables.toSorted())
  })

  it('has each command in its table', () => {
    const [, commands = ''] =
      /const COMMANDS[^{]*\{\n([^]*?)^\}/m.exec(read('src/cli/main.ts')) ?? []
    const [, table = ''] = /^\| command .*\n([^]*?)\n\n/m.exec(readme) ?? []
    const listed = table.split('\n').flatMap((row) => all(row.split('|')[1] ?? '', /`([\w-]+)`/g))
    expect(listed.toSorted()).toEqual(all(commands, /^ {2}'?([\w-]+)'?: \{/gm).toSorted())
  })
})

describe('every README', () => {
  it.each(['README.md', 'src/README.md', 'protocol/README.md'])(
    '%s links to what is there',
    (path) => {
      const links = all(read(path), /\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)
      expect(links.filter((link = '') => !existsSync(join(ROOT, dirname(path), link)))).toEqual([])
    },
  )

  it('of the services numbers its decisions in order', () => {
    const numbers = all(read('src/README.md'), /^### (\d+)\./gm).map(Number)
    expect(numbers).toEqual(numbers.map((_, i) => i + 1))
  })
})

/** What begins the names and secrets that are given out here. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { NAME_PREFIXES, SECRET_PREFIXES } from '../../../src/prefixes.ts'
import { sourceFiles } from '../../architecture/source-files.ts'

const all = [...Object.values(SECRET_PREFIXES), ...Object.values(NAME_PREFIXES)]

describe('prefixes', () => {
  it('are one for each kind, and none begins another', () => {
    for (const [i, one] of all.entries()) {
      expect(one).toMatch(/^fdo[a-z]{1,2}_$/)
      const others = all.filter((_, j) => j !== i)
      expect([one, others.filter((other) => other.startsWith(one))]).toEqual([one, []])
    }
  })

  it('are written in one place', () => {
    const others = sourceFiles('src').filter(({ text, path }) => {
      return path !== 'src/prefixes.ts' && /['`]fdo[a-z]{1,2}_['`$]/.test(text)
    })
    expect(others.map(({ path }) => path)).toEqual([])
  })

  it('of secrets are in the README, for scanners', () => {
    const readme = readFileSync('README.md', 'utf8')
    const missing = Object.values(SECRET_PREFIXES).filter((one) => !readme.includes(`\`${one}\``))
    expect(missing).toEqual([])
  })
})

/** The layer rule of the architecture, on every file; and planted violations, which must show. */
import { describe, expect, it } from 'vitest'
import { violations } from './rules.ts'
import { type SourceFile, sourceFile, sourceFiles } from './source-files.ts'

const files = sourceFiles('protocol', 'src', 'scripts')

describe('every file', () => {
  it('keeps the rules', () => {
    expect(files.length).toBeGreaterThan(100)
    expect(files.flatMap(violations)).toEqual([])
  })

  it('is in no circle of imports', () => {
    expect(circles(files)).toEqual([])
  })
})

describe('a planted violation', () => {
  const planted: readonly [string, string, string][] = [
    ['protocol/to1/device.ts', "import { a } from '../../src/clock.ts'", 'above'],
    ['protocol/to1/device.ts', "import { a } from 'node:fs'", 'not its own'],
    ['protocol/to1/device.ts', "import { a } from 'node:crypto'", 'not its own'],
    ['protocol/crypto/hash.ts', "import { a } from 'node:fs'", 'not its own'],
    ['protocol/cbor/scan.ts', "import { a } from 'cbor-x'", 'not its own'],
    ['protocol/to1/device.ts', 'const now = Date.now()', 'pure'],
    ['protocol/to1/device.ts', 'const now = new Date()', 'pure'],
    ['protocol/to1/device.ts', 'const chance = Math.random()', 'pure'],
    ['src/vouchers/store.ts', "import { a } from './service.ts'", 'above'],
    ['src/vouchers/service.ts', "import { a } from './routes.ts'", 'above'],
    ['src/vouchers/service.ts', "import { a } from '../devices/service.ts'", 'above'],
    ['src/fdo/runs.ts', "const a = await import('../onboarding/role.ts')", 'above'],
    ['src/database/open.ts', "import type { A } from '../http/app.ts'", 'above'],
    ['src/simulator/agent.ts', "import { a } from '../vouchers/service.ts'", 'program'],
    ['src/vouchers/service.ts', "import { a } from 'kysely'", 'not its own'],
    ['src/vouchers/service.ts', "import { a } from 'hono/body-limit'", 'not its own'],
    ['src/vouchers/service.ts', "import { a } from '@peculiar/x509'", 'not its own'],
    ['src/vouchers/service.ts', "db.selectFrom('voucher')", 'SQL'],
    ['src/new-thing/service.ts', '', 'no layer'],
  ]

  it.each(planted)('in %s is found: %s', (path, text, complaint) => {
    expect(violations(sourceFile(path, text)).join()).toContain(complaint)
  })

  it('in a comment is none', () => {
    const text = '/** Never asks Date.now(). */\n// import { a } from "node:fs"\n'
    expect(violations(sourceFile('protocol/to1/device.ts', text))).toEqual([])
  })

  it('of circular imports is found', () => {
    const a = sourceFile('src/a.ts', "import './b.ts'")
    const b = sourceFile('src/b.ts', "import './a.ts'")
    expect(circles([a, b])).toHaveLength(1)
    const c = sourceFile('src/b.ts', "import type { A } from './a.ts'")
    expect(circles([a, c])).toEqual([])
  })
})

/** The first circle met from each file that is in one. */
function circles(all: readonly SourceFile[]): string[] {
  const byPath = new Map(all.map((file) => [file.path, file]))
  const done = new Set<string>()
  const found: string[] = []
  const visit = (path: string, above: readonly string[]) => {
    if (above.includes(path)) {
      found.push([...above.slice(above.indexOf(path)), path].join(' → '))
    } else if (!done.has(path)) {
      for (const target of byPath.get(path)?.loads ?? []) visit(target, [...above, path])
      done.add(path)
    }
  }
  for (const { path } of all) visit(path, [])
  return found
}

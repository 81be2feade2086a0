/** The page for those who come from go-fdo-server names endpoints that are there. */
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const text = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8')

it('names endpoints of ours by the names they have', () => {
  const { paths } = JSON.parse(text('fixtures/golden/openapi.json')) as {
    paths: Record<string, Record<string, unknown>>
  }
  const known = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} /api/v1${path}`),
  )
  const table =
    text('src/go-fdo-server.md').split('## Endpoints')[1]?.split('## Functions')[0] ?? ''
  const ours = table.split('\n').map((row) => row.split('|')[2] ?? '')
  const named = ours.flatMap((cell) => cell.match(/[A-Z]+ \/api\/[^`]+/g) ?? [])
  expect(named.length).toBeGreaterThan(8)
  expect(named.filter((one) => !known.includes(one))).toEqual([])
})

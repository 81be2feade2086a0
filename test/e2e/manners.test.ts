/** How every operation of the management API behaves, read off its description. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PROBLEM_CODES } from '../../src/http/problem.ts'

interface Operation {
  readonly parameters?: readonly { readonly name: string }[]
  readonly responses: Readonly<Record<string, { readonly content?: object }>>
}

const golden = readFileSync('fixtures/golden/openapi.json', 'utf8')
const { paths, components } = JSON.parse(golden) as {
  paths: Record<string, Record<string, Operation>>
  components: { schemas: { Problem: { properties: { code: { enum: string[] } } } } }
}
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    name: `${method.toUpperCase()} ${path}`,
    ...operation,
  })),
)
const named = (start: string) => operations.filter(({ name }) => name.startsWith(start))
const lacking = (some: readonly Operation[], parameter: string) =>
  (some as typeof operations)
    .filter(({ parameters = [] }) => !parameters.some(({ name }) => name === parameter))
    .map(({ name }) => name)

describe('every operation', () => {
  it('that is a POST is carried out once under a key, but for what is a stream', () => {
    // Vouchers are each told apart by themselves, and a file is called by its digest: what is there
    // already is no second one.
    const streams = ['POST /plan-contents', 'POST /vouchers']
    expect(lacking(named('POST'), 'idempotency-key').toSorted()).toEqual(streams)
  })

  it('that changes a thing does so on a condition', () => {
    const changing = [...named('PUT'), ...named('PATCH'), ...named('DELETE')]
    expect(lacking(changing, 'if-match')).toEqual([])
    const refusing = changing.filter(({ responses }) => !('412' in responses))
    expect(refusing).toEqual([])
    // Its state has to be told somewhere.
    const silent = changing.filter(({ name }) => !paths[name.replace(/^\w+ /, '')]?.['get'])
    expect(silent.map(({ name }) => name)).toEqual([])
  })

  it('that gives a document names its state, and is asked for less when that is known', () => {
    const documents = named('GET').filter(
      ({ responses }) => 'application/json' in (responses['200']?.content ?? {}),
    )
    expect(lacking(documents, 'if-none-match')).toEqual([])
  })

  it('that lists goes by pages', () => {
    const lists = named('GET').filter(({ responses }) =>
      JSON.stringify(responses['200']?.content ?? {}).includes('"next"'),
    )
    expect(lists.length).toBeGreaterThan(20)
    expect(lacking(lists, 'cursor')).toEqual([])
  })

  it('says that it may refuse a caller, and one who is hasty', () => {
    for (const status of ['401', '403', '429', '5XX']) {
      const silent = operations.filter(({ responses }) => !(status in responses))
      expect([status, silent.map(({ name }) => name)]).toEqual([status, []])
    }
  })

  it('names what is wrong by a code of a list that only grows', () => {
    expect(components.schemas.Problem.properties.code.enum).toEqual(PROBLEM_CODES)
    expect(PROBLEM_CODES).toEqual([
      ...['invalid-request', 'not-authenticated', 'not-permitted', 'not-found'],
      ...['method-not-allowed', 'too-slow', 'conflict', 'in-progress', 'answer-lost'],
      ...['precondition-failed', 'too-large', 'unsupported-media-type', 'check-failed'],
      ...['idempotency-key-reused', 'too-many-requests', 'internal-error', 'unavailable'],
    ])
  })
})

/** The OpenAPI document as others read it: valid, and good to use. */
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

const source = readFileSync(
  new URL('../../../../fixtures/golden/openapi.json', import.meta.url),
  'utf8',
)

interface Operation {
  readonly operationId?: string
  readonly tags?: readonly string[]
  readonly security?: readonly object[]
  readonly responses: Readonly<Record<string, unknown>>
}
const { paths } = JSON.parse(source) as { paths: Record<string, Record<string, Operation>> }
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
)

describe('the OpenAPI document', () => {
  it('has nothing that a linter minds', async () => {
    const config = await createConfig({ extends: ['recommended-strict'] })
    const problems = await lintFromString({ source, absoluteRef: 'openapi.json', config })
    const told = problems.map(({ ruleId, message, location: [where] }) => [
      ruleId,
      message,
      where?.pointer,
    ])
    expect(told).toEqual([])
  })

  it('names every operation once, and says what it is about and who may', () => {
    const ids = operations.map(({ operationId }) => operationId)
    expect(new Set(ids).size).toBe(operations.length)
    for (const { operationId, tags, security } of operations) {
      expect(operationId).toMatch(/^[a-z][A-Za-z]+$/)
      expect(tags).toHaveLength(1)
      expect(security).toEqual([{ bearer: [] }])
    }
  })

  it('says how each may be refused', () => {
    for (const { path, method, responses } of operations) {
      const statuses = Object.keys(responses)
      expect(statuses).toEqual(expect.arrayContaining(['401', '403', '429', '5XX']))
      if (path.includes('{')) expect(statuses).toContain('404')
      if (method !== 'get') expect(statuses).toContain('409')
      if (['put', 'patch', 'delete'].includes(method)) expect(statuses).toContain('412')
      for (const status of statuses.filter((one) => /^[45]/.test(one))) {
        expect(responses[status]).toEqual({
          $ref: expect.stringMatching(/^#\/components\/responses\/\w+$/),
        })
      }
    }
  })
})

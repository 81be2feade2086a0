/** Why a process did not start, as the other side is told. */
import { describe, expect, it } from 'vitest'
import { ConfigError } from '../../../../src/config.ts'
import { DatabaseUnavailable } from '../../../../src/database/unavailable.ts'
import { errorOf, failureOf, markOf, mayPass } from '../../../../src/processes/messages.ts'
import { StartRefused } from '../../../../src/secrets/master-key.ts'

const away = new DatabaseUnavailable({ cause: new Error('ECONNREFUSED') })
const missing = Object.assign(new Error('mkdir'), { code: 'ENOTDIR' })

describe('a failed start', () => {
  it.each([
    ['a mistake in the configuration', new ConfigError('FIRSTLIGHT_PORT: no'), false],
    ['a refusal', new StartRefused('the PIN is wrong'), false],
    ['a database that is away', new StartRefused('DATABASE_URL', { cause: away }), true],
    ['an error of the system', missing, true],
    ['what is no error', 'broken', true],
  ])('for %s says whether another may be luckier', (_what, error, may) => {
    const told = errorOf(JSON.parse(JSON.stringify(failureOf(error))))
    expect(mayPass(told)).toBe(may)
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: error }
    expect(told).toMatchObject({ name, message })
  })

  it('keeps the code of what lies below', () => {
    const told = errorOf(failureOf(new Error('no folder', { cause: missing })))
    expect(told).toMatchObject({ message: 'no folder', code: 'ENOTDIR' })
    expect('code' in errorOf(failureOf(new Error('no code')))).toBe(false)
  })

  it('may pass where nobody said why', () => {
    expect(mayPass(new Error('SIGKILL'))).toBe(true)
  })
})

it('a mark has two bytes, and begins anew after 65,535 processes', () => {
  expect([1, 258, 65_537].map((id) => [...markOf(id)])).toEqual([
    [0, 1],
    [1, 2],
    [0, 1],
  ])
})

/** How a command finds what to show the service. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ApiClient } from '../../../../src/cli/api-client.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-'))
  mkdirSync(join(folder, 'data'))
  writeFileSync(join(folder, 'data', 'admin.token'), 'fdoa_token\n', { mode: 0o600 })
})
afterEach(() => rmSync(folder, { recursive: true }))

const client = (data: string) => new ApiClient({}, { FIRSTLIGHT_DATA: join(folder, data) })

it('takes the token of the service on its own machine', () => {
  expect(() => client('data')).not.toThrow()
  expect(() => client('elsewhere')).toThrow('no token to show the service')
})

it('tells whoever may not read the token there', () => {
  const user = process.geteuid?.() ?? 0
  chmodSync(join(folder, 'data'), 0)
  if (user === 0) process.seteuid?.('nobody')
  try {
    expect(() => client('data')).toThrow(/^this user may not read .*admin\.token$/)
  } finally {
    process.seteuid?.(user)
    chmodSync(join(folder, 'data'), 0o700)
  }
})

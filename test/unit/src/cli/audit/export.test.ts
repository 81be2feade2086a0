/** A log that is written to a file. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import type { ApiClient } from '../../../../../src/cli/api-client.ts'
import { exportLog } from '../../../../../src/cli/audit/export.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-export-'))
afterAll(() => rmSync(folder, { recursive: true }))

it('leaves nothing behind where the service gives up in the middle', async () => {
  const answers = [
    async () => ({ body: Buffer.from('{"seq":1}\n'.repeat(2_000)) }),
    async () => {
      throw new Error('it has gone')
    },
  ]
  const api = { json: async () => ({ seq: 1 }), send: () => answers.shift()?.() }
  const done = exportLog(api as unknown as ApiClient, { out: join(folder, 'log'), from: 1 })
  await expect(done).rejects.toThrow('it has gone')
  expect(readdirSync(folder)).toEqual([])
})

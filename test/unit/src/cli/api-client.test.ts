/** Calls of the commands, where something goes wrong with them. */
import { createReadStream, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { ApiClient } from '../../../../src/cli/api-client.ts'
import { statusOf } from '../../../../src/operations/doctor/listeners.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-client-'))
afterAll(() => rmSync(folder, { recursive: true }))

let server: Server
let url: string
beforeEach(async () => {
  server = createServer(({ socket }) => {
    socket.write('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterEach(() => {
  server.closeAllConnections()
  server.close()
})

it('a server that answers in another protocol has not answered', async () => {
  const api = new ApiClient({ url, anonymous: true }, {})
  await expect(api.send('/api/v1/party')).rejects.toMatchObject({ kind: 'unreachable' })
})

it('nor has one that the doctor asks', async () => {
  expect(await statusOf(url)).toMatchObject({ status: 0 })
})

it('a file that cannot be read is no fault of the service', async () => {
  const api = new ApiClient({ url, anonymous: true }, {})
  const body = createReadStream(import.meta.dirname)
  const call = api.send('/api/v1/plan-contents', { method: 'POST', body, length: 5 })
  await expect(call).rejects.toThrow(/^EISDIR/)
})

it('what cannot be a token is not shown to the service', () => {
  for (const wrong of ['', 'two words', 'a\u0000b', 'x'.repeat(20_000)]) {
    const tokenFile = join(folder, 'token')
    writeFileSync(tokenFile, wrong)
    expect(() => new ApiClient({ url, tokenFile }, {})).toThrow(/holds no token/)
    if (wrong !== '') {
      expect(() => new ApiClient({ url }, { FIRSTLIGHT_TOKEN: wrong })).toThrow(/holds no token/)
    }
  }
  writeFileSync(join(folder, 'token'), 'fdoa_1_x\n')
  expect(
    () => new ApiClient({ url }, { FIRSTLIGHT_TOKEN_FILE: join(folder, 'token') }),
  ).not.toThrow()
})

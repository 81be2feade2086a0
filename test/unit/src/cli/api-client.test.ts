/** Calls of the commands, where something goes wrong with them. */
import { createReadStream } from 'node:fs'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ApiClient } from '../../../../src/cli/api-client.ts'
import { statusOf } from '../../../../src/operations/doctor/listeners.ts'

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

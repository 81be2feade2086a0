/** The service is killed while a device is made to an order: it counts once, or not at all. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { FdoTransport } from '../../protocol/converse.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import { CLOSED_DOOR, makeAt, newDevice, officeOf } from '../support/factory.ts'
import { call } from '../support/listening.ts'
import { ServeProcess, freePort } from '../support/programs.ts'
import type { TestService } from '../support/service.ts'

const PATIENCE_MS = 240_000

let folder: string
let server: ServeProcess
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-orders-'))
  server = new ServeProcess(folder, await freePort(), CLOSED_DOOR)
  await server.start()
}, PATIENCE_MS)
afterEach(async () => {
  await server.kill()
  rmSync(folder, { recursive: true })
})

const api: TestService['api'] = async (method, path, { json } = {}) => {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = json === undefined ? '' : JSON.stringify(json)
  const answer = await call(`${server.url}${path}`, method, headers, body)
  return {
    ...answer,
    json: answer.body.length > 0 ? JSON.parse(answer.body.toString()) : undefined,
  }
}

async function crash(): Promise<void> {
  await server.kill()
  await server.start()
}

/** On a connection of its own: the service may be another process by the next message. */
const deliveredTo =
  (url: string): FdoTransport =>
  async (message, authorization) => {
    const { send, close } = httpTransport(url)
    return send(message, authorization).finally(close)
  }

describe('a device made to an order', { timeout: PATIENCE_MS }, () => {
  it('counts once, wherever the service is killed', async () => {
    const office = officeOf({ api })
    const { di_url } = await office.addStation()
    const { id } = await office.open({ quantity: 3 })
    const send = deliveredTo(di_url)
    const faults: ((message: Parameters<FdoTransport>) => ReturnType<FdoTransport>)[] = [
      async (message) => {
        const answer = await send(...message)
        await crash()
        return answer
      },
      async (message) => {
        await send(...message)
        await crash()
        return send(...message)
      },
      async (message) => {
        const atWork = send(...message).catch(() => undefined)
        await crash()
        await atWork
        return send(...message)
      },
    ]
    for (const [i, fault] of faults.entries()) {
      const signer = newDevice()
      const serial = `fault ${i}`
      await makeAt(di_url, {
        signer,
        serial,
        through:
          () =>
          (...message) =>
            fault(message),
      })
      expect(await office.order(id)).toMatchObject({ made: i + 1 })
      await makeAt(di_url, { signer, serial, through: () => send })
    }
    expect(await office.order(id)).toMatchObject({ made: 3 })
    const devices = await office.devices(id)
    expect(devices.map(({ number, voucher_state }) => [number, voucher_state])).toEqual([
      [1, 'held'],
      [2, 'held'],
      [3, 'held'],
    ])
    const held = (await office.vouchers()).filter(({ state }) => state === 'held')
    expect(held).toHaveLength(3)
  })
})

/** A service is killed while a line hands over to it: nothing is lost, and nothing counts twice. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CLOSED_DOOR, makeAt, officeOf } from '../support/factory.ts'
import { broughtBy, keyOf, share, takeIn } from '../support/lines.ts'
import { call } from '../support/listening.ts'
import { ServeProcess, freePort } from '../support/programs.ts'
import { type TestService, startTestService } from '../support/service.ts'

const PATIENCE_MS = 240_000
const MADE = 24

let folder: string
let server: ServeProcess
let plant: TestService
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-hand-over-'))
  const trusting = { ...CLOSED_DOOR, FIRSTLIGHT_TRUST: 'any' }
  server = new ServeProcess(folder, await freePort(), trusting)
  plant = await startTestService({ ...CLOSED_DOOR, FIRSTLIGHT_ROLES: 'manufacturer' })
  await server.start()
}, PATIENCE_MS)
afterEach(async () => {
  await Promise.all([server.kill(), plant.remove()])
  rmSync(folder, { recursive: true })
})

const api: TestService['api'] = async (method, path, { json } = {}) => {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const body = json === undefined ? '' : JSON.stringify(json)
  const answer = await call(`${server.url}${path}`, method, headers, body)
  const isJson = answer.body.length > 0
  return { ...answer, json: isJson ? JSON.parse(answer.body.toString()) : undefined }
}

describe('a hand-over', { timeout: PATIENCE_MS }, () => {
  it('is whole after it has been broken off anywhere, and repeated', async () => {
    const central = officeOf({ api })
    const line = officeOf(plant)
    const { id } = await central.open({ quantity: MADE + 2 }, true)
    const { id: part, document } = await share(central, id, { line: await keyOf(plant) })
    const issuer = (await central.must<{ items: { purpose: string; type: string }[] }>(
      'GET',
      '/keys?limit=500',
    )) as { items: { purpose: string; type: string; fingerprint: string }[] }
    const [key] = issuer.items.filter(
      (one) => one.purpose === 'manufacturer' && one.type === 'p256',
    )
    const station = await line.addStation()
    const own = await takeIn(line, document, { issuer: key!.fingerprint })
    for (let i = 0; i < MADE; i++) await makeAt(station.di_url, { serial: `S${i}` })
    const devices = await broughtBy(line, own.id)
    const path = `/order-shares/${part}/devices`
    const send = (some: typeof devices) => central.call('POST', path, { json: { devices: some } })

    // Killed at once, in the middle, and after the answer that the line never got.
    for (const wait of [0, 15, 40, 90, Infinity]) {
      const atWork = send(devices).catch(() => undefined)
      if (wait === Infinity) await atWork
      else await new Promise((resolve) => setTimeout(resolve, wait))
      await server.kill()
      await atWork
      await server.start()
      const { made, reserved } = (await central.order(id)) as unknown as Record<string, number>
      expect(made! + reserved!).toBe(MADE + 2)
      expect(await central.devices(id)).toHaveLength(made!)
    }
    const { json } = await send(devices)
    const { items } = json as { items: { detail: string }[] }
    expect(new Set(items.map(({ detail }) => detail))).toEqual(new Set(['held already']))
    expect(await central.order(id)).toMatchObject({ made: MADE, reserved: 2 })
    const held = (await central.vouchers()).filter(({ state }) => state === 'held')
    expect(held).toHaveLength(MADE)

    await line.must('POST', `/orders/${own.id}/close`)
    const closing = await line.must<{ statement: string }>(
      'POST',
      `/orders/${own.id}/closing-statement`,
    )
    const { statement } = closing
    const giveBack = () =>
      central.call('POST', `/order-shares/${part}/close`, { json: { statement } })
    const atWork = giveBack().catch(() => undefined)
    await server.kill()
    await atWork
    await server.start()
    for (let i = 0; i < 2; i++) expect((await giveBack()).status).toBe(200)
    expect(await central.order(id)).toMatchObject({ made: MADE, reserved: 0 })
  })
})

/** An order for a line with a service of its own, which is offline while it makes devices. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeAt } from '../support/factory.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'
import { PATIENCE_MS } from '../support/service.ts'

let folder: string
let central: ServeProcess
let line: ServeProcess
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-line-'))
  const trusting = { FIRSTLIGHT_TRUST: 'any' }
  central = new ServeProcess(join(folder, 'central'), await freePort(), trusting)
  const offline = { FIRSTLIGHT_ROLES: 'manufacturer' }
  line = new ServeProcess(join(folder, 'line'), await freePort(), offline)
  await Promise.all([central.start(), line.start()])
  // RSA keys take long to find, and an order that is exported has those that are there.
  await until('there are owner keys of all kinds', async () => {
    const keys = await central.list<{ purpose: string }>('/keys?limit=500')
    return keys.filter(({ purpose }) => purpose === 'owner').length === 4
  })
}, PATIENCE_MS)
afterAll(async () => {
  await Promise.all([central.kill(), line.kill()])
  rmSync(folder, { recursive: true })
})

const asked = (at: ServeProcess, ...args: string[]) =>
  firstlight([...args, '--json'], { FIRSTLIGHT_DATA: at.folder, FIRSTLIGHT_URL: at.url })

async function told<T>(at: ServeProcess, ...args: string[]): Promise<T> {
  const { status, stdout, stderr, json } = await asked(at, ...args)
  if (status !== 0) throw new Error(`${args.join(' ')}: ${status} ${stdout} ${stderr}`)
  return json as T
}

interface Told {
  readonly id: string
  readonly di_url: string
  readonly state: string
}

const place = (name: string, ...more: string[]) =>
  told<Told>(central, 'order', 'create', '--name', name, '--quantity', '2', ...more)
const handOver = (id: string) =>
  asked(
    line,
    ...['order', 'hand-over', id, '--to', central.url],
    ...['--to-token-file', join(central.folder, 'admin.token')],
  )

describe('a line that is offline', { timeout: PATIENCE_MS }, () => {
  it('makes devices to an order it was given, and hands over their vouchers later', async () => {
    const { id } = await place('PO-1')
    const file = join(folder, 'order.json')
    await told(central, 'order', 'export', id, '--out', file)
    expect(await told(central, 'order', 'show', id)).toMatchObject({ state: 'closed', made: 0 })
    const first = readFileSync(file, 'utf8')
    await told(central, 'order', 'export', id, '--out', file)
    expect(readFileSync(file, 'utf8')).toBe(first)
    await central.kill()

    const station = await told<Told>(line, 'station', 'add', '--name', 'line', '--secret')
    const order = await told<Told>(line, 'order', 'import', file)
    expect(order).toMatchObject({ state: 'open', name: 'PO-1', quantity: 2 })
    expect((await asked(line, 'order', 'import', file)).status).toBe(3)
    await makeAt(station.di_url, { serial: 'A' })
    await makeAt(station.di_url, { serial: 'B', keyType: 11 })
    await expect(makeAt(station.di_url, { serial: 'C' })).rejects.toThrow('refused')
    expect((await handOver(order.id)).status).toBe(4)

    await central.start()
    const both = [
      { number: 1, ok: true, detail: null },
      { number: 2, ok: true, detail: null },
    ]
    expect(await handOver(order.id)).toMatchObject({ status: 0, json: both })
    const held = both.map((one) => ({ ...one, detail: 'held already' }))
    expect(await handOver(order.id)).toMatchObject({ status: 0, json: held })
    const vouchers = await central.list<{ state: string }>('/vouchers')
    expect(vouchers).toMatchObject([{ state: 'held' }, { state: 'held' }])

    const [one] = await told<{ guid: string }[]>(line, 'order', 'devices', order.id)
    await told(line, 'voucher', 'delete', one!.guid)
    const after = await handOver(order.id)
    expect(after).toMatchObject({ status: 5, json: [{ number: 2 }, { number: 1, ok: false }] })
  })

  it('is not given what is made here, nor what it cannot sell', async () => {
    const out = join(folder, 'not.json')
    const { id } = await place('PO-2')
    await told(central, 'order', 'open', id)
    expect((await asked(central, 'order', 'export', id, '--out', out)).status).toBe(3)
    const kept = await place('PO-3', '--first-owner', 'none')
    expect((await asked(central, 'order', 'export', kept.id, '--out', out)).status).toBe(3)
    const silent = join(folder, 'silent.json')
    const nowhere = { ip: '127.0.0.1', dev_port: 1, owner_port: 1, protocol: 'http' }
    writeFileSync(silent, JSON.stringify([nowhere]))
    const unheard = await place('PO-4', '--rendezvous', silent)
    const wanted = ['order', 'export', unheard.id, '--out', out]
    expect((await asked(central, ...wanted)).status).toBe(5)
    expect(await told(central, 'order', 'show', unheard.id)).toMatchObject({ state: 'draft' })
    await told(central, ...wanted, '--force')
  })

  it('takes in no other files', async () => {
    const file = join(folder, 'other.json')
    for (const text of ['{', '{}', '{"format":"firstlight-order-1"}']) {
      writeFileSync(file, text)
      expect((await asked(line, 'order', 'import', file)).status).toBe(1)
    }
  })
})

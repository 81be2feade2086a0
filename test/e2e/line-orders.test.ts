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

interface Share {
  readonly id: string
  readonly quantity: number
}

const place = (name: string, ...more: string[]) =>
  told<Told>(central, 'order', 'create', '--name', name, '--quantity', '3', ...more)
const fingerprintOf = async (at: ServeProcess) =>
  (await told<{ line: string }>(at, 'order', 'line')).line
const exported = async (id: string, out: string, ...more: string[]) =>
  told<Share>(
    central,
    ...['order', 'export', id, '--out', out, '--line', await fingerprintOf(line), ...more],
  )
const handOver = (id: string) =>
  asked(
    line,
    ...['order', 'hand-over', id, '--to', central.url],
    ...['--to-token-file', join(central.folder, 'admin.token')],
  )

describe('a line that is offline', { timeout: PATIENCE_MS }, () => {
  it('makes its share of an order, hands it over later, and gives back the rest', async () => {
    const { id } = await place('PO-1', '--label', '{order}/{serial}')
    const file = join(folder, 'order.pem')
    const share = await exported(id, file)
    const reserved = { state: 'open', made: 0, reserved: 3 }
    expect(await told(central, 'order', 'show', id)).toMatchObject(reserved)
    const again = join(folder, 'again.pem')
    await told(central, 'order', 'export', id, '--out', again, '--share', share.id)
    expect(readFileSync(again, 'utf8')).toBe(readFileSync(file, 'utf8'))
    const issuer = await fingerprintOf(central)
    await central.kill()

    const station = await told<Told>(line, 'station', 'add', '--name', 'line', '--secret')
    const stranger = await asked(line, 'order', 'import', file)
    expect(stranger).toMatchObject({ status: 5 })
    expect(stranger.stdout).toContain(issuer)
    const first = await told<{ order: Told; is_new: boolean }>(
      line,
      ...['order', 'import', file, '--issuer', issuer],
    )
    expect(first).toMatchObject({
      order: { state: 'open', name: 'PO-1', quantity: 3 },
      is_new: true,
    })
    const { id: order } = first.order
    const repeated = await told(line, 'order', 'import', again)
    expect(repeated).toMatchObject({ order: { id: order }, is_new: false })
    expect(await told(line, 'order', 'issuer', 'list')).toMatchObject([{ fingerprint: issuer }])
    await makeAt(station.di_url, { serial: 'A' })
    await makeAt(station.di_url, { serial: 'B', keyType: 11 })
    expect((await handOver(order)).status).toBe(4)

    await central.start()
    const both = [
      { number: 1, ok: true, detail: null },
      { number: 2, ok: true, detail: null },
    ]
    expect(await handOver(order)).toMatchObject({ status: 0, json: { devices: both, share: null } })
    const held = both.map((one) => ({ ...one, detail: 'held already' }))
    await told(line, 'order', 'close', order)
    const given = { state: 'closed', made: 2, reserved: 0 }
    expect(await handOver(order)).toMatchObject({ json: { devices: held, share: given } })
    const counted = { made: 2, reserved: 0, quantity: 3 }
    expect(await told(central, 'order', 'show', id)).toMatchObject(counted)
    expect(await told(central, 'order', 'shares', id)).toMatchObject([{ id: share.id, ...given }])
    const brought = { share: share.id, station: 'line', voucher_state: 'held' }
    // Each is counted as it is taken in, of which there may be several at once.
    const devices = await told<{ serial: string }[]>(central, 'order', 'devices', id)
    expect(devices.toSorted((a, b) => a.serial.localeCompare(b.serial))).toMatchObject([
      { serial: 'A', label: 'PO-1/A', ...brought },
      { serial: 'B', label: 'PO-1/B', ...brought },
    ])

    const [one] = await told<{ guid: string }[]>(line, 'order', 'devices', order)
    await told(line, 'voucher', 'delete', one!.guid)
    const after = await handOver(order)
    const gone = { devices: [{ number: 1, ok: false }, { number: 2 }] }
    expect(after).toMatchObject({ status: 5, json: gone })
    await told(line, 'order', 'issuer', 'remove', issuer)
    expect(await told(line, 'order', 'issuer', 'list')).toEqual([])
  })

  it('is not given what cannot be made, nor without saying which line', async () => {
    const out = join(folder, 'not.pem')
    const silent = join(folder, 'silent.json')
    const nowhere = { ip: '127.0.0.1', dev_port: 1, owner_port: 1, protocol: 'http' }
    writeFileSync(silent, JSON.stringify([nowhere]))
    const { id } = await place('PO-4', '--rendezvous', silent)
    const wanted = ['order', 'export', id, '--out', out]
    expect((await asked(central, ...wanted)).status).toBe(2)
    wanted.push('--line', await fingerprintOf(line))
    expect((await asked(central, ...wanted)).status).toBe(5)
    expect(await told(central, 'order', 'show', id)).toMatchObject({ state: 'draft', reserved: 0 })
    await told(central, ...wanted, '--force', '--quantity', '2', '--expires', '1h')
    expect(await told(central, 'order', 'show', id)).toMatchObject({ state: 'open', reserved: 2 })
  })

  it('takes in no other files, and hands over no other orders', async () => {
    const file = join(folder, 'other.json')
    for (const text of ['{', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n']) {
      writeFileSync(file, text)
      expect((await asked(line, 'order', 'import', file)).status).toBe(3)
    }
    const own = ['order', 'create', '--name', 'own', '--quantity', '1']
    const { id } = await told<Told>(line, ...own)
    expect((await handOver(id)).status).toBe(3)
  })
})

/** What lines make of an order is counted where it was placed: once each, and never too many. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeAt, newDevice } from '../support/factory.ts'
import { broughtBy, handOver, share, startLines, takeIn } from '../support/lines.ts'
import { PATIENCE_MS } from '../support/service.ts'

type World = Awaited<ReturnType<typeof startLines>>

let world: World
let station: { id: string; di_url: string }
beforeAll(async () => {
  world = await startLines()
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

/** An order at the centre, a share of it, and that share as the line's own order. */
async function given(order: object = {}, wanted: object = {}) {
  const { central, line, lineKey, issuer } = world
  station = await line.addStation()
  const { id } = await central.open({ quantity: 5, ...order })
  const { id: part, document } = await share(central, id, { line: lineKey, ...wanted })
  const own = await takeIn(line, document, { issuer, stations: [station.id] })
  return { id, part, own: own.id, document }
}

const make = (wish: object = {}) => makeAt(station.di_url, wish)

async function closing(own: string) {
  await world.line.must('POST', `/orders/${own}/close`)
  const { line } = world
  return line.must<{ statement: string }>('POST', `/orders/${own}/closing-statement`)
}

const close = (part: string, statement: string) =>
  world.central.call('POST', `/order-shares/${part}/close`, { json: { statement } })

describe('a line that hands over', { timeout: PATIENCE_MS }, () => {
  it('has each device counted once, with serial, label and station', async () => {
    const { central, line } = world
    const { id, part, own } = await given({ label: '{order} {serial}' }, { quantity: 3 })
    expect(await central.order(id)).toMatchObject({ made: 0, reserved: 3 })
    await make({ serial: 'A' })
    await make({ serial: 'B', keyType: 11 })
    const devices = await broughtBy(line, own)
    const taken = { ok: true, detail: null }
    expect(await handOver(central, part, devices)).toMatchObject([taken, taken])
    const held = { ok: true, detail: 'held already' }
    expect(await handOver(central, part, devices)).toMatchObject([held, held])
    expect(await central.order(id)).toMatchObject({ made: 2, reserved: 1 })
    const { name } = (await central.order(id)) as unknown as { name: string }
    const told = await central.devices(id)
    expect(told.map(({ serial, label }) => [serial, label])).toEqual([
      ['A', `${name} A`],
      ['B', `${name} B`],
    ])
    expect(told[0]).toMatchObject({ station: devices[0]!.station, share: part })
    const csv = await central.call('GET', `/orders/${id}/devices?format=csv`)
    expect(csv.text).toContain(`/api/v1/vouchers/${told[0]!.guid},${name} A,`)
    const { items } = await central.must<{ items: { type: string; detail: object }[] }>(
      'GET',
      '/audit?limit=500',
    )
    // Newest first; the log is what webhooks are sent.
    expect(items.find(({ type }) => type === 'voucher-made')?.detail).toMatchObject({
      ...{ order: id, serial: 'B', label: `${name} B`, share: part },
      voucher: `/api/v1/vouchers/${told[1]!.guid}`,
    })
  })

  it('replaces what it has made anew, and never the newer by the older', async () => {
    const { central, line } = world
    const { id, part, own } = await given()
    const signer = newDevice()
    await make({ signer })
    const first = await broughtBy(line, own)
    await make({ signer })
    const second = await broughtBy(line, own)
    expect(await handOver(central, part, second)).toMatchObject([{ ok: true }])
    expect(await handOver(central, part, first)).toMatchObject([{ check: 'superseded' }])
    expect(await central.order(id)).toMatchObject({ made: 1, reserved: 4 })
    await make({ signer })
    const third = await broughtBy(line, own)
    expect(await handOver(central, part, third)).toMatchObject([{ ok: true, detail: null }])
    expect(await central.order(id)).toMatchObject({ made: 1, reserved: 4 })
  })

  it('may have its clock put right meanwhile', async () => {
    const { central, line } = world
    const { part, own } = await given()
    const signer = newDevice()
    await make({ signer })
    const [first] = await broughtBy(line, own)
    const ahead = { ...first!, made_at: '2999-01-01T00:00:00Z' }
    expect(await handOver(central, part, [ahead])).toMatchObject([{ ok: true, detail: null }])
    await make({ signer })
    const anew = await broughtBy(line, own)
    expect(await handOver(central, part, anew)).toMatchObject([{ ok: true, detail: null }])
  })

  it('gives back what it has not made, once, by its own word', async () => {
    const { central, line } = world
    const { id, part, own } = await given()
    await make({ serial: 'A' })
    await make({ serial: 'B' })
    const [one, other] = await broughtBy(line, own)
    await handOver(central, part, [one!])
    const early = await line.call('POST', `/orders/${own}/closing-statement`)
    expect(early.status).toBe(409)
    const { statement } = await closing(own)
    expect((await close(part, `${statement}${statement}`)).status).toBe(400)
    expect((await close(part, statement.replace(/A/, 'B'))).status).toBe(422)
    for (let i = 0; i < 2; i++) {
      expect((await close(part, statement)).json).toMatchObject({ state: 'closed', reserved: 1 })
    }
    const entries = '/audit?type=order-share-closed'
    const { items } = await central.must<{ items: object[] }>('GET', entries)
    // Said twice, it is told once.
    expect(items).toMatchObject([
      { subject: { id: part }, detail: { order: id, made: 2, given_back: 3 } },
    ])
    expect(await central.order(id)).toMatchObject({ made: 1, reserved: 1 })
    expect(await handOver(central, part, [other!])).toMatchObject([{ ok: true }])
    expect(await central.order(id)).toMatchObject({ made: 2, reserved: 0 })
    const { id: next } = await given()
    expect((await central.order(next)).state).toBe('open')
    const elsewhere = await given()
    expect((await close(elsewhere.part, statement)).text).toContain('other-share')
  })

  it('cannot give back what it took in with a key that is gone', async () => {
    const { line, plant, lineKey } = world
    const { own } = await given()
    await line.must('POST', `/orders/${own}/close`)
    const { database } = plant.service.services
    const key = await database.db
      .selectFrom('private_key')
      .selectAll()
      .where('fingerprint', '=', lineKey)
      .executeTakeFirstOrThrow()
    await database.commit((tx) => tx.deleteFrom('private_key').where('id', '=', key.id).execute())
    const { status, text } = await line.call('POST', `/orders/${own}/closing-statement`)
    await database.commit((tx) => tx.insertInto('private_key').values(key).execute())
    expect([status, text]).toEqual([409, expect.stringContaining('is gone')])
    const back = await line.call('POST', `/orders/${own}/closing-statement`)
    expect(back.status).toBe(200)
  })

  it('has what was not made for it refused, and nothing counted', async () => {
    const { central, line } = world
    const { id, part, own } = await given({ model: 'M1' }, { quantity: 1 })
    await make()
    const [good] = await broughtBy(line, own)
    const wrong = await given({ model: 'M2' })
    await make({ model: 'M2' })
    const [other] = await broughtBy(line, wrong.own)
    expect(await handOver(central, part, [other!])).toMatchObject([{ check: 'other-model' }])
    const unsold = await given({ first_owner: 'none' })
    await make()
    const [mine] = await broughtBy(line, unsold.own)
    expect(await handOver(central, part, [mine!])).toMatchObject([{ check: 'other-owner' }])
    expect(await handOver(central, unsold.part, [good!])).toMatchObject([{ check: 'other-owner' }])
    const away = await given({ rendezvous_info: [{ dns: 'rv.test' }] }, {}).catch(() => undefined)
    expect(away).toBeUndefined()
    const bad = { ...good!, voucher: Buffer.from('no').toString('base64') }
    expect(await handOver(central, part, [bad])).toMatchObject([{ check: 'malformed' }])
    expect(await central.order(id)).toMatchObject({ made: 0, reserved: 1 })
    const missing = await central.call('POST', '/order-shares/fdos_no/devices', {
      json: { devices: [good] },
    })
    expect(missing.status).toBe(404)
  })

  it('has refused what goes elsewhere, or to others, than the order says', async () => {
    const { central, line, lineKey } = world
    const { own } = await given()
    await make()
    const [good] = await broughtBy(line, own)
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const first_owner = publicKey.export({ type: 'spki', format: 'pem' })
    const others: readonly [order: object, check: string][] = [
      [{ rendezvous_info: [{ dns: 'rv.test' }] }, 'other-rendezvous'],
      [{ first_owner }, 'other-owner'],
      [{ first_owner: [{ model: 'M9', to: 'self' }] }, 'other-model'],
    ]
    for (const [order, check] of others) {
      const { id } = await central.open({ quantity: 5, ...order }, true)
      const { id: part } = await share(central, id, { line: lineKey })
      expect(await handOver(central, part, [good!])).toMatchObject([{ ok: false, check }])
      expect(await central.order(id)).toMatchObject({ made: 0, reserved: 5 })
    }
  })

  it('has counted what somebody else has brought before it, and the log tells', async () => {
    const { central, line } = world
    const { id, part, own } = await given()
    await make({ serial: 'C1' })
    const devices = await broughtBy(line, own)
    const { guid } = (await line.devices(own))[0]!
    const pem = (await line.call('GET', `/vouchers/${guid}?format=pem`)).text
    const headers = { 'content-type': 'application/x-pem-file' }
    const imported = await central.call('POST', '/vouchers', { body: pem, headers })
    expect(imported.json).toMatchObject({ items: [{ guid, ok: true }] })
    expect(await handOver(central, part, devices)).toMatchObject([{ ok: true, detail: null }])
    expect(await central.order(id)).toMatchObject({ made: 1, reserved: 4 })
    const { items } = await central.must<{ items: { type: string }[] }>(
      'GET',
      `/audit?guid=${guid}`,
    )
    // The rendezvous hears of it meanwhile.
    const told = items.filter(({ type }) => type !== 'registered')
    expect(told).toMatchObject([
      { type: 'order-device-counted', subject: { guid }, detail: { order: id, share: part } },
      { type: 'voucher-imported' },
    ])
  })

  it('may not bring more than its share, nor serial numbers twice', async () => {
    const { central, line } = world
    const whole = { quantity: 5, unique_serials: true }
    const { id, part, own } = await given(whole, { quantity: 2 })
    await make({ serial: 'U1' })
    await make({ serial: 'U2' })
    const two = await broughtBy(line, own)
    const second = await share(central, id, { line: world.lineKey, quantity: 1 })
    expect(await handOver(central, second.id, two)).toMatchObject([{ ok: true }, { ok: false }])
    expect(await handOver(central, second.id, two)).toMatchObject([
      { detail: 'held already' },
      { check: 'share-full' },
    ])
    const renamed = [{ ...two[1]!, serial: 'U1' }]
    expect(await handOver(central, part, renamed)).toMatchObject([{ check: 'serial' }])
    expect(await handOver(central, part, two)).toMatchObject([{ ok: true }, { ok: true }])
    expect(await central.order(id)).toMatchObject({ made: 2, reserved: 1 })
  })
})

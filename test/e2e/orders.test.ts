/** Production orders against the whole service over HTTP: what is made to them, and what is not. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { CLOSED_DOOR, makeAt, newDevice, officeOf, refusal } from '../support/factory.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let service: TestService
let office: ReturnType<typeof officeOf>
let station: { id: string; di_url: string }
beforeAll(async () => {
  service = await startTestService(CLOSED_DOOR)
  office = officeOf(service)
}, PATIENCE_MS)
afterAll(() => service.remove(), PATIENCE_MS)

/** A station of the test's own, so that orders of different tests do not meet. */
async function at(order: object = {}) {
  station = await office.addStation()
  return office.open({ stations: [station.id], ...order })
}

describe('an order', { timeout: PATIENCE_MS }, () => {
  it('has devices made at its station, up to its quantity', async () => {
    const { id } = await at({ quantity: 2, label: '{order}/{number} {model} {serial} {guid}' })
    const first = await makeAt(station.di_url, { serial: 'A' })
    const second = await makeAt(station.di_url, { serial: 'B' })
    await expect(makeAt(station.di_url)).rejects.toMatchObject(refusal())
    expect(await office.order(id)).toMatchObject({ state: 'open', made: 2 })
    expect(await office.devices(id)).toMatchObject([
      { number: 1, serial: 'A', guid: toHex(first.guid), voucher_state: 'held' },
      { number: 2, serial: 'B', guid: toHex(second.guid), model: 'M1' },
    ])
  })

  it('makes exactly its quantity of many devices at once', async () => {
    const { id } = await at({ quantity: 10 })
    const url = station.di_url
    const before = (await office.vouchers()).length
    const devices = Array.from({ length: 50 }, (_, i) => makeAt(url, { serial: `R${i}` }))
    const results = await Promise.allSettled(devices)
    const made = results.filter(({ status }) => status === 'fulfilled')
    expect(made).toHaveLength(10)
    expect((await office.vouchers()).length - before).toBe(10)
    expect(await office.order(id)).toMatchObject({ made: 10 })
    const numbers = (await office.devices(id)).map(({ number }) => number)
    expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  })

  it('counts a device once that is made again, even when it is full', async () => {
    const { id } = await at({ quantity: 1 })
    const signer = newDevice()
    const first = await makeAt(station.di_url, { signer, serial: 'before' })
    const second = await makeAt(station.di_url, { signer, serial: 'after' })
    expect(await office.order(id)).toMatchObject({ made: 1 })
    expect(await office.devices(id)).toMatchObject([{ serial: 'after', guid: toHex(second.guid) }])
    const states = new Map((await office.vouchers()).map(({ guid, state }) => [guid, state]))
    expect(states.get(toHex(first.guid))).toBe('superseded')
    expect(states.get(toHex(second.guid))).toBe('held')
  })

  it('counts messages once that come twice', async () => {
    const { id } = await at({ quantity: 5 })
    await makeAt(station.di_url, {
      through: (send) => async (message, authorization) => {
        await send(message, authorization)
        return send(message, authorization)
      },
    })
    expect(await office.order(id)).toMatchObject({ made: 1 })
  })
})

describe('what an order refuses', { timeout: PATIENCE_MS }, () => {
  it('a model that it is not for', async () => {
    await at({ model: 'M2' })
    await expect(makeAt(station.di_url)).rejects.toMatchObject(refusal())
    await makeAt(station.di_url, { model: 'M2' })
  })

  it('everything before it is open, once it is closed, and after its date', async () => {
    const url = (station = await office.addStation()).di_url
    const wanted = { stations: [station.id], quantity: 9 }
    const { id } = await office.draft(wanted)
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    await office.must('POST', `/orders/${id}/open`, {})
    await makeAt(url)
    await office.must('POST', `/orders/${id}/close`)
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    const { id: late } = await office.open(wanted)
    await makeAt(url)
    await service.service.services.database.commit((tx) =>
      tx
        .updateTable('production_order')
        .set({ expires_at: '2026-01-01T00:00:00.000Z' })
        .where('id', '=', late)
        .execute(),
    )
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
  })

  it('a device whose order is closed while it is being made', async () => {
    const { id } = await at()
    const signer = newDevice()
    const closing = makeAt(station.di_url, {
      signer,
      through: (send) => async (message, authorization) => {
        if (message.number === 12) await office.must('POST', `/orders/${id}/close`)
        return send(message, authorization)
      },
    })
    await expect(closing).rejects.toMatchObject(refusal(12))
    expect(await office.order(id)).toMatchObject({ state: 'closed', made: 0 })
    expect(await office.devices(id)).toEqual([])
  })

  it('to guess between two that are open for the same', async () => {
    const { id } = await at({ quantity: 5 })
    const url = station.di_url
    await office.open({ stations: [station.id] })
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    const exact = await office.open({ stations: [station.id], model: 'M1' })
    await makeAt(url)
    expect(await office.order(exact.id)).toMatchObject({ made: 1 })
    expect(await office.order(id)).toMatchObject({ made: 0 })
  })

  it('devices at stations that it does not name', async () => {
    await at()
    const elsewhere = await office.addStation()
    await expect(makeAt(elsewhere.di_url)).rejects.toMatchObject(refusal())
  })

  it('to be finished at another station than it was begun at', async () => {
    const { id } = await at()
    const other = await office.addStation()
    await office.open({ stations: [other.id] })
    const moved = makeAt(station.di_url, {
      through: (send) => async (message, authorization) => {
        if (message.number === 10) return send(message, authorization)
        return service.service.exchange.answer({
          ...message,
          authorization,
          source: {
            ...{ address: '127.0.0.1', forwarded: false, clientCertificate: undefined },
            stationSecret: new URL(other.di_url).pathname.split('/').at(-1),
          },
        }) as never
      },
    })
    await expect(moved).rejects.toMatchObject(refusal(12))
    expect(await office.order(id)).toMatchObject({ made: 0 })
  })

  it('a serial number twice, where told to', async () => {
    await at({ quantity: 9, unique_serials: true })
    const signer = newDevice()
    await makeAt(station.di_url, { serial: 'once', signer })
    await makeAt(station.di_url, { serial: 'once', signer })
    await expect(makeAt(station.di_url, { serial: 'once' })).rejects.toMatchObject(refusal())
    await expect(makeAt(station.di_url, { serial: '' })).rejects.toMatchObject(refusal())
  })
})

describe('a station', { timeout: PATIENCE_MS }, () => {
  it('is known by its secret alone, and nobody by a wrong one', async () => {
    await at({ quantity: 9 })
    const { origin } = new URL(station.di_url)
    await expect(makeAt(origin)).rejects.toMatchObject(refusal())
    await expect(makeAt(`${station.di_url.slice(0, -1)}!`)).rejects.toMatchObject(refusal())
    await makeAt(station.di_url)
    await office.must('DELETE', `/stations/${station.id}`)
    await expect(makeAt(station.di_url)).rejects.toMatchObject(refusal())
  })

  it('may want an address beside its secret, which a stranger’s proxy cannot lend', async () => {
    const far = await office.addStation({ secret: true, allow: ['192.0.2.0/24'] })
    const near = await office.addStation({ secret: true, allow: ['127.0.0.0/8'] })
    await office.open({ stations: [far.id, near.id], quantity: 9 })
    await expect(makeAt(far.di_url)).rejects.toMatchObject(refusal())
    await makeAt(near.di_url)
    const { hostname, port, pathname } = new URL(near.di_url)
    const answer = await fetch(`http://${hostname}:${port}${pathname}/fdo/101/msg/10`, {
      method: 'POST',
      body: Uint8Array.of(0x81, 0xf6),
      headers: { 'x-forwarded-for': '127.0.0.1' },
    })
    expect(answer.headers.get('message-type')).toBe('255')
  })

  it('takes messages of DI, and no others', async () => {
    const { di_url } = await office.addStation()
    const post = (path: string) => fetch(`${di_url}${path}`, { method: 'POST' })
    expect((await post('/fdo/101/msg/30')).status).toBe(404)
    expect((await post('/fdo/101/msg/60')).status).toBe(404)
    expect((await fetch(`${di_url}/fdo/101/msg/10`)).status).toBe(404)
    expect((await post('/fdo/101/msg/255')).status).toBe(200)
    const { origin } = new URL(di_url)
    const long = `${origin}/station/${'x'.repeat(65)}/fdo/101/msg/10`
    expect((await fetch(long, { method: 'POST' })).status).toBe(404)
  })
})

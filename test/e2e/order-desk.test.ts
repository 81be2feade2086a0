/** Orders and stations over the management API: how they are placed, tried and read. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import type { Message } from '../../protocol/message.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import { CLOSED_DOOR, makeAt, newDevice, officeOf, refusal } from '../support/factory.ts'
import { freePort } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let service: TestService
let office: ReturnType<typeof officeOf>
/** Where nobody makes anything. */
let idle: { readonly stations: readonly string[] }
beforeAll(async () => {
  service = await startTestService(CLOSED_DOOR)
  office = officeOf(service)
  idle = { stations: [(await office.addStation()).id] }
}, PATIENCE_MS)
afterAll(() => service.remove(), PATIENCE_MS)

const later = '2999-01-01T00:00:00Z'
const post = (path: string, json: object = {}) => office.call('POST', path, { json })
const port = () => Number(new URL(service.service.publicUrl).port)
const here = () => ({ ip: '127.0.0.1', dev_port: port(), owner_port: port(), protocol: 'http' })
const nowhere = async () => {
  const silent = await freePort()
  return { ip: '127.0.0.1', dev_port: silent, owner_port: silent, protocol: 'http' }
}

describe('an order that is opened', { timeout: PATIENCE_MS }, () => {
  it('has its rendezvous info tried, as the owner and as the device', async () => {
    const { trial } = await office.open(idle)
    const url = `http://127.0.0.1:${port()}`
    expect(trial).toMatchObject({ ok: true, passed_over: [] })
    expect(trial!.addresses).toMatchObject([
      { url, as: 'device', ok: true, detail: 'TO1 is answered there' },
      { url, as: 'owner', ok: true, detail: 'TO0 is answered there' },
    ])
  })

  it('is refused while an address is silent, unless that is accepted', async () => {
    const { id } = await office.draft({ ...idle, rendezvous_info: [here(), await nowhere()] })
    const refused = await post(`/orders/${id}/open`)
    expect(refused.status).toBe(422)
    expect(refused.json).toMatchObject({ code: 'check-failed', trial: { ok: false } })
    const { state, trial } = await office.order(id)
    expect(state).toBe('draft')
    expect(trial!.addresses.filter(({ ok }) => ok)).toHaveLength(2)
    expect(trial!.addresses.filter(({ ok }) => !ok)).toHaveLength(2)
    const opened = await post(`/orders/${id}/open`, { force: true })
    expect(opened.json).toMatchObject({ state: 'open', trial: { ok: false } })
  })

  it('may have two schemes for a host, of which one has to answer', async () => {
    const { trial } = await office.open({
      ...idle,
      rendezvous_info: [{ ...here(), protocol: 'rest' }],
    })
    expect(trial!.addresses.filter(({ ok }) => !ok).map(({ url }) => url)).toEqual(
      Array(2).fill(`https://127.0.0.1:${port()}`),
    )
  })

  it('is refused where devices would turn to nobody', async () => {
    const tried = async (directive: object) => {
      const { id } = await office.draft({ rendezvous_info: [directive] })
      return (await office.must<{ trial: unknown }>('POST', `/orders/${id}/try`)).trial
    }
    expect(await tried({ ...here(), owner_only: true })).toMatchObject({ ok: false })
    expect(await tried({ ...here(), protocol: 'coap-tcp' })).toMatchObject({
      ok: false,
      passed_over: ['directive 0: not over HTTP: coap-tcp'],
    })
    expect(await tried({ ...here(), bypass: true })).toMatchObject({
      ok: true,
      addresses: [{ as: 'device-at-owner', detail: 'TO2 is answered there' }],
    })
  })

  it('cannot be opened, tried or removed again, nor opened once closed', async () => {
    const { id } = await office.open(idle)
    for (const what of ['open', 'try']) {
      expect((await post(`/orders/${id}/${what}`)).status).toBe(409)
    }
    expect((await office.call('DELETE', `/orders/${id}`)).status).toBe(409)
    expect((await post(`/orders/${id}/close`)).status).toBe(200)
    expect((await post(`/orders/${id}/close`)).json).toMatchObject({ state: 'closed' })
    expect((await post(`/orders/${id}/open`)).status).toBe(409)
  })

  it('is opened once by many who try at once', async () => {
    const { id } = await office.draft(idle)
    const all = await Promise.all(Array.from({ length: 5 }, () => post(`/orders/${id}/open`)))
    expect(all.map(({ status }) => status).sort()).toEqual([200, 409, 409, 409, 409])
  })

  it('keeps the rendezvous info of its day', async () => {
    const { id } = await office.draft()
    const before = await office.must<object>('GET', '/rendezvous-info')
    const directives = [{ dns: 'elsewhere.test', dev_port: 1, protocol: 'http' }]
    await office.must('PUT', '/rendezvous-info', { directives })
    expect(await office.order(id)).toMatchObject({ rendezvous_info: [here()] })
    const { directives: old } = before as { directives: unknown }
    await office.must('PUT', '/rendezvous-info', { directives: old })
  })

  it('can be removed as a draft', async () => {
    const { id } = await office.draft()
    expect((await office.call('DELETE', `/orders/${id}`)).status).toBe(204)
    expect((await office.call('GET', `/orders/${id}`)).status).toBe(404)
  })
})

describe('an order', () => {
  it.each([
    { quantity: 0 },
    { quantity: 1.5 },
    { expires_at: '2020-01-01T00:00:00Z' },
    { expires_at: 'tomorrow' },
    { name: '' },
    { name: '../x' },
    { label: '{secret}' },
    { model: 'x'.repeat(513) },
    { device_cas: 'none' },
    { device_cas: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n' },
    { rendezvous_info: [] },
    { rendezvous_info: [{ ip: 'x' }] },
    { colour: 'red' },
  ])('is not placed with %j', async (wrong) => {
    const order = { name: 'wrong', quantity: 1, expires_at: later, ...wrong }
    expect((await post('/orders', order)).status).toBe(400)
  })

  it('is not placed at a station that is not there', async () => {
    const order = { name: 'wrong', quantity: 1, expires_at: later, stations: ['fdost_none'] }
    expect((await post('/orders', order)).status).toBe(404)
  })

  it('is listed by pages and by state', async () => {
    const { id } = await office.draft()
    const { items, next } = await office.must<{ items: object[]; next: string | null }>(
      'GET',
      '/orders?limit=1',
    )
    expect(items).toHaveLength(1)
    expect(next).not.toBeNull()
    const drafts = await office.must<{ items: { id: string; state: string }[] }>(
      'GET',
      '/orders?state=draft&limit=500',
    )
    expect(drafts.items.map((one) => one.id)).toContain(id)
    expect(new Set(drafts.items.map(({ state }) => state))).toEqual(new Set(['draft']))
  })

  it('needs permissions of its own', async () => {
    const { token } = await office.must<{ token: string }>('POST', '/tokens', {
      ...{ name: 'line', scopes: ['order:read'] },
    })
    const line = officeOf(service, token)
    expect((await line.call('GET', '/orders')).status).toBe(200)
    expect((await line.call('GET', '/stations')).status).toBe(403)
    const order = { name: 'no', quantity: 1, expires_at: later }
    expect((await line.call('POST', '/orders', { json: order })).status).toBe(403)
  })
})

describe('what the line gets', { timeout: PATIENCE_MS }, () => {
  it('is pages of devices, and a table that no spreadsheet executes', async () => {
    const { id, di_url } = await office.addStation()
    const label = 'https://x.test/{guid}'
    const order = await office.open({ stations: [id], quantity: 3, label })
    const serials = ['=1+1', 'a,"b"', 'plain']
    for (const serial of serials) await makeAt(di_url, { serial })
    const path = `/orders/${order.id}/devices`
    const first = await office.must<{ items: object[]; next: string }>('GET', `${path}?limit=2`)
    expect(first.items).toMatchObject([{ number: 1 }, { number: 2 }])
    const second = await office.must('GET', `${path}?limit=2&cursor=${first.next}`)
    expect(second).toMatchObject({ items: [{ number: 3, serial: 'plain' }], next: null })
    expect(await office.must('GET', `${path}?after=2`)).toMatchObject({ items: [{ number: 3 }] })
    const csv = await office.call('GET', path, { headers: { accept: 'text/csv' } })
    const [head, ...lines] = csv.text.trimEnd().split('\r\n')
    const columns = 'number,serial,guid,model,device_id,made_at,voucher_state,voucher,label'
    expect(head).toBe(`${columns},station,share`)
    expect(lines.map((line) => line.split(',').slice(0, 2).join())).toEqual([
      "1,'=1+1",
      '2,"a',
      '3,plain',
    ])
    const [device] = await office.devices(order.id)
    const { guid } = device!
    const told = `held,/api/v1/vouchers/${guid},https://x.test/${guid},station \\d+,$`
    expect(lines[0]).toMatch(new RegExp(told))
    const after = await office.call('GET', `${path}?format=csv&after=2`)
    expect(after.text.trimEnd().split('\r\n')).toHaveLength(2)
  })

  it('goes on from cursors of its own list only', async () => {
    const { id } = await office.draft()
    const cursor = Buffer.from('fdoor_').toString('base64url')
    expect((await office.call('GET', `/orders/${id}/devices?cursor=${cursor}`)).status).toBe(400)
  })

  it('is told where a voucher is gone', async () => {
    const { id, di_url } = await office.addStation()
    const order = await office.open({ stations: [id] })
    const { guid } = await makeAt(di_url)
    await office.must('DELETE', `/vouchers/${toHex(guid)}`)
    expect(await office.devices(order.id)).toMatchObject([{ voucher_state: null, voucher: null }])
  })

  it('is in the history of the device', async () => {
    const { id, di_url } = await office.addStation()
    const order = await office.open({ stations: [id] })
    await makeAt(di_url)
    const [{ device_id } = { device_id: '' }] = await office.devices(order.id)
    const device = await office.must<{ history: object[] }>('GET', `/devices/${device_id}`)
    expect(device.history).toContainEqual(
      expect.objectContaining({ type: 'made-to-order', detail: expect.anything() }),
    )
  })
})

describe('stations of the installation’s own', { timeout: PATIENCE_MS }, () => {
  it.each([{}, { allow: ['here'] }, { client_cas: 'none' }, { name: 'a/b', secret: true }])(
    'are not added as %j',
    async (wrong) => {
      expect((await post('/stations', { name: 'wrong', ...wrong })).status).toBe(400)
    },
  )

  it('are shown without their secret', async () => {
    const { id } = await office.addStation()
    const shown = await office.must('GET', `/stations/${id}`)
    expect(shown).toMatchObject({ has_secret: true, client_cas: null, allow: [] })
    expect(shown).not.toHaveProperty('secret')
  })

  it('may be known by their address, and then want an order', async () => {
    const open = await startTestService()
    const there = officeOf(open)
    const url = open.service.http!
    await makeAt(url)
    const { id } = await there.addStation({ allow: ['127.0.0.0/8'] })
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    await there.open({ stations: [id] })
    const signer = newDevice()
    await makeAt(url, { signer })
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    await there.must('DELETE', `/stations/${id}`)
    await makeAt(url)
    await open.remove()
  })

  it('are not where a run ends that began without one, nor the other way round', async () => {
    const open = await startTestService()
    const there = officeOf(open)
    const url = open.service.http!
    const { di_url } = await there.addStation()
    const { id } = await there.open({ quantity: 5 })
    const both = [httpTransport(url), httpTransport(di_url)]
    for (const [at, other] of [both, both.toReversed()]) {
      const through = () => (message: Message, authorization: string | undefined) =>
        (message.number === 10 ? at : other)!.send(message, authorization)
      await expect(makeAt(url, { through })).rejects.toMatchObject(refusal(12))
    }
    for (const { close } of both) close()
    expect(await there.order(id)).toMatchObject({ made: 0 })
    await open.remove()
  })

  it('may be behind a proxy that is trusted', async () => {
    const behind = await startTestService({
      ...CLOSED_DOOR,
      FIRSTLIGHT_TRUSTED_PROXIES: '127.0.0.1',
    })
    const there = officeOf(behind)
    await there.addStation({ allow: ['203.0.113.0/24'] })
    await there.open({ quantity: 5 })
    const from = (address: string) => () => async (message: Message, authorization?: string) => {
      const response = await fetch(`${behind.service.http}/fdo/101/msg/${message.number}`, {
        method: 'POST',
        body: new Uint8Array(message.bytes),
        headers: { 'x-forwarded-for': address, ...(authorization && { authorization }) },
      })
      const number = Number(response.headers.get('message-type'))
      const bytes = new Uint8Array(await response.arrayBuffer())
      const token = response.headers.get('authorization') ?? undefined
      return { message: { number, bytes }, authorization: token }
    }
    const url = behind.service.http!
    await makeAt(url, { through: from('203.0.113.9') })
    await expect(makeAt(url, { through: from('198.51.100.1') })).rejects.toMatchObject(refusal())
    await expect(makeAt(url)).rejects.toMatchObject(refusal())
    await behind.remove()
  })
})

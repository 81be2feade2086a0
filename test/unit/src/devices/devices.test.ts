import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DeviceService, type DeviceMove } from '../../../../src/devices/service.ts'
import {
  type VoucherWorld,
  guid,
  guidText,
  openVoucherWorld,
} from '../../../support/voucher-world.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const voucher = await makeVoucher(partsOf(), { header: { guid: guid(0xa1) } })
const other = await makeVoucher(partsOf('p256-cosekey-devP256'), {
  header: { guid: guid(0xa2), deviceInfo: 'other-model' },
})

const ADMIN = { party: HOME_PARTY, id: 'fdoa_1' }
let world: VoucherWorld
let id: string
beforeEach(async () => {
  world = await openVoucherWorld()
  await world.make(voucher)
  id = (await world.devices.findByGuid(HOME_PARTY, guidText(0xa1)))?.id ?? expect.fail()
})
afterEach(() => world.database.close())

const move = (by: DeviceMove['move'], more: Partial<DeviceMove> = {}) =>
  world.database.commit((tx) => world.devices.moveDevice(tx, { id, move: by, ...more }))

const patch = (path: string, body: object) =>
  world.call(path, {
    method: 'PATCH',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })

const post = (path: string, body: object) =>
  world.call(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'content-type': 'application/json' },
  })

describe('a device', () => {
  it('moves as the table allows, and leaves a trace', async () => {
    world.clock.advance(1000)
    expect(await move('registered', { detail: { rendezvous: 'http://rv' } })).toBe(true)
    expect(await world.devices.find(id)).toMatchObject({
      state: 'registered',
      updated_at: '2026-01-02T03:04:06.000Z',
    })
    const [last] = (await world.devices.history(id)).slice(-1)
    expect(last).toEqual({
      at: '2026-01-02T03:04:06.000Z',
      type: 'registered',
      state: 'registered',
      detail: '{"rendezvous":"http://rv"}',
    })
  })

  it('does not move otherwise', async () => {
    const before = await world.devices.history(id)
    expect(await move('failed')).toBe(false)
    expect(await move('registration-lapsed')).toBe(false)
    expect(await world.devices.find(id)).toMatchObject({ state: 'owned' })
    expect(await world.devices.history(id)).toEqual(before)
  })

  it('keeps its error until it moves on', async () => {
    await move('onboarding')
    await move('failed', { error: 'INVALID_MESSAGE_ERROR' })
    expect(await world.devices.find(id)).toMatchObject({ last_error: 'INVALID_MESSAGE_ERROR' })
    await move('onboarding')
    expect(await world.devices.find(id)).toMatchObject({ last_error: null })
  })

  it('is not onboarded without having begun', async () => {
    const onboarded = { id, guid: guidText(0xa1), newGuid: guidText(0xb1) }
    const work = world.database.commit((tx) => world.devices.onboarded(tx, onboarded))
    await expect(work).rejects.toThrow('never began')
  })

  it('keeps its serial number and group when it is imported anew', async () => {
    await world.devices.addGroup(ADMIN, 'field', [])
    await world.devices.assignGroup(ADMIN, id, 'field')
    const again = await makeVoucher(partsOf(), { header: { guid: guid(0xa3) } })
    await world.desk.import([again.bytes], { id: 'tok_1', party: HOME_PARTY })
    expect(await world.devices.find(id)).toMatchObject({
      guid: guidText(0xa3),
      serial: 'SN-1',
      group_name: 'field',
    })
  })

  it('is found by its serial number', async () => {
    expect(await world.devices.findIdBySerial({ party: HOME_PARTY, serial: 'SN-1' })).toBe(id)
    expect(
      await world.devices.findIdBySerial({ party: HOME_PARTY, serial: 'SN-2' }),
    ).toBeUndefined()
  })

  it('holds the scopes of its group', async () => {
    expect(await world.devices.findScopes(id)).toEqual({
      guid: guidText(0xa1),
      state: 'owned',
      scopes: ['device:whoami'],
    })
    await world.devices.changeGroup(ADMIN, 'default', [])
    expect((await world.devices.findScopes(id))?.scopes).toEqual([])
    expect(await world.devices.findScopes('fdod_nobody')).toBeUndefined()
  })

  it('has none once it is handed over, nor is it registered or onboarded; a voucher brings it back', async () => {
    const sold = { id, guid: guidText(0xa1), to: 'key' }
    await world.database.commit((tx) => world.devices.handedOver(tx, sold))
    expect(await world.devices.findScopes(id)).toBeUndefined()
    for (const move of ['registered', 'onboarding', 'failed'] as const) {
      expect(await world.database.commit((tx) => world.devices.moveDevice(tx, { id, move }))).toBe(
        false,
      )
    }
    const [last] = (await world.devices.history(id)).slice(-1)
    expect(last).toMatchObject({ type: 'handed-over', state: 'handed-over' })
    const { guid, model } = (await world.devices.find(id)) ?? expect.fail()
    const bought = { id, party: HOME_PARTY, guid, model, serial: null }
    await world.database.commit((tx) => world.devices.owned(tx, bought))
    expect(await world.devices.findScopes(id)).toMatchObject({ state: 'owned' })
  })

  it('is counted by its state', async () => {
    await world.make(other)
    const counts = await world.devices.countByState()
    expect(counts).toHaveLength(2)
    for (const state of ['manufactured', 'owned'])
      expect(counts).toContainEqual({ state, count: 1 })
  })
})

describe('/devices', () => {
  it('shows a device by id and by GUID, with its history', async () => {
    world.to0.set(guidText(0xa1), { state: 'failing', lastError: 'refused', expiresAt: null })
    for (const name of [id, guidText(0xa1), 'A1A1A1A1-A1A1-A1A1-A1A1-A1A1A1A1A1A1']) {
      const { json } = await world.call(`/devices/${name}`)
      expect(json).toMatchObject({
        id,
        guid: guidText(0xa1),
        state: 'owned',
        serial: 'SN-1',
        model: 'vector-model-1',
        group: 'default',
        to0: { state: 'failing', last_error: 'refused', expires_at: null },
      })
      expect(json.history).toEqual([
        expect.objectContaining({ type: 'manufactured', detail: { guid: guidText(0xa1) } }),
        expect.objectContaining({ type: 'owned', state: 'owned' }),
      ])
    }
  })

  it('finds a device by the GUID it had before', async () => {
    await move('onboarding')
    const replacement = await makeVoucher(partsOf(), { sales: 0, header: { guid: guid(0xb1) } })
    await world.database.commit((tx) =>
      world.vouchers.replaceAfterTo2(tx, {
        guid: guid(0xa1),
        deviceId: id,
        revision: '1',
        replacement: { guid: guid(0xb1), voucher: replacement.bytes },
      }),
    )
    expect((await world.call(`/devices/${guidText(0xa1)}`)).json.guid).toBe(guidText(0xb1))
  })

  it('knows what it does not know', async () => {
    expect((await world.call(`/devices/${guidText(1)}`)).status).toBe(404)
    expect((await world.call('/devices/fdod_nobody')).status).toBe(404)
  })

  it('registers none at once that is not to be registered, and only for who may', async () => {
    const device = await world.call(`/devices/${id}`)
    expect(device.json.to0).toEqual({
      state: 'none',
      last_error: null,
      expires_at: null,
      servers: [],
    })
    expect(await post(`/devices/${id}/register`, {})).toMatchObject({ status: 409 })
    expect(await post('/devices/fdod_nobody/register', {})).toMatchObject({ status: 404 })
    world.allow('device:read')
    expect(await post(`/devices/${id}/register`, {})).toMatchObject({ status: 403 })
  })

  it('lists devices a page at a time', async () => {
    await world.make(other, 'SN-2')
    const { json } = await world.call('/devices?limit=1')
    expect(json.items).toHaveLength(1)
    expect(json.items[0].to0).toEqual({ state: 'none', last_error: null, expires_at: null })
    const rest = await world.call(`/devices?limit=1&cursor=${json.next}`)
    expect(rest.json).toMatchObject({ items: [{}], next: null })
    expect(rest.json.items[0].id).not.toBe(json.items[0].id)
  })

  it.each([
    ['state=owned', 1],
    ['state=manufactured', 1],
    ['model=other-model', 1],
    ['serial=SN-2', 1],
    ['group=default', 2],
    ['group=field', 0],
  ])('filters by %s', async (query, count) => {
    await world.make(other, 'SN-2')
    expect((await world.call(`/devices?${query}`)).json.items).toHaveLength(count)
  })

  it('puts a device into a group', async () => {
    await post('/groups', { name: 'field', scopes: [] })
    const { json } = await patch(`/devices/${guidText(0xa1)}`, { group: 'field' })
    expect(json).toMatchObject({ id, group: 'field' })
    expect(json.history.at(-1)).toMatchObject({
      type: 'group-assigned',
      state: 'owned',
      detail: { from: 'default', to: 'field' },
    })
    const again = await patch(`/devices/${id}`, { group: 'field' })
    expect(again.json.history).toEqual(json.history)
    expect((await patch(`/devices/${id}`, { group: 'nowhere' })).status).toBe(404)
    expect((await patch('/devices/fdod_nobody', { group: 'field' })).status).toBe(404)
  })
})

describe('/groups', () => {
  it('has the default one, which lets a device ask who it is', async () => {
    const { json } = await world.call('/groups')
    expect(json).toMatchObject({
      items: [{ name: 'default', scopes: ['device:whoami'] }],
      next: null,
    })
    await DeviceService.open(world)
    expect((await world.call('/groups')).json).toEqual(json)
  })

  it('keeps what was changed in the default one across a start', async () => {
    await patch('/groups/default', { scopes: [] })
    await DeviceService.open(world)
    expect((await world.call('/groups/default')).json.scopes).toEqual([])
  })

  it('adds, changes and removes one', async () => {
    const added = await post('/groups', { name: 'field', scopes: ['device:whoami'] })
    expect([added.status, added.json.scopes]).toEqual([201, ['device:whoami']])
    expect((await post('/groups', { name: 'field', scopes: [] })).status).toBe(409)
    expect((await patch('/groups/field', { scopes: [] })).json.scopes).toEqual([])
    expect((await world.call('/groups/field')).json.name).toBe('field')
    expect((await world.call('/groups/field', { method: 'DELETE' })).status).toBe(204)
    expect((await world.call('/groups/field')).status).toBe(404)
    expect((await patch('/groups/field', { scopes: [] })).status).toBe(404)
  })

  it('does not remove one that devices are in, or the default one', async () => {
    await post('/groups', { name: 'field', scopes: [] })
    await patch(`/devices/${id}`, { group: 'field' })
    expect((await world.call('/groups/field', { method: 'DELETE' })).status).toBe(409)
    expect((await world.call('/groups/default', { method: 'DELETE' })).status).toBe(409)
  })

  it.each([
    ['a scope nobody knows', { name: 'field', scopes: ['root'] }],
    ['a name that is no word', { name: 'a b', scopes: [] }],
    ['no scopes', { name: 'field' }],
  ])('refuses %s', async (_, body) => {
    expect((await post('/groups', body)).status).toBe(400)
  })
})

describe('each of them', () => {
  it.each([
    ['GET', '/devices', 'device:write'],
    ['GET', '/devices/x', 'device:write'],
    ['PATCH', '/devices/x', 'device:read'],
    ['GET', '/groups', 'group:write'],
    ['GET', '/groups/default', 'group:write'],
    ['POST', '/groups', 'group:read'],
    ['PATCH', '/groups/default', 'group:read'],
    ['DELETE', '/groups/default', 'group:read'],
  ])('%s %s wants its permission, not %s', async (method, path, scope) => {
    world.allow(scope)
    expect((await world.call(path, { method })).status).toBe(403)
  })
})

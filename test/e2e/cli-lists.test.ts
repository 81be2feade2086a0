/** What scripts rely on: lists narrowed to what they ask for. Every command is a process. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'

let world: CliWorld
let camera: string
let sensor: string
beforeAll(async () => {
  world = await CliWorld.start()
  camera = (await world.madeDevice('L-1', '--model', 'camera')).guid
  sensor = (await world.madeDevice('L-2', '--model', 'sensor')).guid
}, 120_000)
afterAll(() => world.end())

const listed = async (...args: string[]) =>
  (await world.told<{ guid: string }[]>(...args)).map(({ guid }) => guid)

describe('a list', { timeout: 120_000 }, () => {
  it('of devices is narrowed by serial number, model, group and state', async () => {
    expect((await listed('device', 'list')).sort()).toEqual([camera, sensor].sort())
    expect(await listed('device', 'list', '--serial', 'L-1')).toEqual([camera])
    expect(await listed('device', 'list', '--model', 'sensor')).toEqual([sensor])
    await world.told('group', 'add', 'lenses')
    await world.told('group', 'assign', camera, 'lenses')
    expect(await listed('device', 'list', '--group', 'lenses')).toEqual([camera])
    await world.told('device', 'retire', sensor)
    expect(await listed('device', 'list', '--state', 'retired')).toEqual([sensor])
  })

  it('of vouchers is narrowed by serial number, model, origin, state and time', async () => {
    expect(await listed('voucher', 'list', '--serial', 'L-1')).toEqual([camera])
    expect(await listed('voucher', 'list', '--device-info', 'camera')).toEqual([camera])
    expect(await listed('voucher', 'list', '--origin', 'imported')).toEqual([])
    expect(await listed('voucher', 'list', '--state', 'deleted')).toEqual([sensor])
    expect(await listed('voucher', 'list', '--until', '1d')).toEqual([])
    expect(await listed('voucher', 'list', '--since', '1d', '--serial', 'L-1')).toEqual([camera])
  })

  it('of orders is narrowed by state', async () => {
    const order = ['order', 'create', '--quantity', '1', '--expires', '1h', '--name']
    const { id } = await world.told<{ id: string }>(...order, 'PO-1')
    const ids = async (state: string) =>
      (await world.told<{ id: string }[]>('order', 'list', '--state', state)).map((one) => one.id)
    expect(await ids('draft')).toEqual([id])
    expect(await ids('open')).toEqual([])
  })

  it.each([
    ['device', 'list', '--state', 'lost'],
    ['voucher', 'list', '--origin', 'found'],
    ['voucher', 'export', '--state', 'sold', '--out', 'x.pem'],
    ['voucher', 'list', '--since', 'yesterday'],
    ['order', 'list', '--state', 'late'],
  ])('is refused for what there is not: %s %s %s %s', async (...args) => {
    const { status, json } = await world.asked(...args)
    expect({ status, json }).toEqual({ status: 2, json: errorDocument('usage') })
  })
})

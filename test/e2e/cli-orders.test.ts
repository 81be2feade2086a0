/** `firstlight station` and `firstlight order`, as a script of the factory uses them. */
import { readFileSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { PATIENCE_MS } from '../support/service.ts'

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
}, PATIENCE_MS)
afterAll(() => world.end())

interface Told {
  readonly id: string
  readonly di_url: string
}

describe('a factory’s script', { timeout: PATIENCE_MS }, () => {
  it('adds a station, has devices made there to an order, and gets its table', async () => {
    const { id: at, di_url } = await world.told<Told & Record<string, unknown>>(
      ...['station', 'add', '--name', 'line 1', '--secret'],
    )
    const { id } = await world.told<Told & Record<string, unknown>>(
      ...['order', 'create', '--name', 'PO-7', '--quantity', '1', '--station', at],
      ...['--expires', '1h', '--label', '{serial}/{order}'],
    )
    expect(await world.told('order', 'try', id)).toMatchObject({ state: 'draft' })
    expect(await world.told('order', 'open', id)).toMatchObject({ state: 'open' })
    const init = ['device', 'init', '--di', di_url, '--serial', 'S1', '--credential']
    const { guid } = await world.told(...init, world.file('one'))
    expect((await world.asked(...init, world.file('two'))).status).toBe(3)
    expect(await world.told('order', 'devices', id)).toMatchObject([
      { number: 1, guid, serial: 'S1', label: 'S1/PO-7' },
    ])
    const out = world.file('devices.csv')
    expect(await world.told('order', 'devices', id, '--out', out)).toMatchObject({ made: 1, out })
    expect(readFileSync(out, 'utf8').split('\r\n')).toHaveLength(3)
    expect(await world.told('order', 'close', id)).toMatchObject({ state: 'closed', made: 1 })
    expect(await world.told('order', 'show', id)).toMatchObject({ state: 'closed' })
    expect(await world.told('order', 'list')).toMatchObject([{ id }])
    expect(await world.told('station', 'list')).toMatchObject([{ id: at, has_secret: true }])
    expect(await world.told('station', 'remove', at)).toEqual({ id: at, removed: true })
  })

  it('is told by its exit status that the rendezvous is silent', async () => {
    const rendezvous = world.file('rendezvous.json')
    const silent = { ip: '127.0.0.1', dev_port: 1, owner_port: 1, protocol: 'http' }
    writeFileSync(rendezvous, JSON.stringify([silent]))
    const { id } = await world.told<Told & Record<string, unknown>>(
      ...['order', 'create', '--name', 'PO-8', '--quantity', '1', '--rendezvous', rendezvous],
    )
    const refused = await world.asked('order', 'open', id)
    expect(refused).toMatchObject({ status: 5, json: errorDocument('check-failed') })
    expect((await world.asked('order', 'try', id)).status).toBe(5)
    expect(await world.told('order', 'open', id, '--force')).toMatchObject({ state: 'open' })
    await world.told('order', 'close', id)
    expect((await world.asked('order', 'delete', id)).status).toBe(3)
  })

  it('is told what is wrong with its files', async () => {
    const file = world.file('not.json')
    writeFileSync(file, '{')
    const order = ['order', 'create', '--name', 'x', '--quantity', '1']
    expect((await world.asked(...order, '--rules', file)).status).toBe(2)
    expect((await world.asked(...order, '--first-owner', world.file('none'))).status).toBe(1)
    expect((await world.asked('order', 'devices', 'x', '--after', 'y')).status).toBe(2)
  })
})

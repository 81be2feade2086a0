/** The database is away when a message comes: nothing is wrong with the message, nor with the run. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { messageOf } from '../../../../protocol/message.ts'
import { DatabaseUnavailable } from '../../../../src/database/unavailable.ts'
import { ServiceBusy, inProcess } from '../../../../src/fdo/client.ts'
import { FdoHttp } from '../../../../src/fdo/http.ts'
import { TooManyMessages } from '../../../../src/fdo/put-off.ts'
import { createLog } from '../../../../src/log.ts'
import { Load } from '../../../../src/load.ts'
import {
  type ExchangeWorld,
  errorOf,
  exchangeWorld,
  hexOf,
} from '../../../support/exchange-world.ts'
import { call, listening } from '../../../support/listening.ts'
import { Hello, Next, Prove, Round, mountToy } from '../../../support/toy-role.ts'

let world: ExchangeWorld
let lines: string[]
beforeEach(async () => {
  lines = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  world = await exchangeWorld({ log })
})
afterEach(async () => {
  vi.restoreAllMocks()
  await world.close()
})

const away = () => new DatabaseUnavailable({ cause: new Error('ECONNREFUSED') })

/** A run that has a row; gives its token. */
async function proven(): Promise<string> {
  const hello = await world.send(Hello, 1)
  const next = await world.send(Next, 2, hello.authorization)
  return (await world.send(Prove, 3, next.authorization)).authorization ?? ''
}

/** Pauses are over at once; what was slept. */
const hurried = () => vi.spyOn(world.clock, 'sleep').mockResolvedValue()

describe('a message', () => {
  it('that goes on waits for the database, and its sender notices nothing', async () => {
    const token = await proven()
    const commit = vi.spyOn(world.database, 'commit')
    for (let i = 0; i < 5; i++) commit.mockRejectedValueOnce(away())
    const sleep = hurried()
    expect(errorOf(await world.send(Round, 1, token))).toBeUndefined()
    expect(commit).toHaveBeenCalledTimes(6)
    expect(sleep.mock.calls.map(([ms]) => ms)).toEqual(Array(5).fill(1_000))
    expect(lines.filter((line) => line.includes('put off'))).toEqual([])
  })

  it('that could not be committed by then is taken when it comes again, and the run goes on', async () => {
    const token = await proven()
    const commit = vi.spyOn(world.database, 'commit').mockRejectedValue(away())
    hurried()
    await expect(world.send(Round, 1, token)).rejects.toThrow(DatabaseUnavailable)
    // Nor was it tried to write that the run has ended.
    expect(commit).toHaveBeenCalledTimes(6)
    commit.mockRestore()
    expect(errorOf(await world.send(Round, 1, token))).toBeUndefined()
    expect(lines.filter((line) => line.includes('FDO message put off'))).toHaveLength(1)
  })

  it('whose commit came to pass unnoticed gets the answer it would have had', async () => {
    const token = await proven()
    const real = world.database.commit
    vi.spyOn(world.database, 'commit').mockImplementationOnce(async (...given) => {
      await real(...given)
      throw away()
    })
    hurried()
    const answer = await world.send(Round, 1, token)
    expect(hexOf(await world.send(Round, 1, token))).toBe(hexOf(answer))
    const rows = await world.database.db.selectFrom('session').select('version').execute()
    expect(rows).toEqual([{ version: 2 }])
  })

  it('that begins a run is put off at once: nothing is lost with it', async () => {
    const take = vi.fn().mockRejectedValue(away())
    const roles = [{ ...mountToy({ randomBytes }), answer: take }]
    const { exchange } = await world.restart({ roles })
    const busy = inProcess(exchange)(messageOf(Hello, { value: 1 }), undefined)
    await expect(busy).rejects.toThrow(ServiceBusy)
    expect(take).toHaveBeenCalledTimes(1)
  })

  it('is not waited with by a service that is told to stop', async () => {
    const token = await proven()
    const commit = vi.spyOn(world.database, 'commit').mockRejectedValue(away())
    const sent = world.send(Round, 1, token)
    await expect.poll(() => commit.mock.calls.length).toBeGreaterThan(0)
    world.exchange.release()
    await expect(sent).rejects.toThrow(DatabaseUnavailable)
    commit.mockClear()
    await expect(world.send(Round, 1, token)).rejects.toThrow(DatabaseUnavailable)
    // Each try may itself wait for seconds.
    expect(commit).toHaveBeenCalledTimes(1)
  })
})

describe('one of more messages than can be dealt with', () => {
  it('is put off, and its run goes on', async () => {
    const token = await proven()
    const flood = Array.from({ length: 1_000 }, () => world.send(Hello, 1))
    expect(world.exchange.underWay).toBe(1_000)
    await expect(world.send(Round, 1, token)).rejects.toThrow(TooManyMessages)
    const busy = inProcess(world.exchange)(messageOf(Round, { value: 1 }), token)
    await expect(busy).rejects.toThrow(ServiceBusy)
    await Promise.all(flood)
    expect(errorOf(await world.send(Round, 1, token))).toBeUndefined()
    expect(world.exchange.underWay).toBe(0)
  })
})

describe('its sender', () => {
  it('is told by HTTP to come again, and not that it is refused', async () => {
    const token = await proven()
    const { exchange } = world
    const services = { exchange, load: new Load(), trustedProxies: { addresses: [] } }
    const fdo = new FdoHttp(services)
    const server = await listening({ fetch: () => new Response() } as never, fdo)
    const { number, bytes } = messageOf(Round, { value: 1 })
    const send = () =>
      call(`${server.url}/fdo/101/msg/${number}`, 'POST', { authorization: token }, bytes)
    const commit = vi.spyOn(world.database, 'commit').mockRejectedValue(away())
    hurried()
    const put = await send()
    expect([put.status, put.body.length]).toEqual([503, 0])
    expect(Number(put.headers['retry-after'])).toBeGreaterThan(0)
    commit.mockRestore()
    expect((await send()).status).toBe(200)
    await server.close()
  })

  it('is told the same where it is a part of this process', async () => {
    const token = await proven()
    const send = inProcess(world.exchange)
    vi.spyOn(world.database, 'commit').mockRejectedValue(away())
    hurried()
    await expect(send(messageOf(Round, { value: 1 }), token)).rejects.toThrow(ServiceBusy)
  })
})

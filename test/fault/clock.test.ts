/** The machine's clock is put right, or wrong, in the middle of a run. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Clock, realClock } from '../../src/clock.ts'
import {
  type Fault,
  type FaultyDevices,
  type Listed,
  NO_FAULT,
  devicesAt,
  expectOneOnboarding,
} from '../support/faulty-world.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const SUITE = { kex: 'ECDH256', cipher: 1 } as const
const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** Goes as fast as any other, and may be wrong. */
class SteppedClock implements Clock {
  offMs = 0

  now(): Date {
    return new Date(Date.now() + this.offMs)
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return realClock.sleep(ms, signal)
  }
}

let clock: SteppedClock
let world: TestService
let server: Listed
let devices: FaultyDevices
beforeEach(async () => {
  clock = new SteppedClock()
  world = await startTestService({}, { clock })
  server = {
    url: world.service.http ?? '',
    async list<T>(path: string) {
      const { json } = await world.api('GET', `/api/v1${path}`)
      return (json as { items: T[] }).items
    },
  }
  devices = devicesAt(server)
}, PATIENCE_MS)
afterEach(() => world.remove(), PATIENCE_MS)

describe.each([
  ['forward by an hour', HOUR_MS],
  ['forward by two days', 2 * DAY_MS],
  ['back by an hour', -HOUR_MS],
  ['back by two days', -2 * DAY_MS],
])('a clock that is put %s', { timeout: PATIENCE_MS }, (_, stepMs) => {
  it('at any message of TO1 and TO2 costs a device another try at most', async () => {
    for (const number of [30, 32, 60, 62, 64, 66, 68, 70]) {
      clock.offMs = 0
      const device = await devices.make(NO_FAULT)
      const stepped: Fault = async (send, message) => {
        if (message.number === number) clock.offMs = stepMs
        return await send()
      }
      let through = false
      await devices.powerUp(device, SUITE, stepped).then(
        () => (through = true),
        () => undefined,
      )
      if (!through) await devices.powerUp(device, SUITE, NO_FAULT)
      await expectOneOnboarding(server, device.credential.guid)
    }
  })

  it('between DI and the first power-up costs nothing', async () => {
    const device = await devices.make(NO_FAULT)
    clock.offMs = stepMs
    await devices.powerUp(device, SUITE, NO_FAULT)
    await expectOneOnboarding(server, device.credential.guid)
    // And after it was put right again, the next one.
    clock.offMs = 0
    const next = await devices.throughAll(SUITE, NO_FAULT)
    await expectOneOnboarding(server, next.credential.guid)
    expect(await server.list('/devices')).toHaveLength(2)
  })
})

/** The whole service is killed between any two messages: the device goes on, with the same token. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import {
  BEGINNINGS,
  type Fault,
  type FaultyWorld,
  expectOneOnboarding,
  faultyWorld,
} from '../support/faulty-world.ts'

/** A start of the service for every message, on a machine that may be busy. */
const PATIENCE_MS = 240_000

let world: FaultyWorld
beforeEach(async () => {
  world = await faultyWorld()
}, PATIENCE_MS)
afterEach(() => world.end())

async function crash(): Promise<void> {
  await world.server.kill()
  await world.server.start()
}

async function expectAllWell(guid: Uint8Array) {
  expect(new Set(world.sent)).toEqual(new Set([10, 12, 30, 32, 60, 62, 64, 66, 68, 70]))
  await expectOneOnboarding(world.server, guid)
  expect(await world.server.list('/devices')).toHaveLength(1)
}

describe('a service that is killed', { timeout: PATIENCE_MS }, () => {
  it('after every reply goes on from there', async () => {
    const device = await world.throughAll({ kex: 'ECDH256', cipher: 1 }, async (send) => {
      const answer = await send()
      await crash()
      return answer
    })
    await expectAllWell(device.credential.guid)
  })

  it('before any reply arrives gives that reply when the message is repeated', async () => {
    const device = await world.throughAll({ kex: 'ECDH256', cipher: 32 }, async (send, message) => {
      const lost = await send()
      await crash()
      const answer = await send()
      expect(answer.message.number).not.toBe(ERROR_MESSAGE)
      if (!BEGINNINGS.includes(message.number)) expect(answer.message).toEqual(lost.message)
      return answer
    })
    await expectAllWell(device.credential.guid)
  })

  it('while it is at work has done it all, or nothing', async () => {
    const killedAtWork: Fault = async (send) => {
      const atWork = send().catch(() => undefined)
      await crash()
      await atWork
      return await send()
    }
    const device = await world.throughAll({ kex: 'ECDH256', cipher: 1 }, killedAtWork)
    await expectAllWell(device.credential.guid)
  })
})

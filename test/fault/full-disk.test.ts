/** The disk is full in the middle of anything: nothing is half done, and it goes on by itself after. */
import { randomBytes } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { FleetDevice } from '../../src/fleet/device.ts'
import {
  type Fault,
  type FaultyWorld,
  NO_FAULT,
  expectOneOnboarding,
  faultyWorld,
} from '../support/faulty-world.ts'
import { dropKept, isOnPostgres } from '../support/database.ts'
import { MAY_MOUNT, SmallDisk } from '../support/small-disk.ts'

const PATIENCE_MS = 240_000
const SUITE = { kex: 'ECDH256', cipher: 1 } as const

describe.runIf(MAY_MOUNT)('a service whose disk is full', { timeout: PATIENCE_MS }, () => {
  let disk: SmallDisk
  let world: FaultyWorld

  beforeAll(async () => {
    disk = new SmallDisk(24 << 20)
    await disk.takeDatabase()
    world = await faultyWorld(disk.folder)
  }, PATIENCE_MS)
  afterAll(async () => {
    await world.end()
    await dropKept()
    disk.remove()
  })

  /** At that message, and until it is answered. */
  const fullAt =
    (number: number): Fault =>
    async (send, message) => {
      if (message.number !== number) return await send()
      disk.fill()
      try {
        return await send()
      } finally {
        disk.free()
      }
    }

  /** As a device does that was refused: it starts again. */
  async function insistently(work: () => Promise<unknown>): Promise<void> {
    await work().catch(() => undefined)
  }

  it.each([10, 12])('at message %i of DI has made that device, or none', async (number) => {
    const before = (await world.server.list('/devices')).length
    let device: FleetDevice | undefined
    await insistently(async () => (device = await world.make(fullAt(number))))
    device ??= await world.make(NO_FAULT)
    expect(await world.server.list('/devices')).toHaveLength(before + 1)
    await world.powerUp(device, SUITE, NO_FAULT)
    await expectOneOnboarding(world.server, device.credential.guid)
  })

  it.each([30, 32, 60, 62, 64, 66, 68, 70])(
    'at message %i lets the device through when it comes again',
    async (number) => {
      const device = await world.make(NO_FAULT)
      const { guid } = device.credential
      let through = false
      await insistently(async () => {
        await world.powerUp(device, SUITE, fullAt(number))
        through = true
      })
      if (!through) await world.powerUp(device, SUITE, NO_FAULT)
      await expectOneOnboarding(world.server, guid)
    },
  )

  it('says so to who manages it, and answers what needs no room', async () => {
    const noise = () => randomBytes(3_000).toString('base64')
    const steps = Array.from({ length: 16 }, () => ({
      type: 'command',
      command: 'id',
      args: [noise()],
    }))
    const content = { text: noise() }
    disk.fill()
    try {
      // More than pages have room for that are there already.
      const refused = world.server.put('/plans/more', { steps })
      await expect(refused).rejects.toThrow(/503 .*the disk of the database is full/)
      const files = [{ type: 'file', path: 'more.txt', content }]
      const brought = world.server.put('/plans/more', { steps: files })
      await expect(brought).rejects.toThrow(/503 .*the disk of the data folder is full/)
      const kept = isOnPostgres ? join('cache', 'contents') : 'contents'
      expect(readdirSync(join(disk.folder, kept))).toEqual([])
      expect(await world.server.list('/devices')).not.toHaveLength(0)
    } finally {
      disk.free()
    }
    await world.server.put('/plans/more', { steps })
  })
})

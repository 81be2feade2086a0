/** Replies that never arrive: the message is sent again, and nothing happens twice. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { FdoTransport } from '../../protocol/converse.ts'
import { readCredentialFile } from '../../src/simulator/credential-file.ts'
import { manufactureDevice } from '../../src/simulator/manufacture.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'
import {
  BEGINNINGS,
  type Fault,
  type FaultyWorld,
  NO_FAULT,
  expectOneOnboarding,
  faultyWorld,
} from '../support/faulty-world.ts'

let world: FaultyWorld
beforeAll(async () => {
  world = await faultyWorld()
})
afterAll(() => world.end())

class Lost extends Error {}

/** Nothing that is sent from this message on is answered, however often. */
function silentFrom(number: number): Fault {
  return async (send, message) => {
    const answer = await send()
    if (message.number === number) throw new Lost()
    return answer
  }
}

const P256 = { kex: 'ECDH256', cipher: 1 }

describe('a reply that is lost', () => {
  it.each([1, 3, 32, 33])(
    'is had again by the same message, byte for byte, with cipher suite %i',
    async (cipher) => {
      const repeated: number[] = []
      const lostOnce: Fault = async (send, { number }) => {
        const lost = await send()
        const answer = await send()
        expect(answer.message.number).not.toBe(ERROR_MESSAGE)
        if (BEGINNINGS.includes(number)) return answer
        expect(answer.message).toEqual(lost.message)
        repeated.push(number)
        return answer
      }
      const { credential } = await world.throughAll({ kex: 'ECDH256', cipher }, lostOnce)
      expect(new Set(repeated)).toEqual(new Set([12, 32, 62, 64, 66, 68, 70]))
      await expectOneOnboarding(world.server, credential.guid)
    },
  )

  it('if it was the 71, lets the device come back with the GUID it had', async () => {
    const device = await world.make(NO_FAULT)
    await expect(world.powerUp(device, P256, silentFrom(70))).rejects.toThrow(Lost)
    await expectOneOnboarding(world.server, device.credential.guid)
    await world.powerUp(device, P256, NO_FAULT)
    await expectOneOnboarding(world.server, device.credential.guid)
  })

  it.each([64, 66, 68])('for good, to message %i, lets the device begin anew', async (number) => {
    const device = await world.make(NO_FAULT)
    await expect(world.powerUp(device, P256, silentFrom(number))).rejects.toThrow(Lost)
    await world.powerUp(device, P256, NO_FAULT)
    await expectOneOnboarding(world.server, device.credential.guid)
  })

  it('if it was the 13, lets the device be made again, and supersedes its voucher', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-lost-'))
    const toService = fdoTransport(world.server.url)
    const silent: FdoTransport = async (message, authorization) => {
      const answer = await toService(message, authorization)
      if (message.number === 12) throw new Lost()
      return answer
    }
    const credentialPath = join(folder, 'credential')
    const options = {
      credentialPath,
      key: 'p256',
      ownerKey: 'p256',
      encoding: 'x509',
      serial: 'lost-13',
      model: 'faulty',
    } as const
    try {
      await expect(manufactureDevice({ ...options, transport: silent })).rejects.toThrow(Lost)
      const guid = await manufactureDevice({ ...options, transport: toService })
      const made = readCredentialFile(credentialPath)?.credential
      expect(made && toHex(made.guid)).toBe(guid)

      const found = await world.server.list<{ id: string; guid: string }>('/devices?serial=lost-13')
      expect(found).toMatchObject([{ guid }])
      const path = `/vouchers?device_id=${found[0]?.id}`
      const vouchers = await world.server.list<{ guid: string; state: string }>(path)
      expect(vouchers.map(({ state }) => state).sort()).toEqual(['held', 'superseded'])
      expect(vouchers.find(({ state }) => state === 'held')?.guid).toBe(guid)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

/** A device, message by message, and a service that dies or is not heard. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { Answer, FdoTransport } from '../../protocol/converse.ts'
import type { Message } from '../../protocol/message.ts'
import { httpTransport } from '../../src/fdo/client.ts'
import {
  type FleetDevice,
  makeFleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from '../../src/fleet/device.ts'
import { patiently } from '../../src/fleet/patience.ts'
import type { Suite } from '../../src/simulator/keys.ts'
import { ServeProcess, freePort, until } from './programs.ts'

/** What happens to a message on its way: `send` brings it there, and may be called again. */
export type Fault = (send: () => Promise<Answer>, message: Message) => Promise<Answer>

/** A service, wherever it runs. */
export type Listed = Pick<ServeProcess, 'url' | 'list'>

export interface FaultyDevices {
  /** DI, the owner's registration, TO1 and TO2. */
  throughAll(suite: Suite, fault: Fault): Promise<FleetDevice>
  make(fault: Fault, ownerKey?: KeyKind): Promise<FleetDevice>
  powerUp(device: FleetDevice, suite: Suite, fault: Fault): Promise<void>
  /** Messages that got through a fault, in the order they were sent. */
  readonly sent: readonly number[]
}

export interface FaultyWorld extends FaultyDevices {
  readonly server: ServeProcess
  end(): Promise<void>
}

/** `data`, if given, is a folder that its maker removes. */
export async function faultyWorld(data?: string): Promise<FaultyWorld> {
  const folder = data ?? mkdtempSync(join(tmpdir(), 'firstlight-fault-'))
  const server = new ServeProcess(folder, await freePort())
  await server.start()
  return {
    server,
    ...devicesAt(server),
    async end() {
      await server.kill()
      if (data === undefined) rmSync(folder, { recursive: true })
    },
  }
}

export function devicesAt(server: Listed): FaultyDevices {
  const sent: number[] = []
  let made = 0

  const transportWith =
    (fault: Fault): FdoTransport =>
    async (message, authorization) => {
      const answer = await fault(() => deliver(server.url, message, authorization), message)
      sent.push(message.number)
      return answer
    }
  const make = async (fault: Fault, ownerKey?: KeyKind) => {
    const device = await makeFleetDevice(`faulty-${made++}`, transportWith(fault), ownerKey)
    const guid = toHex(device.credential.guid)
    await until('registered', async () => {
      const devices = await server.list<{ guid: string; state: string }>('/devices')
      return devices.some((one) => one.guid === guid && one.state === 'registered')
    })
    return device
  }
  const powerUp = async (device: FleetDevice, suite: Suite, fault: Fault) => {
    const transport = transportWith(fault)
    const surroundings = {
      transportTo: () => transport,
      now: () => new Date(),
      sleep: () => Promise.resolve(),
      note: () => {},
    }
    const redirect = await redirectFleetDevice(device, surroundings)
    await onboardFleetDevice(device, redirect, suite, surroundings)
  }
  return {
    sent,
    make,
    powerUp,
    async throughAll(suite, fault) {
      const device = await make(fault)
      await powerUp(device, suite, fault)
      return device
    },
  }
}

/** On a connection of its own: the service may be another process by the next message. */
async function deliver(url: string, message: Message, authorization: string | undefined) {
  const { send, close } = httpTransport(url)
  try {
    return await send(message, authorization)
  } finally {
    close()
  }
}

/** Who is put off by a busy service comes again, though sooner than told. */
export const NO_FAULT: Fault = (send) => patiently(send, { pause: (ms) => sleep(ms / 10) })

/** Those that begin a run: repeated, they begin another. */
export const BEGINNINGS: readonly number[] = [10, 30, 60]

/** One device, one certificate that is good, one voucher that can be served. */
export async function expectOneOnboarding(server: Listed, guid: Uint8Array): Promise<void> {
  const devices = await server.list<{ id: string; guid: string; state: string }>(
    '/devices?limit=500',
  )
  const vouchers = (which: string) =>
    server.list<{ guid: string; state: string; device_id: string }>(`/vouchers?${which}`)
  const replaced = await vouchers('state=replaced&limit=500')
  const mine = replaced.find((one) => one.guid === toHex(guid))
  expect(mine).toMatchObject({ state: 'replaced' })
  const all = await vouchers(`device_id=${mine?.device_id}`)
  const held = all.filter(({ state }) => state === 'held')
  expect(held).toHaveLength(1)
  const device = devices.filter(({ id }) => id === mine?.device_id)
  expect(device).toMatchObject([{ state: 'onboarded', guid: held[0]?.guid }])
  const path = `/certificates?device_id=${mine?.device_id}&status=`
  expect(await server.list(`${path}active`)).toHaveLength(1)
  expect(await server.list(`${path}pending`)).toHaveLength(0)
}

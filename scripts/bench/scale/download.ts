/** A large file that a device is sent in TO2, over fdo.download. */
import { randomBytes } from 'node:crypto'
import { suiteOf } from '../../../src/cli/commands/fleet.ts'
import {
  makeFleetDevice,
  onboardFleetDevice,
  redirectFleetDevice,
} from '../../../src/fleet/device.ts'
import { fleetSurroundings } from '../../../src/fleet/run.ts'
import { fdoTransport } from '../../../src/simulator/transport.ts'
import { costOf } from './comparison.ts'
import type { Site } from './site.ts'

export interface Download {
  readonly megabytes: number
  readonly perSecond: number
  /** Processor time of the service for each MB, and of PostgreSQL. */
  readonly cpuMs: number
  readonly databaseMs: number
}

const MB = 1_000_000

/** The device is in this process. */
export async function download({ service, meter }: Site, megabytes: number): Promise<Download> {
  const { api, url } = service
  const sent = {
    method: 'POST',
    body: randomBytes(megabytes * MB),
    contentType: 'application/octet-stream',
  }
  const { body } = await api.send('/api/v1/plan-contents', sent)
  const { ref } = JSON.parse(body.toString()) as { ref: string }
  const steps = [{ type: 'file', path: 'firmware.bin', content: { ref }, required: true }]
  await api.json('/api/v1/plans', { method: 'POST', json: { name: 'default', steps } })
  const registered = await service.registered(0)
  const device = await makeFleetDevice(`D-${Date.now().toString(36)}`, fdoTransport(url))
  await service.registered(registered + 1)
  const surroundings = fleetSurroundings()
  const redirect = await redirectFleetDevice(device, surroundings)
  const { wallMs, cpuMs, databaseMs } = await costOf(meter, 1, () =>
    onboardFleetDevice(device, redirect, suiteOf('ECDH256/1'), surroundings),
  )
  await api.send('/api/v1/plans/default', { method: 'DELETE' })
  return {
    megabytes,
    perSecond: megabytes / (wallMs / 1000),
    cpuMs: cpuMs / megabytes,
    databaseMs: databaseMs / megabytes,
  }
}

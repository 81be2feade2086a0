/** Thousands of devices that are powered up at once at one service. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { percentile } from '../../../src/fleet/report.ts'
import { forgetPeak, mostOpenFiles, peakRssMb } from '../process.ts'
import type { OwnService } from '../service.ts'
import type { CrowdOrder, CrowdResult } from './crowd.ts'
import type { Site } from './site.ts'

export interface PowerUp {
  readonly devices: number
  readonly connections: number
  readonly lost: Readonly<Record<string, number>>
  /** By the service's own count. */
  readonly onboarded: number
  readonly seconds: { readonly half: number; readonly last: number }
  readonly putOff: number
  readonly putOffWithin: number
  readonly again: Readonly<Record<string, number>>
  readonly lateMs: number
  readonly peakMb: number
}

/** Of files and sockets that a process has besides. */
const OTHER_FILES = 200

export async function powerUpAll({ service }: Site, count: number): Promise<PowerUp> {
  const connections = Math.min(count, mostOpenFiles() - OTHER_FILES)
  const crowd = fork(join(import.meta.dirname, 'crowd.js'))
  try {
    const registered = await service.registered(0)
    await carryOut(crowd, { make: { di: service.url, count } })
    await service.registered(registered + count)
    const before = await onboarded(service)
    forgetPeak(service.pid)
    const result = await carryOut(crowd, { powerUp: { connections } })
    const { through, ...told } = result as CrowdResult
    return {
      ...{ devices: count, connections, ...told },
      onboarded: (await onboarded(service)) - before,
      seconds: { half: percentile(through, 50) / 1000, last: (through.at(-1) ?? 0) / 1000 },
      peakMb: peakRssMb([service.pid]),
    }
  } finally {
    if (crowd.connected) crowd.disconnect()
  }
}

function carryOut(crowd: ChildProcess, order: CrowdOrder): Promise<CrowdResult | null> {
  return new Promise((resolve, reject) => {
    const died = () => reject(new Error('the devices ended'))
    crowd.once('exit', died)
    crowd.once('message', (result: CrowdResult | null) => {
      crowd.off('exit', died)
      resolve(result)
    })
    crowd.send(order)
  })
}

async function onboarded({ api }: OwnService): Promise<number> {
  const { body } = await api.send('/metrics', { accept: 'text/plain' })
  const [, count] =
    /^firstlight_events_total\{event="device-onboarded"\} (\d+)$/m.exec(body.toString()) ?? []
  return Number(count ?? 0)
}

/** How far devices are with TO2: /api/v1/devices/…/progress and /api/v1/onboardings, once or as events. */
import { z } from '@hono/zod-openapi'
import type { DeviceService } from '../../devices/service.ts'
import { EVENT_STREAM } from '../../http/body.ts'
import {
  File,
  PageQuery,
  type Route,
  pageFrom,
  pageOf,
  positionOf,
  route,
} from '../../http/route.ts'
import { requireDevice } from '../named-device.ts'
import type { EventStreams } from './event-streams.ts'
import type { Progress } from './service.ts'
import { ProgressView, progressView } from './view.ts'

export interface ProgressRoutesServices {
  readonly devices: DeviceService
  readonly progress: Progress
  readonly streams: EventStreams
}

export function progressRoutes({
  devices,
  progress,
  streams,
}: ProgressRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/devices/{device}/progress',
      summary: 'How far a device is with TO2, step by step; as events, whenever that changes',
      permission: 'device:read',
      params: z.object({ device: z.string().max(64) }),
      result: ProgressView,
      file: [EVENT_STREAM],
      async handle({ params: { device: name }, accept, principal }) {
        const device = await requireDevice(devices, principal.party, name)
        if (!wantsEvents(accept)) return progressView(await progress.of(device))
        const look = progress.lookAt(device.id, progressView)
        return new File(EVENT_STREAM, streams.open(principal, look))
      },
    }),
    route({
      method: 'get',
      path: '/onboardings',
      summary: 'The devices that are being onboarded; as events, what happens to all devices',
      permission: 'device:read',
      query: PageQuery,
      result: pageOf(ProgressView),
      file: [EVENT_STREAM],
      async handle({ query: { limit, cursor }, accept, lastEventId, principal }) {
        const { party } = principal
        if (wantsEvents(accept)) {
          const look = await progress.lookAtAll(party, numberOf(lastEventId))
          return new File(EVENT_STREAM, streams.open(principal, look))
        }
        const rows = await progress.running(party, limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ device }) => device.id, progressView)
      },
    }),
  ]
}

function wantsEvents(accept: string): boolean {
  return accept.includes(EVENT_STREAM)
}

/** What is no number of ours is as good as none: the stream begins now. */
function numberOf(id: string | undefined): number | undefined {
  return id !== undefined && /^\d{1,15}$/.test(id) ? Number(id) : undefined
}

/** /api/v1/devices/…/dry-run */
import { z } from '@hono/zod-openapi'
import { Problem } from '../../http/problem.ts'
import { type Route, route } from '../../http/route.ts'
import type { PlanChoiceServices } from '../choice.ts'
import { requireDevice } from '../named-device.ts'
import { dryRun } from './run.ts'
import { DryRunBody, DryRunView } from './view.ts'

export function dryRunRoute(services: PlanChoiceServices): Route {
  return route({
    method: 'post',
    path: '/devices/{device}/dry-run',
    summary: 'What a device would be sent, and why, without a TO2',
    permission: 'plan:read',
    params: z.object({ device: z.string().max(64) }),
    body: DryRunBody,
    result: DryRunView,
    async handle({ params: { device: name }, body, principal }) {
      const { party, permissions } = principal
      const { devices } = services
      const device = await requireDevice(devices, party, name)
      if (!permissions.has('device:read')) {
        throw new Problem('not-permitted', 'this token lacks the permission device:read')
      }
      return dryRun(services, { device, ...body })
    },
  })
}

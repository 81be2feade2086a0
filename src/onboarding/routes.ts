/** What plans send, and what devices have sent; /api/v1/plans is in plans/routes.ts. */
import { z } from '@hono/zod-openapi'
import { Problem } from '../http/problem.ts'
import { File, PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { PlanChoiceServices } from './choice.ts'
import { type ContentRoutesServices, contentRoutes } from './contents/routes.ts'
import { dryRunRoute } from './dry-run/routes.ts'
import { requireDevice } from './named-device.ts'
import { type PlanRoutesServices, planRoutes } from './plans/routes.ts'
import { type ProgressRoutesServices, progressRoutes } from './progress/routes.ts'
import { type UploadRow, findUpload, listUploads } from './store.ts'
import type { Uploads } from './uploads.ts'

export interface OnboardingRoutesServices
  extends PlanRoutesServices, PlanChoiceServices, ProgressRoutesServices, ContentRoutesServices {
  readonly uploads: Uploads
}

const UploadView = z
  .object({
    id: z.number().int(),
    device_id: z.string(),
    name: z.string(),
    length: z.number().int(),
    created_at: z.string(),
  })
  .openapi('Upload')

export function onboardingRoutes(services: OnboardingRoutesServices): readonly Route[] {
  return [
    ...planRoutes(services),
    dryRunRoute(services),
    ...progressRoutes(services),
    ...contentRoutes(services),
    ...uploadRoutes(services),
  ]
}

function uploadRoutes({ database, devices, uploads }: OnboardingRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/devices/{device}/uploads',
      summary: 'The files a device has sent when it was onboarded',
      permission: 'device:read',
      params: z.object({ device: z.string().max(64) }),
      query: PageQuery,
      result: pageOf(UploadView),
      async handle({ params: { device: id }, query: { limit, cursor }, principal: { party } }) {
        const { id: deviceId } = await requireDevice(devices, party, id)
        const after = positionOf(cursor)
        const rows = await listUploads(database.db, {
          deviceId,
          limit: limit + 1,
          ...(after !== undefined && { after: Number(after) }),
        })
        return pageFrom(rows, limit, (row) => String(row.id), uploadView)
      },
    }),
    route({
      method: 'get',
      path: '/uploads/{id}',
      summary: 'A file that a device has sent',
      permission: 'device:read',
      params: z.object({ id: z.coerce.number().int().min(1) }),
      file: ['application/octet-stream'],
      async handle({ params: { id }, principal: { party } }) {
        const row = await findUpload.first(database.db, { id })
        if (!row || !(await devices.findOf(party, row.device_id)))
          throw new Problem('not-found', `there is no upload ${id}`)
        const { device_id: deviceId, run_id: runId, name } = row
        const content = await uploads.stream({ deviceId, runId, name })
        return new File('application/octet-stream', content, `upload-${id}`)
      },
    }),
  ]
}

function uploadView({ id, device_id, name, length, created_at }: UploadRow) {
  return { id, device_id, name, length, created_at }
}

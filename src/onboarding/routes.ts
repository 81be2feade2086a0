/** What plans send, and what devices have sent; /api/v1/plans is in plans/routes.ts. */
import { z } from '@hono/zod-openapi'
import { Problem } from '../http/problem.ts'
import { File, PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { PlanChoiceServices } from './choice.ts'
import type { Content } from './content.ts'
import { dryRunRoute } from './dry-run/routes.ts'
import { requireDevice } from './named-device.ts'
import { type PlanRoutesServices, planRoutes } from './plans/routes.ts'
import { type ProgressRoutesServices, progressRoutes } from './progress/routes.ts'
import { Sha384 } from './plans/view.ts'
import { type UploadRow, findUpload, listUploads } from './store.ts'
import type { UploadFiles } from './uploads.ts'

export interface OnboardingRoutesServices
  extends PlanRoutesServices, PlanChoiceServices, ProgressRoutesServices {
  readonly uploads: UploadFiles
}

const MOST_CONTENT_BYTES = 256 << 20
const ContentView = z.object({ ref: z.string(), length: z.number().int() }).openapi('Content')

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

function contentRoutes({ contents, plans }: OnboardingRoutesServices): readonly Route[] {
  const params = z.object({ ref: Sha384 })
  return [
    route({
      method: 'get',
      path: '/plan-contents',
      summary: 'What has been brought here for plans to send',
      permission: 'plan:read',
      query: PageQuery,
      result: pageOf(ContentView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const after = positionOf(cursor) ?? ''
        const all = await contents.list(party)
        const page = all.filter((one) => one > after).slice(0, limit + 1)
        const found = await Promise.all(page.map((one) => contents.find(party, one)))
        const rows = found.filter((content) => content !== undefined)
        return pageFrom(rows, limit, ({ sha384 }) => sha384, contentView)
      },
    }),
    route({
      method: 'post',
      path: '/plan-contents',
      summary: 'Bring a file for plans to send; it is called by its SHA-384',
      permission: 'plan:write',
      stream: { types: ['application/octet-stream'], atMost: MOST_CONTENT_BYTES },
      result: ContentView,
      status: 201,
      handle: async ({ stream, principal: { party } }) =>
        contentView(await contents.take(party, stream)),
    }),
    route({
      method: 'delete',
      path: '/plan-contents/{ref}',
      summary: 'Remove a file that no plan sends',
      permission: 'plan:write',
      params,
      async handle({ params: { ref }, principal: { party } }) {
        if (await plans.isInUse(party, ref))
          throw new Problem('conflict', 'a plan sends this content')
        if (!(await contents.remove(party, ref))) throw new Problem('not-found', 'no such content')
      },
    }),
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

function contentView({ sha384: ref, length }: Content) {
  return { ref, length }
}

function uploadView({ id, device_id, name, length, created_at }: UploadRow) {
  return { id, device_id, name, length, created_at }
}

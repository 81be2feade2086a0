/** /api/v1/plans, and what devices have sent: changed while devices come in. */
import { z } from '@hono/zod-openapi'
import { isInnerPath } from '../../protocol/service-info/path.ts'
import type { Database } from '../database/open.ts'
import type { DeviceService } from '../devices/service.ts'
import { Problem } from '../http/problem.ts'
import { File, PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import { type ContentRoutesServices, Sha384, contentRoutes } from './contents/routes.ts'
import type { Plan, Plans } from './plans.ts'
import { type UploadRow, findUpload, listUploads } from './store.ts'
import type { UploadFiles } from './uploads.ts'

interface PlanRoutesServices extends ContentRoutesServices {
  readonly database: Database
  readonly devices: DeviceService
  readonly plans: Plans
  readonly uploads: UploadFiles
}

const MOST_UPLOAD_BYTES = 64 << 20
const MOST_INLINE_LETTERS = 512 * 1024

const Name = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,62}$/i, 'letters, digits, dots and dashes')
const DevicePath = z.string().min(1).max(255)

const anyStep = {
  name: z.string().min(1).max(100).optional(),
  required: z.boolean().optional(),
}

const FileSource = z
  .strictObject({
    text: z.string().max(MOST_INLINE_LETTERS).optional(),
    base64: z.base64().max(MOST_INLINE_LETTERS).optional(),
    ref: Sha384.optional(),
  })
  .refine((source) => Object.values(source).filter((one) => one !== undefined).length === 1, {
    message: 'one of text, base64 and ref',
  })

const Step = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('identity'), ...anyStep }),
    z.strictObject({ type: z.literal('service'), ...anyStep }),
    z.strictObject({
      type: z.literal('file'),
      ...anyStep,
      path: DevicePath,
      content: FileSource,
    }),
    z.strictObject({
      type: z.literal('command'),
      ...anyStep,
      command: z.string().min(1).max(1024),
      args: z.array(z.string().max(4096)).max(64).default([]),
      may_fail: z.boolean().default(false),
      return_stdout: z.boolean().default(false),
      return_stderr: z.boolean().default(false),
    }),
    z.strictObject({
      type: z.literal('upload'),
      ...anyStep,
      path: DevicePath,
      save_as: z
        .string()
        .refine(isInnerPath, 'a relative path without dots, backslashes or colons'),
      need_sha: z.boolean().default(true),
      max_bytes: z
        .number()
        .int()
        .min(0)
        .max(MOST_UPLOAD_BYTES)
        .default(1 << 20),
    }),
    z.strictObject({
      type: z.literal('wget'),
      ...anyStep,
      url: z.url({ protocol: /^https?$/ }).max(2048),
      path: DevicePath.optional(),
      sha384: Sha384.optional(),
      length: z.number().int().min(0).optional(),
    }),
  ])
  .openapi('PlanStep')

const names = z.array(z.string().min(1).max(255)).max(10_000).optional()

const planDocument = {
  description: z.string().max(1000).optional(),
  credential: z.enum(['new', 'reuse']).optional(),
  applies_to: z.strictObject({ devices: names, groups: names, models: names }).optional(),
  steps: z.array(Step).max(64),
}

const PlanDocument = z.strictObject({
  ...planDocument,
  /** Stores nothing if the plan is at another version by now. */
  version: z.number().int().min(0).optional(),
})

const PlanView = z
  .object({
    name: z.string(),
    version: z.number().int(),
    ...planDocument,
    created_at: z.string().nullable(),
    updated_at: z.string().nullable(),
  })
  .openapi('Plan')

const UploadView = z
  .object({
    id: z.number().int(),
    device_id: z.string(),
    name: z.string(),
    length: z.number().int(),
    created_at: z.string(),
  })
  .openapi('Upload')

export function onboardingRoutes(services: PlanRoutesServices): readonly Route[] {
  return [...planRoutes(services), ...contentRoutes(services), ...uploadRoutes(services)]
}

function planRoutes({ plans }: PlanRoutesServices): readonly Route[] {
  const params = z.object({ name: Name })
  return [
    route({
      method: 'get',
      path: '/plans',
      summary: 'What devices get when they are onboarded',
      permission: 'plan:read',
      query: PageQuery,
      result: pageOf(PlanView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const after = positionOf(cursor)
        const rest = (await plans.list(party)).filter(
          ({ name }) => after === undefined || name > after,
        )
        return pageFrom(rest.slice(0, limit + 1), limit, ({ name }) => name, toView)
      },
    }),
    route({
      method: 'post',
      path: '/plans',
      summary: 'Make a plan',
      permission: 'plan:write',
      body: PlanDocument.omit({ version: true }).extend({ name: Name }),
      result: PlanView,
      status: 201,
      async handle({ body: { name, ...document }, principal: { party, id: by } }) {
        return toView(await plans.put({ party, name, by }, document, 0))
      },
    }),
    route({
      method: 'get',
      path: '/plans/{name}',
      summary: 'One plan',
      permission: 'plan:read',
      params,
      result: PlanView,
      handle: async ({ params: { name }, principal: { party } }) =>
        toView(await plans.find(party, name)),
    }),
    route({
      method: 'put',
      path: '/plans/{name}',
      summary: 'Change a plan, for whichever device comes next',
      permission: 'plan:write',
      params,
      body: PlanDocument,
      result: PlanView,
      async handle({ params: { name }, body: { version, ...document }, principal }) {
        const { party, id: by } = principal
        return toView(await plans.put({ party, name, by }, document, version))
      },
    }),
    route({
      method: 'delete',
      path: '/plans/{name}',
      summary: 'Remove a plan; the default one goes back to what is built in',
      permission: 'plan:write',
      params,
      handle: ({ params: { name }, principal: { party, id: by } }) => plans.remove(party, name, by),
    }),
  ]
}

function uploadRoutes({ database, devices, uploads }: PlanRoutesServices): readonly Route[] {
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
        if (!(await devices.findOf(party, id)))
          throw new Problem('not-found', `there is no device ${id}`)
        const after = positionOf(cursor)
        const rows = await listUploads(database.db, {
          deviceId: id,
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
        const content = await uploads.readAll({ deviceId, runId, name })
        return new File('application/octet-stream', content, `upload-${id}`)
      },
    }),
  ]
}

function toView({ name, version, document, createdAt, updatedAt }: Plan) {
  return {
    ...planView.parse(document),
    name,
    version,
    created_at: createdAt,
    updated_at: updatedAt,
  }
}

const planView = z.object(planDocument)

function uploadView({ id, device_id, name, length, created_at }: UploadRow) {
  return { id, device_id, name, length, created_at }
}

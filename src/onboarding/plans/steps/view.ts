/** The steps of a plan as the management API takes and shows them. */
import { z } from '@hono/zod-openapi'
import { isInnerPath } from '../../../../protocol/service-info/path.ts'
import { ALL_DEVICE_SCOPES, type DeviceScope } from '../../../tokens/scopes.ts'
import { checkTemplates } from '../steps.ts'
import { TemplateError } from '../template.ts'

const MOST_UPLOAD_BYTES = 256 << 20
const MOST_INLINE_LETTERS = 512 * 1024
const MOST_TEMPLATE_LETTERS = 64 * 1024

export const Sha384 = z.string().regex(/^[0-9a-f]{96}$/, '96 hexadecimal digits')
const DevicePath = z.string().min(1).max(255)
const Url = z
  .string()
  .max(2048)
  .refine((url) => URL.canParse(url.replaceAll(/\{\{[^{}]*\}\}/g, 'x')), 'a URL')
  .refine((url) => /^https?:\/\/[^/?#{}]+(?:[/?#]|$)/i.test(url), 'http: or https:, and a host')
  .openapi({ format: 'uri' })

const anyStep = {
  name: z.string().min(1).max(100).optional(),
  required: z.boolean().optional(),
  template: z.boolean().optional().openapi({
    description: 'its path, args, url and text may name facts of the device: {{serial}}',
  }),
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

export const Step = z
  .discriminatedUnion('type', [
    z.strictObject({ type: z.literal('identity'), ...anyStep }),
    z.strictObject({ type: z.literal('service'), ...anyStep }),
    z.strictObject({ type: z.literal('file'), ...anyStep, path: DevicePath, content: FileSource }),
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
      save_as: z.string().min(1).max(255),
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
      url: Url,
      path: DevicePath.optional(),
      sha384: Sha384.optional(),
      length: z.number().int().min(0).optional(),
    }),
    z.strictObject({
      type: z.literal('token'),
      ...anyStep,
      template: z.literal(false, 'a token has no template').optional(),
      path: DevicePath,
      audience: z.url().max(2048).optional().openapi({
        description: 'the API it is for; else that of devices, which is the only one there is',
      }),
      scopes: z
        .array(z.enum(ALL_DEVICE_SCOPES as [DeviceScope, ...DeviceScope[]]))
        .min(1)
        .max(ALL_DEVICE_SCOPES.length)
        .optional()
        .openapi({ description: 'at most these; else all that the group of the device holds' }),
    }),
  ])
  .superRefine((step, context) => {
    const refuse = (message: string) => context.addIssue({ code: 'custom', message })
    if (step.type === 'upload' && !step.template && !isInnerPath(step.save_as)) {
      refuse('save_as: a relative path without dots, backslashes or colons')
    }
    const text = step.template && step.type === 'file' ? (step.content.text ?? '') : ''
    if (text.length > MOST_TEMPLATE_LETTERS) refuse('content.text: too long for a template')
    try {
      checkTemplates(step)
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error
      refuse(error.message)
    }
  })
  .openapi('PlanStep')

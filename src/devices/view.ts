/** Devices and their groups as the management API shows them. */
import { z } from '@hono/zod-openapi'
import { ALL_DEVICE_SCOPES, type DeviceScope } from '../tokens/scopes.ts'
import { DEVICE_STATES } from './lifecycle.ts'
import type { DeviceEvent, DeviceRow, GroupRow } from './store.ts'
import { listed } from './service.ts'

export const DeviceStateName = z.enum(DEVICE_STATES)

const To0State = z.object({
  state: z.enum(['none', 'waiting', 'registered', 'failing', 'withdrawing']),
  last_error: z.string().nullable(),
  expires_at: z.string().nullable(),
})

const To0ServerView = To0State.extend({
  url: z.string(),
  next_at: z.string().openapi({ description: 'when it is tried next, or renewed' }),
})

export const DeviceView = z
  .object({
    id: z.string(),
    guid: z.string(),
    state: DeviceStateName,
    serial: z.string().nullable(),
    model: z.string(),
    group: z.string(),
    to0: To0State.openapi({ description: 'how it stands with the rendezvous servers' }),
    last_error: z.string().nullable(),
    created_at: z.string(),
    updated_at: z.string(),
    onboarded_at: z.string().nullable(),
  })
  .openapi('DeviceSummary')

export const DeviceWithHistory = DeviceView.extend({
  to0: To0State.extend({ servers: z.array(To0ServerView) }).openapi({
    description: 'how it stands with the rendezvous servers, together and one by one',
  }),
  plan: z
    .object({ name: z.string(), version: z.number().int() })
    .nullable()
    .openapi({ description: 'what it got in its last run of TO2' }),
  history: z
    .array(
      z.object({
        at: z.string(),
        type: z.string(),
        state: DeviceStateName,
        detail: z.record(z.string(), z.unknown()).nullable(),
      }),
    )
    .openapi({ description: 'how it got there, oldest first' }),
}).openapi('Device')

/** See Register. */
export interface To0Status {
  readonly state: 'none' | 'waiting' | 'registered' | 'failing' | 'withdrawing'
  readonly lastError: string | null
  readonly expiresAt: string | null
}

export interface To0Server extends To0Status {
  readonly url: string
  readonly nextAt: string
}

export function serverView({ url, state, lastError, expiresAt, nextAt }: To0Server) {
  return { url, state, last_error: lastError, expires_at: expiresAt, next_at: nextAt }
}

const NOT_REGISTERED: To0Status = { state: 'none', lastError: null, expiresAt: null }

export function deviceView(device: DeviceRow, to0: To0Status = NOT_REGISTERED) {
  return {
    id: device.id,
    guid: device.guid,
    state: device.state,
    serial: device.serial,
    model: device.model,
    group: device.group_name,
    to0: { state: to0.state, last_error: to0.lastError, expires_at: to0.expiresAt },
    last_error: device.last_error,
    created_at: device.created_at,
    updated_at: device.updated_at,
    onboarded_at: device.onboarded_at,
  }
}

export function eventView({ at, type, state, detail }: Omit<DeviceEvent, 'device_id'>) {
  return { at, type, state, detail: detail === null ? null : detailOf(detail) }
}

/** By the last devmod, beside which it is written down. */
export function planIn(history: readonly ReturnType<typeof eventView>[]) {
  const detail = history.findLast(({ type }) => type === 'devmod')?.detail
  return NotedPlan.safeParse(detail).data?.plan ?? null
}

const NotedPlan = z.object({ plan: z.object({ name: z.string(), version: z.number().int() }) })

/** Written by us, as an object. */
function detailOf(json: string): Record<string, unknown> {
  return z.record(z.string(), z.unknown()).parse(JSON.parse(json))
}

const Scope = z.enum(ALL_DEVICE_SCOPES as [DeviceScope, ...DeviceScope[]])
const Scopes = z.array(Scope).max(ALL_DEVICE_SCOPES.length)

/** Fit for a URL. */
export const GroupName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/i, 'letters, digits, . _ -')

export const NewGroup = z.strictObject({ name: GroupName, scopes: Scopes })
export const ChangedGroup = z.strictObject({ scopes: Scopes })

export const GroupView = z
  .object({
    name: z.string(),
    scopes: z
      .array(z.string())
      .openapi({ description: 'what the access tokens of its devices may carry' }),
    created_at: z.string(),
    updated_at: z.string(),
  })
  .openapi('Group')

export function groupView({ name, scopes, created_at, updated_at }: GroupRow) {
  return { name, scopes: [...listed(scopes)], created_at, updated_at }
}

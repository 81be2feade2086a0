/**
 * What the rendezvous keeps, for its administrators: /api/v1/registrations, /rendezvous-alarms and
 * /rendezvous-policy. And for owners elsewhere: /rendezvous/v1, where a signature says who asks.
 */
import { z } from '@hono/zod-openapi'
import { type Context, Hono } from 'hono'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { AppEnv, Principal } from '../http/authenticate.ts'
import { Problem } from '../http/problem.ts'
import {
  PageQuery,
  type Route,
  cursorAfter,
  pageFrom,
  pageOf,
  positionOf,
  route,
} from '../http/route.ts'
import type { Current, Setting } from '../settings/setting.ts'
import { GuidText } from '../vouchers/view.ts'
import { type AlarmRow, listAlarms, listAlarmsOf } from './alarms/store.ts'
import type { Limits } from './limits.ts'
import type { RendezvousPolicy } from './policy.ts'
import type { Registrations } from './service.ts'
import {
  AlarmView,
  Fingerprint,
  PolicyView,
  RegistrationView,
  alarmView,
  registrationView,
} from './view.ts'

export interface RendezvousRoutesServices {
  readonly database: Database
  readonly events: Pick<Events, 'rendezvousPolicyChanged'>
  readonly registrations: Registrations
  readonly policy: Setting<RendezvousPolicy>
}

const GuidParam = z.object({ guid: GuidText })

export function rendezvousRoutes(services: RendezvousRoutesServices): readonly Route[] {
  return [
    ...registrationRoutes(services.registrations),
    ...alarmRoutes(services),
    ...policyRoutes(services),
  ]
}

function registrationRoutes(registrations: Registrations): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/registrations',
      summary: 'List what owners have registered at this rendezvous, and what is remembered of it',
      permission: 'registration:read',
      query: PageQuery.extend({
        owner_key: Fingerprint.optional(),
        state: z.enum(['live', 'ended']).optional(),
      }),
      result: pageOf(RegistrationView),
      async handle({ query: { limit, cursor, owner_key, state }, principal }) {
        ofTheHouse(principal)
        const ownerKey = owner_key === undefined ? undefined : fromHex(owner_key)
        const after = positionOf(cursor)
        const { rows, next } = await registrations.list({ limit, after, ownerKey, state })
        const items = rows.map((row) => registrationView(row, registrations.isLive(row)))
        return { items, next: next === undefined ? null : cursorAfter(next) }
      },
    }),
    route({
      method: 'get',
      path: '/registrations/{guid}',
      summary: 'What is registered of a device',
      permission: 'registration:read',
      params: GuidParam,
      result: RegistrationView,
      async handle({ params, principal }) {
        ofTheHouse(principal)
        const row = await registrations.find(params.guid)
        return registrationView(row, registrations.isLive(row))
      },
    }),
    route({
      method: 'delete',
      path: '/registrations/{guid}',
      summary: 'Withdraw a registration; or forget, with it, who owned the device last',
      permission: 'registration:delete',
      params: GuidParam,
      query: z.object({ forget: z.enum(['true', 'false']).default('false') }),
      async handle({ params: { guid }, query: { forget }, principal }) {
        ofTheHouse(principal)
        if (forget === 'true') await registrations.forget(guid, principal.id)
        else await registrations.withdraw(guid, principal.id)
      },
    }),
  ]
}

function alarmRoutes({
  database,
  registrations,
}: Pick<RendezvousRoutesServices, 'database' | 'registrations'>): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/rendezvous-alarms',
      summary: 'Attempts of former owners to register a device that has been sold on',
      permission: 'registration:read',
      query: PageQuery,
      result: pageOf(AlarmView),
      async handle({ query: { limit, cursor }, principal }) {
        ofTheHouse(principal)
        const after = alarmPositionOf(cursor)
        const rows = await listAlarms(database.db, { limit: limit + 1, after })
        return pageFrom(
          rows,
          limit,
          ({ guid, owner_key }) => `${guid} ${toHex(owner_key)}`,
          alarmView,
        )
      },
    }),
    route({
      method: 'get',
      path: '/rendezvous-alarms/{guid}',
      summary: 'Attempts of former owners to register one device',
      permission: 'registration:read',
      params: GuidParam,
      result: z.object({ items: z.array(AlarmView) }),
      async handle({ params: { guid }, principal }) {
        ofTheHouse(principal)
        const rows = await listAlarmsOf.all(database.db, { guid })
        if (rows.length === 0) throw new Problem('not-found', `there is no alarm about ${guid}`)
        return { items: rows.map(alarmView) }
      },
    }),
    route({
      method: 'delete',
      path: '/rendezvous-alarms/{guid}',
      summary: 'Dismiss the alarms of a device: they have been looked into',
      permission: 'registration:delete',
      params: GuidParam,
      async handle({ params: { guid }, principal }) {
        ofTheHouse(principal)
        await registrations.dismissAlarms(guid, principal.id)
      },
    }),
  ]
}

function policyRoutes({ policy, events }: RendezvousRoutesServices): readonly Route[] {
  const result = z.object({ ...PolicyView.shape, is_default: z.boolean() })
  const view = ({ json, isDefault }: Current<unknown>) => ({
    ...PolicyView.parse(json),
    is_default: isDefault,
  })
  return [
    route({
      method: 'get',
      path: '/rendezvous-policy',
      summary: 'Who may register at this rendezvous, for how long, and how often one may ask',
      permission: 'rendezvous-policy:read',
      result,
      async handle({ principal }) {
        ofTheHouse(principal)
        return view(await policy.current(HOME_PARTY))
      },
    }),
    route({
      method: 'put',
      path: '/rendezvous-policy',
      summary: 'Change who may register; what is registered stays until it lapses',
      permission: 'rendezvous-policy:write',
      body: PolicyView,
      result,
      async handle({ body, principal }) {
        ofTheHouse(principal)
        const changed = view(await policy.replace({ party: HOME_PARTY, id: principal.id }, body))
        events.rendezvousPolicyChanged({ by: principal.id })
        return changed
      },
    }),
  ]
}

/** One rendezvous serves the whole installation: it belongs to whoever runs that. */
function ofTheHouse({ party }: Principal): void {
  if (party !== HOME_PARTY) throw new Problem('not-found', 'there is nothing here')
}

function alarmPositionOf(
  cursor: string | undefined,
): Pick<AlarmRow, 'guid' | 'owner_key'> | undefined {
  const position = positionOf(cursor)
  if (position === undefined) return undefined
  const [, guid, owner = ''] = /^([0-9a-f]{32}) ((?:[0-9a-f]{2})*)$/.exec(position) ?? []
  if (guid === undefined) throw new Problem('invalid-request', 'cursor: not one of ours')
  return { guid, owner_key: Buffer.from(owner, 'hex') }
}

const MOST_REQUEST_BYTES = 4_096

/** See protocol/to0/own-registration.ts. */
export function ownRoutes(registrations: Registrations, limits: Limits): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .post('/rendezvous/v1/withdraw', async (c) => {
      await registrations.withdrawOwn(await requestOf(c, limits))
      return c.body(null, 204)
    })
    .post('/rendezvous/v1/look-up', async (c) => {
      const row = await registrations.findOwn(await requestOf(c, limits))
      return c.json(registrationView(row, true))
    })
}

async function requestOf(c: Context<AppEnv>, limits: Limits): Promise<Uint8Array> {
  const wait = await limits.bySource(c.var.source)
  if (wait > 0) {
    const headers = { 'retry-after': String(wait) }
    throw new Problem('too-many-requests', `try again in ${wait} s`, { headers })
  }
  if (!/^application\/cbor\b/i.test(c.req.header('content-type') ?? '')) {
    throw new Problem('unsupported-media-type', 'send application/cbor')
  }
  const length = Number(c.req.header('content-length') ?? NaN)
  if (!(length <= MOST_REQUEST_BYTES)) {
    throw new Problem('too-large', `say the length, ${MOST_REQUEST_BYTES} bytes at most`)
  }
  return new Uint8Array(await c.req.arrayBuffer())
}

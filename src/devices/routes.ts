/** /api/v1/devices: where each device is and how it got there. /api/v1/groups: what it may do. */
import { z } from '@hono/zod-openapi'
import { Problem } from '../http/problem.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { VoucherDesk } from '../vouchers/desk.ts'
import type { PartyVoucher } from '../vouchers/ledger.ts'
import type { VoucherService } from '../vouchers/service.ts'
import type { DeviceService } from './service.ts'
import type { DeviceRow } from './store.ts'
import {
  ChangedGroup,
  DeviceStateName,
  DeviceView,
  DeviceWithHistory,
  GroupName,
  GroupView,
  NewGroup,
  type To0Server,
  type To0Status,
  deviceView,
  eventView,
  groupView,
  planIn,
  serverView,
} from './view.ts'

export interface DeviceRoutesServices {
  readonly devices: DeviceService
  readonly vouchers: Pick<VoucherService, 'findDeviceId'>
  readonly desk: Pick<VoucherDesk, 'retire'>
  /** How it stands with the rendezvous servers, by GUID; devices nobody registers are left out. */
  readonly to0StatusOf: (
    party: string,
    guids: readonly string[],
  ) => Promise<ReadonlyMap<string, To0Status>>
  /** Where the service is an owner. */
  readonly register: DeviceRegister | undefined
}

/** See Register. */
interface DeviceRegister {
  serversOf(voucher: PartyVoucher): Promise<readonly To0Server[]>
  hasten(voucher: PartyVoucher): Promise<boolean>
}

const DeviceParam = z.object({
  device: z.string().max(64).openapi({ description: 'the id, or a GUID it has or had' }),
})

export function deviceRoutes(services: DeviceRoutesServices): readonly Route[] {
  return [
    listRoute(services),
    showRoute(services),
    changeRoute(services),
    registerRoute(services),
    retireRoute(services),
  ]
}

function listRoute({ devices, to0StatusOf }: DeviceRoutesServices): Route {
  return route({
    method: 'get',
    path: '/devices',
    summary: 'List the devices',
    permission: 'device:read',
    query: PageQuery.extend({
      state: DeviceStateName.optional(),
      group: z.string().max(64).optional(),
      model: z.string().max(512).optional(),
      serial: z.string().max(512).optional(),
    }),
    result: pageOf(DeviceView),
    async handle({ query: { limit, cursor, ...filter }, principal: { party } }) {
      const after = positionOf(cursor)
      const rows = await devices.list({ ...filter, party, after, limit: limit + 1 })
      const to0 = await to0StatusOf(
        party,
        rows.map(({ guid }) => guid),
      )
      return pageFrom(
        rows,
        limit,
        ({ id }) => id,
        (row) => deviceView(row, to0.get(row.guid)),
      )
    },
  })
}

function showRoute(services: DeviceRoutesServices): Route {
  return route({
    method: 'get',
    path: '/devices/{device}',
    summary: 'A device and how it got where it is',
    permission: 'device:read',
    params: DeviceParam,
    result: DeviceWithHistory,
    handle: async ({ params, principal }) =>
      withHistory(services, await named(services, principal.party, params.device)),
  })
}

function changeRoute(services: DeviceRoutesServices): Route {
  return route({
    method: 'patch',
    path: '/devices/{device}',
    summary: 'Put a device into a group',
    permission: 'device:write',
    params: DeviceParam,
    body: z.strictObject({ group: GroupName }),
    result: DeviceWithHistory,
    async handle({ params, body, principal }) {
      const { party } = principal
      const { id } = await named(services, party, params.device)
      await services.devices.assignGroup(principal, id, body.group)
      return withHistory(services, await named(services, party, id))
    },
  })
}

function registerRoute(services: DeviceRoutesServices): Route {
  return route({
    method: 'post',
    path: '/devices/{device}/register',
    summary: 'Register a device with its rendezvous servers now, without waiting until it is due',
    permission: 'device:write',
    params: DeviceParam,
    result: DeviceWithHistory,
    status: 202,
    async handle({ params, principal: { party } }) {
      const device = await named(services, party, params.device)
      if (!(await services.register?.hasten(device))) {
        throw new Problem('conflict', 'nothing of this device is registered from here')
      }
      return withHistory(services, device)
    },
  })
}

function retireRoute(services: DeviceRoutesServices): Route {
  return route({
    method: 'post',
    path: '/devices/{device}/retire',
    summary: 'Take a device out of service: its certificates are revoked, its vouchers deleted',
    permission: 'device:retire',
    params: DeviceParam,
    result: DeviceWithHistory,
    async handle({ params, principal: { party, id: by } }) {
      const device = await named(services, party, params.device)
      if (device.state === 'handed-over') {
        throw new Problem('conflict', 'this device is somebody else’s: it was retired by the sale')
      }
      const { id, guid } = device
      await services.desk.retire({ id, party, guid }, { id: by, party })
      return withHistory(services, await named(services, party, id))
    },
  })
}

async function withHistory(services: DeviceRoutesServices, row: DeviceRow) {
  const { devices, to0StatusOf, register } = services
  const status = (await to0StatusOf(row.party, [row.guid])).get(row.guid)
  const { to0, ...view } = deviceView(row, status)
  const servers = (await register?.serversOf(row)) ?? []
  const history = (await devices.history(row.id)).map(eventView)
  const plan = planIn(history)
  return { ...view, to0: { ...to0, servers: servers.map(serverView) }, plan, history }
}

/** By its id, the GUID it has, or one it had as long as that voucher is here; or throws. */
async function named(
  { devices, vouchers }: DeviceRoutesServices,
  party: string,
  name: string,
): Promise<DeviceRow> {
  const guid = name.replaceAll('-', '').toLowerCase()
  const found = (await devices.findOf(party, name)) ?? (await devices.findByGuid(party, guid))
  if (found) return found
  const id = await vouchers.findDeviceId({ party, guid })
  const before = id === undefined ? undefined : await devices.findOf(party, id)
  if (before) return before
  throw new Problem('not-found', `there is no device ${name}`)
}

const GroupParam = z.object({ name: GroupName })

export function groupRoutes(devices: DeviceService): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/groups',
      summary: 'List the groups of devices',
      permission: 'group:read',
      query: PageQuery,
      result: pageOf(GroupView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const page = { party, limit: limit + 1, after: positionOf(cursor) }
        const rows = await devices.listGroups(page)
        return pageFrom(rows, limit, ({ name }) => name, groupView)
      },
    }),
    route({
      method: 'post',
      path: '/groups',
      summary: 'Add a group',
      permission: 'group:write',
      body: NewGroup,
      result: GroupView,
      status: 201,
      handle: async ({ body: { name, scopes }, principal }) =>
        groupView(await devices.addGroup(principal, name, scopes)),
    }),
    route({
      method: 'get',
      path: '/groups/{name}',
      summary: 'A group of devices',
      permission: 'group:read',
      params: GroupParam,
      result: GroupView,
      handle: async ({ params: { name }, principal: { party } }) =>
        groupView(await devices.findGroup(party, name)),
    }),
    route({
      method: 'patch',
      path: '/groups/{name}',
      summary: 'Change what the devices of a group may do',
      permission: 'group:write',
      params: GroupParam,
      body: ChangedGroup,
      result: GroupView,
      handle: async ({ params: { name }, body: { scopes }, principal }) =>
        groupView(await devices.changeGroup(principal, name, scopes)),
    }),
    route({
      method: 'delete',
      path: '/groups/{name}',
      summary: 'Remove a group that no device is in',
      permission: 'group:write',
      params: GroupParam,
      handle: ({ params: { name }, principal }) => devices.removeGroup(principal, name),
    }),
  ]
}

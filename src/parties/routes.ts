/** /api/v1/party: the caller's own. /api/v1/parties, /api/v1/invitations: the others. */
import { z } from '@hono/zod-openapi'
import type { Executor } from '../database/connection.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import { PARTY_ROLES, type Parties } from './service.ts'
import type { InvitationRow, PartyRow } from './store.ts'

export interface PartyRoutesServices {
  readonly parties: Parties
  readonly apiTokens: {
    /** The first token of a party, in place of one that nobody has used. */
    welcome(tx: Executor, party: string, invitation: string): Promise<string>
  }
  /** So that it can be sold to. Done again where it has been done, it changes nothing. */
  makeFirstKeys(party: string): Promise<void>
}

/** Fit for a URL, and for a path. */
const PartyName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lower-case letters, digits and dashes, 63 at most')
const Role = z.enum(PARTY_ROLES)
const Roles = z.array(Role).min(1).max(PARTY_ROLES.length)

const Party = z
  .object({
    id: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    created_at: z.string(),
    suspended_at: z.string().nullable(),
  })
  .openapi('Party')

const Invitation = z
  .object({
    id: z.string(),
    name: z.string(),
    roles: z.array(z.string()),
    created_at: z.string(),
    expires_at: z.string(),
    used_by: z.string().nullable(),
  })
  .openapi('Invitation')

const DAY_SECONDS = 86_400

export function partyRoutes(services: PartyRoutesServices): readonly Route[] {
  return [...ownRoutes(services), ...otherRoutes(services), ...invitationRoutes(services)]
}

function ownRoutes({ parties }: PartyRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/party',
      summary: 'The party for which the caller acts',
      permission: 'party:read',
      result: Party,
      handle: async ({ principal }) => partyView(await parties.find(principal.party)),
    }),
    route({
      method: 'patch',
      path: '/party',
      summary: 'Give the own party another name',
      permission: 'party:write',
      body: z.strictObject({ name: PartyName }),
      result: Party,
      handle: async ({ body: { name }, principal }) =>
        partyView(await parties.rename(principal, name)),
    }),
  ]
}

function otherRoutes({ parties, apiTokens, makeFirstKeys }: PartyRoutesServices): readonly Route[] {
  const params = z.object({ id: z.string().max(64) })
  return [
    route({
      method: 'get',
      path: '/parties',
      summary: 'List the parties of this installation',
      permission: 'party:list',
      query: PageQuery,
      result: pageOf(Party),
      async handle({ query: { limit, cursor } }) {
        const rows = await parties.list(limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ id }) => id, partyView)
      },
    }),
    route({
      method: 'post',
      path: '/parties',
      summary: 'Come in by an invitation, whose code is the token of this call',
      permission: 'party:join',
      result: z.object({ party: Party, token: z.string() }),
      status: 201,
      async handle({ principal }) {
        let token = ''
        const row = await parties.join(principal.id, async (tx, party) => {
          token = await apiTokens.welcome(tx, party, principal.id)
        })
        // Whoever is not answered because we died here comes again.
        await makeFirstKeys(row.id)
        return { party: partyView(row), token }
      },
    }),
    route({
      method: 'post',
      path: '/parties/{id}/suspend',
      summary: 'Let nobody act for a party; its devices go on',
      permission: 'party:suspend',
      params,
      result: Party,
      handle: async ({ params: { id }, principal }) =>
        partyView(await parties.suspend(id, principal)),
    }),
    route({
      method: 'post',
      path: '/parties/{id}/resume',
      summary: 'Let a suspended party act again',
      permission: 'party:suspend',
      params,
      result: Party,
      handle: async ({ params: { id }, principal }) =>
        partyView(await parties.resume(id, principal)),
    }),
  ]
}

const InvitationParam = z.object({ id: z.string().max(64) })

function invitationRoutes({ parties }: PartyRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/invitations',
      summary: 'List who has been invited',
      permission: 'party:invite',
      query: PageQuery,
      result: pageOf(Invitation),
      async handle({ query: { limit, cursor } }) {
        const rows = await parties.listInvitations(limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ id }) => id, invitationView)
      },
    }),
    route({
      method: 'post',
      path: '/invitations',
      summary: 'Invite an organisation to become a party; the code is shown this once',
      permission: 'party:invite',
      body: z.strictObject({
        name: PartyName,
        roles: Roles,
        ttl_seconds: z
          .number()
          .int()
          .min(60)
          .max(30 * DAY_SECONDS)
          .default(DAY_SECONDS),
      }),
      result: Invitation.extend({ code: z.string() }),
      status: 201,
      async handle({ body: { name, roles, ttl_seconds }, principal }) {
        const { row, code } = await parties.invite({ name, roles }, ttl_seconds, principal)
        return { ...invitationView(row), code }
      },
    }),
    route({
      method: 'get',
      path: '/invitations/{id}',
      summary: 'Who has been invited, and whether it has come',
      permission: 'party:invite',
      params: InvitationParam,
      result: Invitation,
      handle: async ({ params: { id } }) => invitationView(await parties.findInvitation(id)),
    }),
    route({
      method: 'delete',
      path: '/invitations/{id}',
      summary: 'Withdraw an invitation',
      permission: 'party:invite',
      params: InvitationParam,
      handle: ({ params: { id }, principal }) => parties.withdrawInvitation(id, principal),
    }),
  ]
}

function partyView({ id, name, roles, created_at, suspended_at }: PartyRow) {
  return { id, name, roles: roles.split(' '), created_at, suspended_at }
}

function invitationView({ id, name, roles, created_at, expires_at, used_by }: InvitationRow) {
  return { id, name, roles: roles.split(' '), created_at, expires_at, used_by }
}

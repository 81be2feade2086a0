/** /api/v1/partners: to whom vouchers go, and from whom they come. */
import { z } from '@hono/zod-openapi'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { PartnerDetails, Partners } from './service.ts'
import { PartnerView, viewOf } from './view.ts'

const Address = z.url({ protocol: /^https?$/ }).max(2048)

const PartnerBody = z.strictObject({
  name: z.string().min(1).max(100),
  did: z
    .string()
    .regex(/^did:web:/)
    .max(1024)
    .nullish()
    .openapi({ description: 'did:web: addresses and key are read from its document now' }),
  push_url: Address.nullish(),
  pull_url: Address.nullish(),
  token: z
    .string()
    .regex(/^[\w.~+/-]+=*$/)
    .max(4096)
    .nullish()
    .openapi({
      description:
        'what it gave us to show at its inbox; kept if left out, unless push_url moves to another host',
    }),
  keys: z
    .array(z.string().max(65_536))
    .max(20)
    .optional()
    .openapi({ description: 'PEM, public keys or certificates, or did:key' }),
})

const PartnerParam = z.object({ id: z.string().max(64) })

export function partnerRoutes(partners: Partners): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/partners',
      summary: 'List the partners',
      permission: 'partner:read',
      query: PageQuery,
      result: pageOf(PartnerView),
      async handle({ query: { limit, cursor }, principal: { party } }) {
        const rows = await partners.list(party, limit + 1, positionOf(cursor))
        return pageFrom(rows, limit, ({ id }) => id, viewOf)
      },
    }),
    route({
      method: 'post',
      path: '/partners',
      summary: 'Add a partner, by its did:web or by its addresses and keys',
      permission: 'partner:write',
      body: PartnerBody,
      result: PartnerView,
      status: 201,
      handle: async ({ body, principal }) =>
        viewOf(await partners.create(principal, detailsOf(body))),
    }),
    route({
      method: 'get',
      path: '/partners/{id}',
      summary: 'A partner: its addresses and keys',
      permission: 'partner:read',
      params: PartnerParam,
      result: PartnerView,
      handle: async ({ params: { id }, principal: { party } }) =>
        viewOf(await partners.find(party, id)),
    }),
    route({
      method: 'put',
      path: '/partners/{id}',
      summary: 'Replace what is known of a partner; its DID document is read anew',
      permission: 'partner:write',
      params: PartnerParam,
      body: PartnerBody,
      result: PartnerView,
      handle: async ({ params: { id }, body, principal }) =>
        viewOf(await partners.replace(principal, id, detailsOf(body))),
    }),
    route({
      method: 'delete',
      path: '/partners/{id}',
      summary: 'Remove a partner: nothing more is pushed to it',
      permission: 'partner:write',
      params: PartnerParam,
      handle: ({ params: { id }, principal }) => partners.remove(principal, id),
    }),
  ]
}

function detailsOf({ push_url, pull_url, ...rest }: z.infer<typeof PartnerBody>): PartnerDetails {
  return { ...rest, pushUrl: push_url, pullUrl: pull_url }
}

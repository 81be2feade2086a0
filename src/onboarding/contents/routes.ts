/** /api/v1/plan-contents: files for plans to send. */
import { z } from '@hono/zod-openapi'
import type { AuditLog } from '../../audit/log.ts'
import type { EntryType } from '../../audit/types.ts'
import type { Database } from '../../database/open.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { Content, Contents } from '../content.ts'
import type { Plans } from '../plans/service.ts'
import { Sha384 } from '../plans/steps/view.ts'

export interface ContentRoutesServices {
  readonly database: Database
  readonly audit: Pick<AuditLog, 'append'>
  readonly contents: Contents
  readonly plans: Plans
}

const MOST_CONTENT_BYTES = 256 << 20

const ContentView = z.object({ ref: z.string(), length: z.number().int() }).openapi('Content')

export function contentRoutes(services: ContentRoutesServices): readonly Route[] {
  const { contents, plans, database, audit } = services
  const params = z.object({ ref: Sha384 })
  const tell = (type: EntryType, sha384: string, { party, id: by }: Principal) =>
    database.commit((tx) => audit.append(tx, { party, type, by, subject: { id: sha384 } }))
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
      async handle({ stream, principal }) {
        const content = await contents.take(principal.party, stream)
        // The file first: what an entry tells of is there.
        await tell('plan-content-added', content.sha384, principal)
        return contentView(content)
      },
    }),
    route({
      method: 'get',
      path: '/plan-contents/{ref}',
      summary: 'Whether a file is here, and how long it is',
      permission: 'plan:read',
      params,
      result: ContentView,
      async handle({ params: { ref }, principal: { party } }) {
        return contentView((await contents.find(party, ref)) ?? noContent(ref))
      },
    }),
    route({
      method: 'delete',
      path: '/plan-contents/{ref}',
      summary: 'Remove a file that no plan sends',
      permission: 'plan:write',
      params,
      async handle({ params: { ref }, principal }) {
        const { party } = principal
        if (await plans.isInUse(party, ref))
          throw new Problem('conflict', 'a plan sends this content')
        if (!(await contents.find(party, ref))) noContent(ref)
        // Its entry first: nothing goes that no entry tells of.
        await tell('plan-content-removed', ref, principal)
        await contents.remove(party, ref)
      },
    }),
  ]
}

function noContent(ref: string): never {
  throw new Problem('not-found', `there is no content ${ref}`)
}

function contentView({ sha384: ref, length }: Content) {
  return { ref, length }
}

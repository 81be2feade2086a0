/** /api/v1/plans: what devices get, changed while they come in. */
import { z } from '@hono/zod-openapi'
import type { Database } from '../../database/open.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../../http/route.ts'
import type { Plans } from './service.ts'
import { countOutcomes } from './store.ts'
import {
  ApprovalBody,
  ChangedPlan,
  NewPlan,
  PlanName,
  PlanVersionView,
  PlanView,
  RolloutChange,
  TrialView,
  WholeVersionView,
  planView,
  trialView,
  versionView,
  wholeVersionView,
} from './view.ts'

export interface PlanRoutesServices {
  readonly database: Database
  readonly plans: Plans
}

const NameParam = z.object({ name: PlanName })
const VersionParam = NameParam.extend({
  version: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 31),
})

export function planRoutes(services: PlanRoutesServices): readonly Route[] {
  return [...documentRoutes(services), ...versionRoutes(services), ...rolloutRoutes(services)]
}

function documentRoutes({ plans }: PlanRoutesServices): readonly Route[] {
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
        const all = (await plans.list(party)).map(planView)
        const rest = all.filter(({ name }) => after === undefined || name > after)
        return pageFrom(
          rest.slice(0, limit + 1),
          limit,
          ({ name }) => name,
          (view) => view,
        )
      },
    }),
    route({
      method: 'post',
      path: '/plans',
      summary: 'Make a plan',
      permission: 'plan:write',
      body: NewPlan,
      result: PlanView,
      status: 201,
      async handle({ body: { name, ...document }, principal }) {
        const { party } = principal
        return planView(await plans.put({ party, name, document, before: 0, by: principal.id }))
      },
    }),
    route({
      method: 'get',
      path: '/plans/{name}',
      summary: 'A plan as it was put last, and what of it holds',
      permission: 'plan:read',
      params: NameParam,
      result: PlanView,
      handle: async ({ params: { name }, principal: { party } }) =>
        planView(await plans.find(party, name)),
    }),
    route({
      method: 'put',
      path: '/plans/{name}',
      summary: 'Make the next version of a plan, for whichever device comes next',
      permission: 'plan:write',
      params: NameParam,
      body: ChangedPlan,
      result: PlanView,
      async handle({ params: { name }, body: { version: before, ...document }, principal }) {
        const { party, id: by } = principal
        return planView(await plans.put({ party, name, document, before, by }))
      },
    }),
    route({
      method: 'delete',
      path: '/plans/{name}',
      summary: 'Remove a plan; the default one goes back to what is built in',
      permission: 'plan:write',
      params: NameParam,
      handle: async ({ params: { name }, principal: { party, id: by } }) =>
        plans.remove({ party, name, by }),
    }),
  ]
}

function versionRoutes({ plans }: PlanRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/plans/{name}/versions',
      summary: 'All that a plan has been: who changed it when, newest first',
      permission: 'plan:read',
      params: NameParam,
      query: PageQuery,
      result: pageOf(PlanVersionView),
      async handle({ params: { name }, query: { limit, cursor }, principal: { party } }) {
        const position = positionOf(cursor)
        if (position !== undefined && !/^\d{1,9}$/.test(position)) {
          throw new Problem('invalid-request', 'cursor: not one of ours')
        }
        const before = position === undefined ? undefined : Number(position)
        const rows = await plans.versions({ party, name, limit: limit + 1, before })
        // Of a plan that has been removed they are still there.
        if (rows.length === 0) await plans.find(party, name)
        return pageFrom(rows, limit, ({ version }) => String(version), versionView)
      },
    }),
    route({
      method: 'get',
      path: '/plans/{name}/versions/{version}',
      summary: 'One version of a plan',
      permission: 'plan:read',
      params: VersionParam,
      result: WholeVersionView,
      handle: async ({ params: { name, version }, principal: { party } }) =>
        wholeVersionView(await plans.findVersion({ party, name, version })),
    }),
    route({
      method: 'post',
      path: '/plans/{name}/versions/{version}/approve',
      summary: 'Let a version that runs programs begin to hold, as somebody else than its author',
      permission: 'plan:approve',
      params: VersionParam,
      body: ApprovalBody,
      result: PlanView,
      async handle({ params: { name, version }, body: { digest, share }, principal }) {
        const { party, id: by } = principal
        return planView(await plans.approve({ party, name, version, digest, share, by }))
      },
    }),
  ]
}

function rolloutRoutes({ plans, database }: PlanRoutesServices): readonly Route[] {
  const show = async ({ party }: Principal, name: string) => {
    const status = await plans.find(party, name)
    const version = status.head?.trial ?? 0
    if (version === 0) throw new Problem('not-found', `no version of ${name} is on trial`)
    const { document } = await plans.findPlan({ party, name, version })
    const counts = await countOutcomes(database.db, { party, name, version })
    return trialView({ ...status, document }, counts)
  }
  return [
    route({
      method: 'get',
      path: '/plans/{name}/rollout',
      summary: 'How devices fare with the version that is on trial',
      permission: 'plan:read',
      params: NameParam,
      result: TrialView,
      handle: ({ params: { name }, principal }) => show(principal, name),
    }),
    route({
      method: 'patch',
      path: '/plans/{name}/rollout',
      summary: 'Raise the share of a trial, stop it, or let one that was stopped go on',
      permission: 'plan:write',
      params: NameParam,
      body: RolloutChange,
      result: TrialView,
      async handle({ params: { name }, body, principal }) {
        const { party, id: by } = principal
        await plans.changeRollout({ party, name, by, ...body })
        return show(principal, name)
      },
    }),
  ]
}

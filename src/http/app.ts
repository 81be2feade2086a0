/** Puts the routers together: request ids, headers, authentication, errors. */
import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { OpenAPIHono, z } from '@hono/zod-openapi'
import { type Context, Hono, type MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import type { Clock } from '../clock.ts'
import { InTurn } from '../fdo/in-turn.ts'
import type { Load } from '../load.ts'
import type { Log } from '../log.ts'
import type { Histogram } from '../measures.ts'
import {
  type AppEnv,
  type FindPrincipal,
  type ResourceMetadata,
  authenticate,
} from './authenticate.ts'
import type { Idempotency } from './idempotency/service.ts'
import { type IsReady, healthRoutes } from './health.ts'
import { openApiRoute } from './openapi.ts'
import { Problem, fullDiskOf, problemOf, problemResponse } from './problem.ts'
import { File, type Route, type Surroundings, route } from './route.ts'
import { HERE, IncomingSource, type TrustedProxies } from './source.ts'

export interface AppServices {
  readonly log: Log
  readonly clock: Clock
  readonly trustedProxies: TrustedProxies
  readonly findPrincipal: FindPrincipal
  /** Without it callers without a token are not told where to get one. */
  readonly resourceMetadata?: ResourceMetadata
  readonly isReady: IsReady
  readonly metrics: { text(): Promise<string> }
  /** How long requests take, by method, route and status. */
  readonly requests?: Pick<Histogram, 'observe'>
  /** Under load the management API puts off its callers. */
  readonly load?: Load
  /** Without it a request that has an Idempotency-Key is refused. */
  readonly idempotency?: Idempotency
  /** The management API, below /api/v1. */
  readonly routes: readonly Route[]
  /** Routers with ways of their own to know a caller: FDO, OAuth, the device API. */
  readonly others: readonly Hono<AppEnv>[]
}

export function createApp(services: AppServices): Hono<AppEnv> {
  const { log, routes, others, isReady, metrics, findPrincipal, clock, load } = services
  const app = new Hono<AppEnv>()
  const request = requestFacts(services)
  app.use('/device/*', request)
  app.use('/rendezvous/*', request)
  // First, and almost without middleware: most requests are theirs.
  for (const other of others) app.route('/', other)
  app.route('/', healthRoutes(isReady))

  const known = authenticate(findPrincipal, clock, services.resourceMetadata)
  app.use('/api/*', request, putOff(load), known)
  const among = { idempotency: services.idempotency, turns: new InTurn() }
  app.route('/api/v1', router([...routes, openApiRoute(routes)], among))
  app.use('/metrics', request, known)
  app.route('/', router([metricsRoute(metrics)], among))

  app.notFound((c) => problemResponse(new Problem('not-found', 'there is nothing here'), c, id(c)))
  app.onError((error, c) => {
    const problem = problemOf(error)
    if (problem.code === 'internal-error' || fullDiskOf(error) !== undefined) {
      log.error({ err: error, request: id(c), method: c.req.method, path: c.req.path }, 'failed')
    }
    return problemResponse(problem, c, id(c))
  })
  return app
}

/** One declared router: what it takes and gives is checked, and it describes itself. */
function router(routes: readonly Route[], among: Surroundings): OpenAPIHono<AppEnv> {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook(result) {
      if (!result.success) throw new Problem('invalid-request', textOf(result.error))
    },
  })
  const shown = new Map(routes.flatMap(({ path, show }) => (show ? [[path, show]] : [])))
  const hasPlaces = ({ path }: Route) => path.includes('{')
  // A path without parameters first, with all its methods: to no other does it belong.
  for (const some of [routes.filter((one) => !hasPlaces(one)), routes.filter(hasPlaces)]) {
    for (const { path, register } of some) register(app, { ...among, show: shown.get(path) })
    for (const path of new Set(some.map((one) => one.path))) refuseOthers(app, path, some)
  }
  return app
}

/** After all that is taken: another method on a path that is known. */
function refuseOthers(app: OpenAPIHono<AppEnv>, path: string, routes: readonly Route[]): void {
  const taken = routes.filter((one) => one.path === path).map(({ method }) => method.toUpperCase())
  const allow = [...taken, ...(taken.includes('GET') ? ['HEAD'] : [])].toSorted().join(', ')
  app.all(path.replaceAll(/\{(\w+)\}/g, ':$1'), () => {
    throw new Problem('method-not-allowed', `this takes ${allow}`, { headers: { allow } })
  })
}

function metricsRoute(metrics: AppServices['metrics']): Route {
  return route({
    method: 'get',
    path: '/metrics',
    summary: 'Figures for Prometheus',
    permission: 'metrics:read',
    file: ['text/plain'],
    handle: async () => new File('text/plain; version=0.0.4; charset=utf-8', await metrics.text()),
  })
}

/** Gives the request its id and its source, and the log its line. */
function requestFacts({ log, trustedProxies, requests }: AppServices): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    const began = performance.now()
    const incoming = c.env?.incoming as IncomingMessage | undefined
    const source = incoming ? new IncomingSource(incoming, trustedProxies) : HERE
    c.set('source', source)
    c.set('failed', (err) => log.error({ err, request: id(c), path: c.req.path }, 'broke off'))
    await next()
    c.header('x-request-id', id(c))
    c.header('cache-control', 'no-store')
    c.header('x-content-type-options', 'nosniff')
    const ms = performance.now() - began
    requests?.observe(ms / 1000, methodOf(c.req.method), patternOf(c), String(c.res.status))
    log.info(
      {
        request: id(c),
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        ms: Math.round(ms),
        principal: c.var.principal?.id,
        source: source.address,
      },
      'request',
    )
  }
}

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'])

/** Of a label there are only so many values, whatever is asked for. */
function methodOf(method: string): string {
  return METHODS.has(method) ? method : 'other'
}

/** The path as it was declared; of what is there is none, where it was looked for. */
function patternOf(c: Context<AppEnv>): string {
  const paths = matchedRoutes(c).map(({ path }) => path)
  return paths.find((path) => !path.endsWith('*')) ?? paths.at(-1) ?? ''
}

/** Before anything is looked up: who cannot be served soon is told so at once. */
function putOff(load: Load | undefined): MiddlewareHandler<AppEnv> {
  return async (_, next) => {
    if (!load?.isBehind) return next()
    const headers = { 'retry-after': String(load.turnAway('management API')) }
    throw new Problem('unavailable', 'the service is busy: try again later', { headers })
  }
}

/** The id of a request, made when it is first asked for. */
function id(c: { var: { requestId?: string }; set(name: 'requestId', id: string): void }): string {
  if (!c.var.requestId) c.set('requestId', randomBytes(8).toString('hex'))
  return c.var.requestId ?? ''
}

function textOf(error: unknown): string {
  return error instanceof z.ZodError ? z.prettifyError(error) : 'not what this takes'
}

/** The composition root: configuration → database → domains → listeners, and back down again. */
import { setTimeout as sleep } from 'node:timers/promises'
import { getRequestListener } from '@hono/node-server'
import { apiTokenRoutes } from './api-tokens/routes.ts'
import { auditRoutes } from './audit/routes.ts'
import { Witnesses } from './audit/witnesses.ts'
import { clientRoutes } from './callers/clients/routes.ts'
import { identityProviderRoutes } from './callers/providers/routes.ts'
import type { Config } from './config.ts'
import { type Domains, buildDomains } from './composition/domains.ts'
import { Exchange } from './fdo/exchange.ts'
import { FdoHttp } from './fdo/http.ts'
import { Pace } from './fdo/pace.ts'
import { fdoRoutes } from './fdo/routes.ts'
import { SealingKeys } from './fdo/sealing-keys.ts'
import type { Storytellers } from './fdo/told.ts'
import { createApp } from './http/app.ts'
import type { FindPrincipal } from './http/authenticate.ts'
import { expectBody } from './http/body-deadline.ts'
import type { Listener } from './http/listen.ts'
import { Idempotency } from './http/idempotency/service.ts'
import { keyRoutes } from './keys/routes.ts'
import { watchBacklogs } from './composition/gauges/backlogs.ts'
import { requestTimes } from './composition/gauges/measured.ts'
import { type Fakes, closeServices, openServices } from './composition/services.ts'
import { Load } from './load.ts'
import { Keys } from './keys/service.ts'
import type { Colleagues } from './metrics.ts'
import { openListeners } from './composition/listeners.ts'
import { partyRoutes } from './parties/routes.ts'
import { replaceSecretFile } from './secrets/master-key.ts'
import { Deliveries } from './webhooks/deliveries.ts'
import { webhookRoutes } from './webhooks/routes.ts'
import { Webhooks } from './webhooks/service.ts'
import type { Services } from './services.ts'
import { countVouchers, findOrderFor } from './composition/voucher-keys.ts'

export interface RunningService {
  readonly http: string | null
  readonly https: string | null
  readonly publicUrl: string
  readonly services: Services
  readonly domains: Domains
  /** FDO without a socket. */
  readonly exchange: Exchange
  /** Takes up what has changed in the files of the listener's certificate. */
  reload(): void
  /**
   * Says that it is not ready, and goes on for as long as the settings have it, so that balancers look
   * elsewhere (unless another process takes over here, and nobody has to: `drains` is false); then
   * answers what has begun, for ten seconds at most, breaks off what others owe us, and closes
   * everything. Clients between two requests have `idleMs` to make another.
   */
  stop(idleMs?: number, drains?: boolean): Promise<void>
}

const DRAIN_MS = 10_000
const SWEEP_MS = 60_000

/** Where several processes are one service. */
type OtherProcesses = Colleagues & Storytellers

/** Throws ConfigError or StartRefused for what its administrator has to put right. */
export async function startService(
  config: Config,
  fakes: Fakes = {},
  others?: OtherProcesses,
): Promise<RunningService> {
  const services = await openServices(config, fakes, others)
  try {
    return await startOver(services, others, fakes.load)
  } catch (error) {
    await closeServices(services)
    throw error
  }
}

async function startOver(
  services: Services,
  storytellers: OtherProcesses | undefined,
  fakeLoad: Load | undefined,
): Promise<RunningService> {
  const { config } = services
  const { metrics, apiTokens } = services
  const [leaving, stopped] = [new AbortController(), new AbortController()]
  let publicUrl = ''
  let tlsUrl = ''
  const domains = await buildDomains(services, {
    publicUrl: () => publicUrl,
    tlsUrl: () => tlsUrl,
  })
  watchBacklogs(services)
  const keys = await SealingKeys.load(services)
  const exchange = new Exchange({ ...services, keys, storytellers, roles: domains.roles })
  await apiTokens.makeFirst((token) => replaceSecretFile(config.adminTokenFile, token))

  const pace = new Pace()
  const signs = {
    waiting: () => services.database.waiting(),
    underWay: () => exchange.underWay + pace.length,
    waitedMs: () => pace.waitedMs,
    takenMs: () => exchange.takenMs,
  }
  const load = fakeLoad ?? new Load(signs)
  metrics.watch({
    ...{ name: 'firstlight_turned_away_total', help: 'Requests put off under load' },
    ...{ type: 'counter', labels: ['what'] },
    samples: () => Array.from(load.turnedAway, ([what, count]) => [[what], count] as const),
  })
  const fdo = new FdoHttp({ exchange, load, pace, trustedProxies: config.trustedProxies })
  const idempotency = new Idempotency(services)
  const webhooks = new Webhooks(services)
  const lease = services.leases?.of('webhooks')
  const deliveries = new Deliveries({ ...services, webhooks, lease, random: Math.random })
  const app = appOf(
    { ...services, idempotency, webhooks, load },
    domains,
    fdo,
    () => !leaving.signal.aborted,
  )
  const others = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const listener: Listener = (incoming, outgoing) => {
    if (fdo.take(incoming, outgoing)) return
    expectBody(incoming, outgoing)
    void others(incoming, outgoing)
  }
  const { pki } = domains
  const onConnection = () => pace.newcomer()
  const listening = { ...services, pki, onConnection }
  const listeners = await openListeners(listening, listener, stopped.signal)
  publicUrl = listeners.publicUrl
  tlsUrl = listeners.tlsUrl ?? ''
  services.outbound.admitOwn(publicUrl)
  services.outbound.admitOwn(tlsUrl)
  const sweeping = services.leases?.of('sweeps')
  await services.leases?.start()
  domains.start(stopped.signal, exchange)
  void load.watch(stopped.signal)
  void deliveries.run(stopped.signal)
  const ofDatabase = [
    () => exchange.sweep(),
    () => services.parties.sweep(),
    () => services.machines.sweep(),
    () => idempotency.sweep(),
    ...domains.sweeps.ofDatabase,
  ]
  void sweep(services, stopped.signal, () => [
    async () => exchange.forget(),
    () => keys.replaceIfDue(),
    ...domains.sweeps.ofProcess,
    ...((sweeping?.isHeld ?? true) ? ofDatabase : []),
  ])
  return {
    ...listeners,
    services,
    domains,
    exchange,
    async stop(idleMs = 0, drains = true) {
      if (drains) {
        leaving.abort()
        listeners.letGo()
        await sleep(config.drainSeconds * 1000)
      }
      stopped.abort()
      exchange.release()
      await listeners.close(DRAIN_MS, idleMs)
      await deliveries.stop()
      // Partners who do not answer would have us wait: they are sent it again after the next start.
      services.outbound.close()
      await domains.stop()
      await closeServices(services)
    },
  }
}

/** For an administrator who has lost the token, whether the service runs or not; gives its file. */
export async function resetAdminToken(config: Config): Promise<string> {
  const services = await openServices({ ...config, pkcs11: undefined }, {})
  await services.apiTokens.replaceFirst((token) => replaceSecretFile(config.adminTokenFile, token))
  await closeServices(services)
  return config.adminTokenFile
}

function appOf(
  services: Services & {
    readonly idempotency: Idempotency
    readonly webhooks: Webhooks
    readonly load: Load
  },
  domains: Domains,
  fdo: FdoHttp,
  isRunning: () => boolean,
) {
  const { config, database, apiTokens, machines, identityProviders, metrics } = services
  const { trustedProxies } = config
  return createApp({
    ...services,
    trustedProxies,
    findPrincipal: findPrincipalOf(services, domains),
    requests: requestTimes(metrics),
    resourceMetadata: domains.tokens.resourceMetadata,
    isReady: async () => isRunning() && (await database.isAlive()),
    routes: [
      ...partyRoutes({ ...services, makeFirstKeys: domains.makeFirstKeys }),
      ...apiTokenRoutes(apiTokens),
      ...clientRoutes(machines),
      ...identityProviderRoutes(identityProviders),
      ...keyRoutes(new Keys({ ...services, countVouchers, findOrderFor })),
      ...auditRoutes({ database, witnesses: new Witnesses(services) }),
      ...webhookRoutes(services.webhooks),
      ...domains.routes,
    ],
    others: [fdoRoutes(fdo), ...domains.others],
  })
}

/** Every kind of token there is. One of ours is never a provider's, even if a party names us as one. */
function findPrincipalOf(services: Services, { tokens }: Domains): FindPrincipal {
  const { apiTokens, parties, identityProviders } = services
  return async (token, source) => {
    const known = (await apiTokens.findPrincipal(token)) ?? (await parties.findPrincipal(token))
    if (known) return known
    if (tokens.isOwnToken(token)) return tokens.findMachine(token, source)
    return identityProviders.findPrincipal(token)
  }
}

/** Forgets what has lapsed, every minute; one that fails is tried again with the next. */
async function sweep(
  { clock, log }: Services,
  signal: AbortSignal,
  sweeps: () => readonly (() => Promise<unknown>)[],
): Promise<void> {
  while (!signal.aborted) {
    // Rejects when the signal comes: nothing is wrong then.
    await clock.sleep(SWEEP_MS, signal).catch(() => {})
    for (const one of sweeps()) {
      if (signal.aborted) return
      await one().catch((err: unknown) => log.error({ err }, 'a sweep failed'))
    }
  }
}

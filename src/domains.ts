/** The domains of the roles this service plays, joined to each other. Part of the composition root. */
import type { Hono } from 'hono'
import type { MountedRole } from './fdo/mounted-role.ts'
import type { AppEnv } from './http/authenticate.ts'
import type { Route } from './http/route.ts'
import { Pki } from './pki/service.ts'
import { rendezvousRoles, sweepRegistrations } from './rendezvous/role.ts'
import { ALL_KINDS } from './secrets/key-store.ts'
import type { Services } from './services.ts'

export interface Domains {
  readonly pki: Pki
  /** What is spoken at /fdo. */
  readonly roles: readonly MountedRole[]
  /** The management API. */
  readonly routes: readonly Route[]
  /** Routers with ways of their own to know a caller. */
  readonly others: readonly Hono<AppEnv>[]
  readonly sweeps: readonly (() => Promise<unknown>)[]
  /** Begins what goes on by itself, once the service can be reached. */
  start(signal: AbortSignal): void
  stop(): Promise<void>
}

/** `publicUrl` is known once the listeners are open. */
export async function buildDomains(services: Services, _publicUrl: () => string): Promise<Domains> {
  const { config, database, clock, randomBytes, keyStore, log } = services
  const pki = await Pki.open({ database, randomBytes, now: () => clock.now(), keys: keyStore })
  const rendezvous = { database, clock, randomBytes, deviceAnchors: () => pki.deviceAnchors() }
  const plays = new Set(config.roles)
  const purposes = plays.has('manufacturer') ? ['manufacturer', 'owner'] : ['owner']

  return {
    pki,
    roles: [...(plays.has('rendezvous') ? rendezvousRoles(rendezvous) : [])],
    routes: [],
    others: [],
    sweeps: [() => sweepRegistrations(rendezvous), () => pki.maintain()],
    start(signal) {
      for (const purpose of purposes) {
        keyStore.ensure(purpose, ALL_KINDS).catch((err: unknown) => {
          if (!signal.aborted) log.error({ err, purpose }, 'a key could not be made')
        })
      }
    },
    async stop() {},
  }
}

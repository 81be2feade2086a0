/** The rendezvous put together: its roles, its policy, and who may look at what it keeps. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import type { AuditLog } from '../audit/log.ts'
import type { Clock } from '../clock.ts'
import type { Database } from '../database/open.ts'
import type { Events } from '../events.ts'
import type { MountedRole } from '../fdo/mounted-role.ts'
import type { Route } from '../http/route.ts'
import { RunOrder } from './acceptance.ts'
import { Limits } from './limits.ts'
import { rendezvousPolicySetting } from './policy.ts'
import { rendezvousRoles, retireLapsed } from './role.ts'
import { ownRoutes, rendezvousRoutes } from './routes.ts'
import { Registrations } from './service.ts'

export interface RendezvousGround {
  readonly database: Database
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly events: Events
  readonly audit: AuditLog
  readonly deviceAnchors: () => readonly Bytes[] | undefined
  /** The URLs it is reached at. */
  readonly urls: () => readonly string[]
}

export interface Rendezvous {
  readonly roles: readonly MountedRole[]
  readonly routes: readonly Route[]
  readonly registrations: Registrations
  /** For owners elsewhere, who prove themselves with each request. */
  readonly others: ReturnType<typeof ownRoutes>
  sweep(): Promise<void>
}

export function openRendezvous(ground: RendezvousGround): Rendezvous {
  const { database, clock, audit } = ground
  const policy = rendezvousPolicySetting({ database, clock, audit })
  const limits = new Limits(policy, clock)
  const services = { ...ground, policy, limits, runs: new RunOrder() }
  const registrations = new Registrations(services)
  return {
    roles: rendezvousRoles(services),
    routes: rendezvousRoutes({ ...services, registrations }),
    registrations,
    others: ownRoutes(registrations, limits),
    sweep: () => retireLapsed({ database, clock }),
  }
}

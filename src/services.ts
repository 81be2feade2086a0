/** Everything long-lived that main.ts builds. Whoever needs some of it takes Pick<Services, …>. */
import type { RandomBytes } from '../protocol/types/base.ts'
import type { ApiTokens } from './api-tokens/service.ts'
import type { AuditLog } from './audit/log.ts'
import type { MachineClients } from './callers/clients/service.ts'
import type { IdentityProviders } from './callers/providers/service.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Database } from './database/open.ts'
import type { Events } from './events.ts'
import type { Leases } from './leases/leases.ts'
import type { Log } from './log.ts'
import type { Metrics } from './metrics.ts'
import type { Outbound } from './outbound/outbound.ts'
import type { Parties } from './parties/service.ts'
import type { KeyStore } from './secrets/key-store.ts'
import type { Sealer } from './secrets/seal.ts'
import type { Tracer } from './tracing/tracer.ts'

export interface Services {
  readonly config: Config
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly log: Log
  readonly metrics: Metrics
  /** Undefined where nothing is traced. */
  readonly tracer: Tracer | undefined
  readonly events: Events
  readonly audit: AuditLog
  readonly database: Database
  /** Undefined where no other process has the database: all work is ours. */
  readonly leases: Leases | undefined
  readonly keyStore: KeyStore
  /** Under the master key. */
  readonly sealer: Sealer
  readonly parties: Parties
  readonly apiTokens: ApiTokens
  readonly machines: MachineClients
  readonly identityProviders: IdentityProviders
  /** For every address that somebody else named. */
  readonly outbound: Outbound
}

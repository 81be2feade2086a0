/** The owner's side of onboarding, put together. */
import type { MountedRole } from '../fdo/mounted-role.ts'
import type { Route } from '../http/route.ts'
import type { Services } from '../services.ts'
import { openKeyExchange } from './key-exchange/owner.ts'
import { filesOf } from './files.ts'
import { Plans } from './plans/service.ts'
import { Trials } from './plans/trials.ts'
import { type OnboardingServices, onboardingRole } from './role.ts'
import { onboardingRoutes } from './routes.ts'
import { EventStreams } from './progress/event-streams.ts'
import { Progress } from './progress/service.ts'
import { dropOldProgress } from './progress/store.ts'
import { dropForgottenUploads } from './store.ts'

/** Longer than any run lasts: what it has sent is kept, or forgotten. */
const FORGOTTEN_MS = 24 * 3_600_000

type Made = 'plans' | 'trials' | 'contents' | 'uploads' | 'keyExchange'
type Given = Omit<OnboardingServices, Made> &
  Pick<Services, 'database' | 'audit'> & { readonly config: Pick<Services['config'], 'dataDir'> }

export interface Onboarding {
  readonly role: MountedRole
  readonly routes: readonly Route[]
  readonly plans: Plans
  /** Before it is begun: takes in what versions before kept elsewhere. */
  adopt(): Promise<void>
  /** From time to time: removes what runs that nobody ended have sent. */
  sweep(): Promise<void>
  /** Whoever watches is let go when the signal comes. */
  start(stopped: AbortSignal): void
  stop(): Promise<void>
}

export function openOnboarding(given: Given): Onboarding {
  const { database, clock, audit, events, deviceTokens } = given
  const { contents, uploads, adopt } = filesOf(given)
  const plans = new Plans({ database, clock, audit, events, contents, deviceTokens })
  const trials = new Trials({ database, clock, audit, events })
  const keyExchange = openKeyExchange()
  const progress = new Progress({ database, devices: given.devices })
  const streams = new EventStreams(clock)
  const services = { ...given, contents, uploads, plans, trials, keyExchange, progress, streams }
  return {
    role: onboardingRole(services),
    routes: onboardingRoutes(services),
    plans,
    adopt,
    async sweep() {
      const now = clock.now()
      const before = new Date(now.getTime() - FORGOTTEN_MS).toISOString()
      const dropped = await database.commit((tx) => dropForgottenUploads.all(tx, { before }))
      for (const { device_id: deviceId, run_id: runId, name } of dropped) {
        await uploads.remove({ deviceId, runId, name })
      }
      await contents.sweep(now)
      await trials.sweep()
      await dropOldProgress.run(database.db, { before })
    },
    start: (stopped) => streams.endWith(stopped),
    stop: () => keyExchange.stop(),
  }
}

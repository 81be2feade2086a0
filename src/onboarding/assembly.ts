/** The owner's side of onboarding, put together. */
import { join } from 'node:path'
import type { MountedRole } from '../fdo/mounted-role.ts'
import type { Route } from '../http/route.ts'
import type { Services } from '../services.ts'
import { ContentStore } from './content.ts'
import { openKeyExchange } from './key-exchange/owner.ts'
import { Plans } from './plans.ts'
import { type OnboardingServices, onboardingRole } from './role.ts'
import { onboardingRoutes } from './routes.ts'
import { dropForgottenUploads } from './store.ts'
import { UploadFiles } from './uploads.ts'

/** Longer than any run lasts: what it has sent is kept, or forgotten. */
const FORGOTTEN_MS = 24 * 3_600_000

type Given = Omit<OnboardingServices, 'plans' | 'contents' | 'uploads' | 'keyExchange'> &
  Pick<Services, 'database' | 'audit'> & { readonly config: Pick<Services['config'], 'dataDir'> }

export interface Onboarding {
  readonly role: MountedRole
  readonly routes: readonly Route[]
  readonly plans: Plans
  /** From time to time: removes what runs that nobody ended have sent. */
  sweep(): Promise<void>
  stop(): Promise<void>
}

export function openOnboarding(given: Given): Onboarding {
  const { config, database, clock, audit } = given
  const contents = new ContentStore(join(config.dataDir, 'contents'))
  const uploads = new UploadFiles(join(config.dataDir, 'uploads'))
  const plans = new Plans({ database, clock, audit, contents })
  const keyExchange = openKeyExchange()
  const services = { ...given, contents, uploads, plans, keyExchange }
  return {
    role: onboardingRole(services),
    routes: onboardingRoutes(services),
    plans,
    async sweep() {
      const before = new Date(clock.now().getTime() - FORGOTTEN_MS).toISOString()
      const dropped = await database.commit((tx) => dropForgottenUploads.all(tx, { before }))
      for (const { device_id: deviceId, run_id: runId } of dropped) {
        await uploads.removeRun({ deviceId, runId })
      }
    },
    stop: () => keyExchange.stop(),
  }
}

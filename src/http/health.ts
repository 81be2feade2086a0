/** /health, for whoever starts and restarts this; no token, and nothing to learn from it. */
import { Hono } from 'hono'
import type { AppEnv } from './authenticate.ts'

/** Whether the service can do its work now. */
export type IsReady = () => Promise<boolean>

export function healthRoutes(isReady: IsReady): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .get('/health/live', (c) => c.json({ status: 'live' }))
    .get('/health/ready', async (c) => {
      if (await isReady()) return c.json({ status: 'ready' })
      return c.json({ status: 'not-ready' }, 503)
    })
}

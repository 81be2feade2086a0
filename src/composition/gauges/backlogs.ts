/** What waits, and how much is left: looked up whenever Prometheus asks. */
import { statfs } from 'node:fs/promises'
import type { Sample } from '../../measures.ts'
import type { Watched } from '../../metrics.ts'
import { findNext, listOrigins } from '../../onboarding/register/store.ts'
import { findLastBackup } from '../../operations/backup/store.ts'
import type { Services } from '../../services.ts'
import * as store from './store.ts'

type GaugeServices = Pick<Services, 'metrics' | 'database' | 'clock' | 'config'>

/** A rendezvous each: those of all vouchers could be very many. */
const MOST_PLACES = 200

export function watchBacklogs(services: GaugeServices): void {
  const { metrics, database, clock, config } = services
  const { db } = database
  const now = () => clock.now()
  const since = (at: string | undefined) =>
    at === undefined ? 0 : Math.max(0, (now().getTime() - Date.parse(at)) / 1000)
  const one = (value: number): readonly Sample[] => [[[], value]]
  const gauge = (name: string, help: string, samples: Watched['samples'], ...labels: string[]) =>
    metrics.watch({ name, help, type: 'gauge', isShared: true, labels, samples })

  metrics.watch({
    ...{ name: 'firstlight_processes', help: 'Processes that answer for this service' },
    ...{ type: 'gauge', labels: [], samples: () => one(1) },
  })
  gauge('firstlight_processes_wanted', 'How many there should be', () => one(config.processes))
  gauge(
    'firstlight_to0_overdue_seconds',
    'For how long the registration has been due that waits longest',
    async () => {
      const places = (await listOrigins(db)).slice(0, MOST_PLACES)
      const next = await Promise.all(places.map((origin) => findNext.first(db, { origin })))
      return one(Math.max(0, ...next.map((job) => since(job?.next_at))))
    },
  )
  gauge(
    'firstlight_to0_due',
    'Registrations that are due, up to 1000 of each rendezvous',
    async () => {
      const places = (await listOrigins(db)).slice(0, MOST_PLACES)
      const due = { now: now().toISOString(), most: 1_000 }
      const counts = await Promise.all(
        places.map((origin) => store.countDue(db, { ...due, origin })),
      )
      return one(counts.reduce((sum, count) => sum + count, 0))
    },
  )
  gauge(
    'firstlight_push_waiting',
    'Vouchers sold and not yet with their buyers, up to 10000',
    async () => one(await store.countPushes(db, 10_000)),
  )
  gauge('firstlight_webhook_backlog', 'Log entries that webhooks have not heard of', async () =>
    one(await store.sumWebhookBacklog(db)),
  )
  gauge(
    'firstlight_webhooks_failing',
    'Webhooks whose last delivery failed, or that are disabled',
    async () => one(await store.countFailingWebhooks(db)),
  )
  gauge('firstlight_last_backup_timestamp_seconds', 'When the last back-up was made', async () => {
    const at = await findLastBackup(db)
    return at === undefined ? [] : one(Date.parse(at) / 1000)
  })
  gauge('firstlight_data_free_bytes', 'Left on the disk of the data directory', async () => {
    const { bavail, bsize } = await statfs(config.dataDir)
    return one(bavail * bsize)
  })
}

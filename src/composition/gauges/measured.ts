/** What is measured on the way, and where: each costs the hot path no more than a look at the time. */
import type { Database } from '../../database/open.ts'
import type { Histogram } from '../../measures.ts'
import type { Metrics } from '../../metrics.ts'

const COMMIT_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5]
const SIGNATURE_BOUNDS = [
  0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1,
]
const REQUEST_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60]

/** The same database; how long its callers wait for their commits is counted, and how many do. */
export function measured(database: Database, metrics: Metrics): Database {
  const help = 'From asking for a commit until it is done, the wait for its turn included'
  const seconds = metrics.histogram('firstlight_database_commit_seconds', help, {
    bounds: COMMIT_BOUNDS,
  })
  let waiting = 0
  metrics.watch({
    ...{ name: 'firstlight_database_commits_waiting', help: 'Commits asked for and not done' },
    ...{ type: 'gauge', labels: [], samples: () => [[[], waiting]] },
  })
  return {
    db: database.db,
    changesOf: (table) => database.changesOf(table),
    isAlive: () => database.isAlive(),
    waiting: () => database.waiting(),
    emptyLog: () => database.emptyLog(),
    close: () => database.close(),
    async commit(work, options) {
      const began = performance.now()
      waiting++
      try {
        return await database.commit(work, options)
      } finally {
        waiting--
        seconds.observe((performance.now() - began) / 1000)
      }
    },
  }
}

export function signatureTimes(metrics: Metrics): Histogram {
  return metrics.histogram(
    'firstlight_signature_seconds',
    'Signatures, by kind of key and where it is',
    {
      labels: ['kind', 'held'],
      bounds: SIGNATURE_BOUNDS,
    },
  )
}

export function requestTimes(metrics: Metrics): Histogram {
  const help = 'Requests of the management and device APIs'
  return metrics.histogram('firstlight_http_request_seconds', help, {
    labels: ['method', 'route', 'status'],
    bounds: REQUEST_BOUNDS,
  })
}

/** How it stands with the registrations of vouchers, whichever process tries to make them. */
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Bulletin } from './places/bulletin.ts'
import { type To0Server, type To0Status, statusOf, together } from './status.ts'
import { listJobsOf } from './store.ts'

export interface StandingServices {
  readonly database: Pick<Database, 'db'>
  readonly clock: Clock
  readonly bulletin: Bulletin
  /** Why nothing can be registered there at present, as far as it was tried in this process. */
  lastErrorOf(origin: string): string | undefined
}

type JobStatus = Awaited<ReturnType<typeof listJobsOf>>[number]

export class Standing {
  readonly #services: StandingServices

  constructor(services: StandingServices) {
    this.#services = services
  }

  /** Of each of these vouchers of a party that is to be registered at all. */
  async of(party: string, guids: readonly string[]): Promise<ReadonlyMap<string, To0Status>> {
    const statuses = new Map<string, To0Status>()
    if (guids.length === 0) return statuses
    for (const { guid, status } of await this.#all(party, guids)) {
      const others = statuses.get(guid)
      statuses.set(guid, others ? together(others, status) : status)
    }
    return statuses
  }

  /** With each rendezvous that a voucher is to be registered at. */
  async serversOf(party: string, guid: string): Promise<readonly To0Server[]> {
    return (await this.#all(party, [guid])).map(({ origin, next_at, status }) => {
      return { url: origin, nextAt: next_at, ...status }
    })
  }

  async #all(
    party: string,
    guids: readonly string[],
  ): Promise<readonly (JobStatus & { readonly status: To0Status })[]> {
    const { database, clock, bulletin, lastErrorOf } = this.#services
    const jobs = await listJobsOf(database.db, party, guids)
    const elsewhere = await bulletin.errorsAt([...new Set(jobs.map(({ origin }) => origin))])
    const now = clock.now().toISOString()
    return jobs.map((job) => {
      const error = lastErrorOf(job.origin) ?? elsewhere.get(job.origin)
      return { ...job, status: statusOf(job, error, now) }
    })
  }
}

/** A service under test that is stopped and started again with all that it holds. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Meter } from '../phases.ts'
import { treeCpuMs } from '../process.ts'
import { type OwnService, startOwnService } from '../service.ts'
import { type Factory, bringKey } from '../vouchers.ts'
import type { PostgresServer } from './postgres.ts'

export interface SiteOptions {
  readonly name: string
  /** Without it the database is SQLite's. */
  readonly postgres?: PostgresServer | undefined
  /** Whose vouchers it takes in. */
  readonly factory?: Factory
  readonly variables?: NodeJS.ProcessEnv
}

export class Site {
  readonly options: SiteOptions
  /** What `openDatabase` opens, while the service is stopped. */
  readonly place: string
  /** The service's processor time, and that of PostgreSQL beside it. */
  readonly meter: Meter
  readonly #folder: string
  readonly #variables: NodeJS.ProcessEnv
  #service: OwnService | undefined

  private constructor(options: SiteOptions, port: number) {
    const { name, postgres, factory, variables } = options
    this.options = options
    this.#folder = mkdtempSync(join(tmpdir(), 'firstlight-bench-'))
    const url = postgres?.createDatabase(name)
    this.place = url ?? join(this.#folder, 'firstlight.sqlite')
    this.#variables = {
      FIRSTLIGHT_PORT: String(port),
      // What it does is counted by each process for itself.
      FIRSTLIGHT_PROCESSES: '1',
      ...(factory && { FIRSTLIGHT_TRUST: factory.maker.caFile }),
      ...(url !== undefined && { DATABASE_URL: url }),
      ...variables,
    }
    this.meter = () => ({
      cpuMs: treeCpuMs(this.service.pid),
      databaseMs: postgres ? treeCpuMs(postgres.pid) : 0,
    })
  }

  static async open(options: SiteOptions): Promise<Site> {
    const site = new Site(options, await freePort())
    await site.start()
    if (options.factory) await bringKey(site.service, options.factory)
    return site
  }

  get service(): OwnService {
    if (!this.#service) throw new Error('the service is stopped')
    return this.#service
  }

  async start(): Promise<void> {
    this.#service = await startOwnService(this.#variables, this.#folder)
  }

  async stop(): Promise<void> {
    const service = this.#service
    this.#service = undefined
    await service?.stop()
  }

  /** With everything it holds. */
  async remove(): Promise<void> {
    await this.stop()
    this.options.postgres?.dropDatabase(this.options.name)
    rmSync(this.#folder, { recursive: true })
  }
}

/** The same one after each start: it stands in vouchers. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** A PostgreSQL server of a test's own, to be taken away: on loopback, in a temporary folder. */
import { execFile } from 'node:child_process'
import { appendFileSync, chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { freePort } from './programs.ts'

const INSTALLED = '/usr/lib/postgresql'
const run = promisify(execFile)

export class PostgresServer {
  readonly url: string
  readonly #folder: string
  readonly #port: number

  private constructor(folder: string, port: number) {
    this.#folder = folder
    this.#port = port
    this.url = `postgres://firstlight@127.0.0.1:${port}/postgres`
  }

  static async make(): Promise<PostgresServer> {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-postgres-'))
    if (isRoot()) {
      const { stdout } = await run('id', ['-u', 'postgres'])
      chownSync(folder, Number(stdout), Number(stdout))
    }
    const server = new PostgresServer(folder, await freePort())
    const cluster = ['-U', 'firstlight', '-A', 'trust', '-E', 'UTF8', '--locale=C.UTF-8']
    await server.#run('initdb', ...cluster, '--no-sync')
    const settings = { listen_addresses: `'127.0.0.1'`, port: server.#port, fsync: 'off' }
    const all = { ...settings, unix_socket_directories: `''`, shared_buffers: '32MB' }
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}\n`)
    appendFileSync(join(folder, 'data/postgresql.conf'), lines.join(''))
    await server.start()
    return server
  }

  async start(): Promise<void> {
    await this.#run('pg_ctl', '-w', '-l', join(this.#folder, 'log'), 'start')
  }

  /** As when its machine goes: nothing is finished, nothing is said, and what was not on the disk is lost. */
  async crash(): Promise<void> {
    await this.#run('pg_ctl', '-m', 'immediate', 'stop')
  }

  async remove(): Promise<void> {
    await this.crash().catch(() => {})
    rmSync(this.#folder, { recursive: true })
  }

  async #run(program: string, ...args: readonly string[]): Promise<void> {
    const [version = ''] = readdirSync(INSTALLED).toSorted().toReversed()
    const command = [join(INSTALLED, version, 'bin', program), '-D', join(this.#folder, 'data')]
    // Which it refuses to be.
    const asOwner = ['setpriv', '--reuid', 'postgres', '--regid', 'postgres', '--init-groups']
    const [file = '', ...rest] = [...(isRoot() ? asOwner : []), ...command, ...args]
    await run(file, rest, { cwd: this.#folder })
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}

/** A PostgreSQL server for the benchmark, durable as one in earnest would be. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { parentOf } from '../process.ts'

export interface PostgresServer {
  /** Of its first process, whose children do all the work. */
  readonly pid: number
  /** A new and empty database; gives its URL. */
  createDatabase(name: string): string
  dropDatabase(name: string): void
  /** What autovacuum would do in the hours that a million rows take to come by themselves. */
  vacuum(url: string): void
  stop(): Promise<void>
}

/** It cannot be had here, and this is what to do. */
export class NoPostgres extends Error {
  override readonly name = 'NoPostgres'
}

const SCRIPT = join(import.meta.dirname, '..', '..', '..', '..', 'scripts', 'postgres.sh')
/** Says where the server is, and waits until nobody wants it any more. */
const WAITER = `
  console.log(JSON.stringify([process.env.FIRSTLIGHT_TEST_DATABASE_URL, process.env.POSTGRES_BIN]))
  process.stdin.resume().on('end', () => process.exit(0))
`

export async function startPostgres(sharedBuffers: string): Promise<PostgresServer> {
  const server = spawn('bash', [SCRIPT, process.execPath, '-e', WAITER], {
    env: { ...process.env, POSTGRES_FSYNC: 'on', POSTGRES_SHARED_BUFFERS: sharedBuffers },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaint = ''
  server.stderr.on('data', (chunk) => (complaint += String(chunk)))
  const ended = once(server, 'close')
  const first = once(server.stdout, 'data') as Promise<[Buffer]>
  const said = await Promise.race([first, ended.then(() => undefined)])
  if (!said) throw new NoPostgres(complaint.trim())
  const [url, bin] = JSON.parse(String(said[0])) as [string, string]
  const ask = (database: string, command: string) =>
    execFileSync(join(bin, 'psql'), ['-XAtq', '-c', command, database], { encoding: 'utf8' }).trim()
  const urlOf = (name: string) => new URL(`/${name}`, url).href
  return {
    pid: parentOf(await backendOf(bin, url)),
    createDatabase(name) {
      ask(url, `create database ${name}`)
      return urlOf(name)
    },
    dropDatabase: (name) => void ask(url, `drop database ${name} with (force)`),
    vacuum: (database) => void ask(database, 'vacuum (analyze)'),
    async stop() {
      server.stdin.end()
      await ended
    },
  }
}

/** A process of the server's that lives long enough to be looked at. */
async function backendOf(bin: string, url: string): Promise<number> {
  const psql = spawn(join(bin, 'psql'), ['-XAtq', url], { stdio: ['pipe', 'pipe', 'inherit'] })
  psql.stdin.write('select pg_backend_pid();\n')
  const [pid] = (await once(psql.stdout, 'data')) as [Buffer]
  setImmediate(() => psql.stdin.end())
  return Number(String(pid))
}

/** DeviceHost over a sandbox folder: the machine as the ServiceInfo modules may touch it. */
import { spawn } from 'node:child_process'
import { generateKeyPair } from 'node:crypto'
import { realpathSync } from 'node:fs'
import { mkdir, open, readFile, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { promisify } from 'node:util'
import { type Bytes, concat } from '../../protocol/bytes.ts'
import { signerOf } from '../../protocol/crypto/signer.ts'
import {
  type DeviceHost,
  type ExistingFile,
  HostFailure,
  type HostKey,
  type HostProcess,
  type NewFile,
  type ProcessOutput,
} from '../../protocol/service-info/device-host.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { writeFileAtomically } from './credential-file.ts'

const CLOCK_FLOOR = '.clock-floor'
const FETCH_TIMEOUT_MS = 60_000

export interface HostOptions {
  /** Everything the owner sends stays below this folder, which exists. */
  readonly sandbox: string
  readonly warn: (text: string) => void
}

export function sandboxHost({ sandbox, warn }: HostOptions): DeviceHost {
  const root = realpathSync(sandbox)
  return {
    files: {
      create: async (path) => createFile(await within(root, path)),
      open: async (path) => openFile(await within(root, path)),
    },
    run: (command, args, output) => runProcess(root, command, args, output),
    fetch: fetchDocument,
    keys: { generate: generateKey },
    clock: { raiseFloor: (time) => raiseFloor(root, time) },
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    warn,
  }
}

/** The device's time: never before what a certificate it was given says. */
export async function deviceTime(sandbox: string, now: Date): Promise<Date> {
  const floor = await readFile(join(sandbox, CLOCK_FLOOR), 'utf8').catch(() => undefined)
  const earliest = floor === undefined ? now : new Date(floor.trim())
  return earliest > now ? earliest : now
}

async function raiseFloor(root: string, time: Date): Promise<void> {
  const known = await deviceTime(root, new Date(0))
  if (time <= known) return
  writeFileAtomically(join(root, CLOCK_FLOOR), Buffer.from(`${time.toISOString()}\n`))
}

/** The path inside the sandbox, its folders made; a link that leads out is refused. */
async function within(root: string, path: string): Promise<string> {
  const target = join(root, path)
  if (!target.startsWith(root + sep)) throw new HostFailure(`outside the sandbox: ${path}`)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  const folder = await realpath(dirname(target))
  if (folder !== root && !folder.startsWith(root + sep)) {
    throw new HostFailure(`a link leads out of the sandbox: ${path}`)
  }
  return join(folder, basename(target))
}

async function createFile(path: string): Promise<NewFile> {
  const temporary = `${path}.part`
  const file = await orFailure('write', path, async () => {
    await rm(temporary, { force: true })
    return await open(temporary, 'wx', 0o600)
  })
  return {
    write: (bytes) => orFailure('write', path, () => file.writeFile(bytes)),
    commit: () =>
      orFailure('write', path, async () => {
        await file.sync()
        await file.close()
        await rename(temporary, path)
      }),
    async discard() {
      await file.close()
      await rm(temporary, { force: true })
    },
  }
}

/** What the file system refuses is for the peer to know, by the module's own means. */
async function orFailure<T>(what: string, path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new HostFailure(`cannot ${what} ${path}`, { cause })
  }
}

async function openFile(path: string): Promise<ExistingFile | undefined> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw new HostFailure(`cannot read ${path}`, { cause: error })
  })
  if (!file) return undefined
  const stat = await file.stat()
  if (!stat.isFile()) {
    await file.close()
    throw new HostFailure(`not a file: ${path}`)
  }
  return {
    length: stat.size,
    async read(offset, length) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    },
    close: () => file.close(),
  }
}

function runProcess(
  cwd: string,
  command: string,
  args: readonly string[],
  output: ProcessOutput,
): Promise<HostProcess> {
  const child = spawn(command, args, {
    cwd,
    env: { PATH: process.env['PATH'], HOME: cwd, LANG: 'C.UTF-8' },
    stdio: ['ignore', output.stdout ? 'pipe' : 'ignore', output.stderr ? 'pipe' : 'ignore'],
  })
  const news = { stdout: [] as Bytes[], stderr: [] as Bytes[], exitCode: null as number | null }
  let wake = () => {}
  child.stdout?.on('data', (part: Bytes) => (news.stdout.push(part), wake()))
  child.stderr?.on('data', (part: Bytes) => (news.stderr.push(part), wake()))
  child.on('close', (code, signal) => {
    news.exitCode = code ?? (signal ? -1 : 0)
    wake()
  })
  const started: HostProcess = {
    async poll(waitMs) {
      if (news.exitCode === null && news.stdout.length + news.stderr.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs)
          wake = () => (clearTimeout(timer), resolve())
        })
      }
      return {
        stdout: concat(...news.stdout.splice(0)),
        stderr: concat(...news.stderr.splice(0)),
        exitCode: news.exitCode,
      }
    },
    signal: (number) => void child.kill(number),
    kill: () => void child.kill('SIGKILL'),
  }
  return new Promise((resolve, reject) => {
    child.once('spawn', () => resolve(started))
    child.once('error', (cause) => reject(new HostFailure(`cannot run ${command}`, { cause })))
  })
}

async function fetchDocument(url: string) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_TIMEOUT_MS) })
    const body: AsyncIterable<Bytes> = response.body ?? (async function* () {})()
    return { status: response.status, statusText: response.statusText, body }
  } catch (cause) {
    throw new HostFailure(`cannot get ${url}`, { cause })
  }
}

/** A fresh P-256 key; the certificate that the owner issues decides the name. */
async function generateKey(): Promise<HostKey> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  const signer = signerOf(privateKey)
  return {
    pkcs8: privateKey.export({ type: 'pkcs8', format: 'der' }),
    spki: signer.key.spki,
    createCsr: () => buildCsr(signer, 'device'),
  }
}

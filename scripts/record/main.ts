/**
 * Records a run of a real device with our service, for `npm test` to replay.
 *
 *     node dist/scripts/record/main.js --out FILE --peer NAME --version V [--port N] -- COMMAND…
 *
 * Starts the service, runs COMMAND with FDO_URL in its environment (a whole onboarding, DI to TO2),
 * and writes FILE when it ends. Everything happens on the loopback.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { FakeClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { silentLog } from '../../src/log.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { ALL_KINDS } from '../../src/secrets/key-store.ts'
import { type Draws, recordingSource } from './randomness.ts'
import {
  type RecordedMessage,
  type Recording,
  instrument,
  packFile,
  recordedMessage,
} from './recording.ts'

interface Options {
  readonly out: string
  readonly peer: string
  readonly version: string
  readonly port: string
  readonly import: string[]
  readonly trust?: string
}

const FILES = ['firstlight.sqlite', 'master.key']

async function record(options: Options, command: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-record-'))
  const env: Record<string, string> = {
    FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${options.port}`,
    FIRSTLIGHT_PORT: options.port,
    FIRSTLIGHT_TLS_PORT: 'off',
    ...(options.trust !== undefined && { FIRSTLIGHT_TRUST: options.trust }),
  }
  const now = new Date(Math.floor(Date.now() / 1000) * 1000)
  const config = loadConfig({ ...env, FIRSTLIGHT_DATA: folder })

  // The keys first, so that the data can be copied before anything is said.
  const fresh = await startService(config, { log: silentLog })
  await Promise.all(
    ['manufacturer', 'owner'].map((one) => fresh.services.keyStore.ensure(one, ALL_KINDS)),
  )
  await fresh.stop()
  const data = Object.fromEntries(FILES.map((name) => [name, packFile(join(folder, name))]))

  const draws: Draws = { random: {}, signatures: {} }
  const source = recordingSource(draws)
  const clock = new FakeClock(now)
  const service = await startService(config, { ...source, clock, log: silentLog })
  const messages: RecordedMessage[] = []
  instrument(service.exchange, source, (request, answer) => {
    if (isFromOutside(request.number)) messages.push(recordedMessage(request, answer))
  })
  const status = await runCommand(command, service)
  await service.stop()
  rmSync(folder, { recursive: true })

  const { peer, version } = options
  const recording: Recording = {
    peer,
    version,
    now: now.toISOString(),
    env,
    data,
    messages,
    ...draws,
  }
  writeFileSync(options.out, `${JSON.stringify(recording, null, 1)}\n`)
  process.stdout.write(
    `${options.out}: ${messages.map(({ number }) => number).join(' ')}; the command ended with ${status}\n`,
  )
}

/** TO0 is our own doing. */
function isFromOutside(number: number): boolean {
  return number < 20 || number >= 30
}

function runCommand(command: readonly string[], { http }: RunningService): Promise<number | null> {
  const [program = 'true', ...args] = command
  return new Promise((resolve, reject) => {
    const env = { ...process.env, FDO_URL: http ?? '' }
    const child = spawn(program, args, { stdio: 'inherit', env })
    child.once('error', reject)
    child.once('close', resolve)
  })
}

const program = new Command('record')
  .requiredOption('--out <file>', 'where the recording goes')
  .requiredOption('--peer <name>', 'which device it is')
  .requiredOption('--version <version>', 'of that device')
  .option('--port <n>', 'the port of the service', '8080')
  .option('--trust <any>', 'FIRSTLIGHT_TRUST, for devices made elsewhere')
  .argument('<command...>', 'what to run')
  .parse()

await record(program.opts<Options>(), program.args)

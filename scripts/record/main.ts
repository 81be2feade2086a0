/**
 * Records a run of a real device with our service, for `npm test` to replay.
 *
 *     node dist/scripts/record/main.js --out FILE --peer NAME --version V [--port N] -- COMMAND…
 *
 * Starts the service, runs COMMAND with FDO_URL in its environment (a whole onboarding, DI to TO2),
 * and writes FILE when it ends. Everything happens on the loopback. For a device made elsewhere,
 * `--maker COMMAND` runs first: it finds our owner key (PEM) in FDO_OWNER and prints the voucher.
 */
import { HOME_PARTY } from '../../src/database/tables.ts'
import { execFile, spawn } from 'node:child_process'
import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Command } from 'commander'
import { realClock } from '../../src/clock.ts'
import { loadConfig } from '../../src/config.ts'
import { silentLog } from '../../src/log.ts'
import { type RunningService, startService } from '../../src/main.ts'
import { ALL_KINDS } from '../../src/secrets/key-info.ts'
import { type Draws, recordingSource } from './randomness.ts'
import {
  type RecordedMessage,
  type Recording,
  importVoucher,
  instrument,
  packFile,
  recordedMessage,
} from './recording.ts'

interface Options {
  readonly out: string
  readonly peer: string
  readonly version: string
  readonly port: string
  readonly maker?: string
  readonly trust?: string
}

const FILES = ['firstlight.sqlite', 'master.key', 'admin.token']

async function record(options: Options, command: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-record-'))
  const env: Record<string, string> = {
    FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${options.port}`,
    FIRSTLIGHT_PORT: options.port,
    FIRSTLIGHT_TLS_PORT: 'off',
    FIRSTLIGHT_TO0_SECONDS: '2592000',
    ...(options.trust !== undefined && { FIRSTLIGHT_TRUST: options.trust }),
  }
  // The time stands still: what a maker is about to certify must be valid already.
  const ahead = options.maker === undefined ? 0 : 3600
  const now = new Date((Math.floor(Date.now() / 1000) + ahead) * 1000)
  const config = loadConfig({ ...env, FIRSTLIGHT_DATA: folder })

  // The keys first, so that the data can be copied before anything is said.
  const fresh = await startService(config, { log: silentLog })
  await Promise.all(
    ['manufacturer', 'owner'].map((one) =>
      fresh.services.keyStore.ring(HOME_PARTY).ensure(one, ALL_KINDS),
    ),
  )
  await fresh.stop()
  const data = Object.fromEntries(FILES.map((name) => [name, packFile(join(folder, name))]))

  const draws: Draws = { random: {}, signatures: {} }
  const source = recordingSource(draws)
  const clock = { ...realClock, now: () => now }
  const service = await startService(config, { ...source, clock, log: silentLog })
  const messages: RecordedMessage[] = []
  instrument(service.exchange, source, (request, answer) => {
    if (isFromOutside(request.number)) messages.push(recordedMessage(request, answer))
  })
  const vouchers = options.maker === undefined ? [] : [await makeElsewhere(options.maker, service)]
  for (const pem of vouchers) await importVoucher(service.http ?? '', folder, pem)
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
    vouchers,
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

/** A device of another manufacturer, sold to us; gives its voucher. */
async function makeElsewhere(maker: string, { http, services }: RunningService): Promise<string> {
  const signer = await services.keyStore.ring(HOME_PARTY).signer('owner', 'p256')
  const owner = join(tmpdir(), `firstlight-owner-${process.pid}.pem`)
  const key = signer.key.keyObject as KeyObject
  writeFileSync(owner, key.export({ type: 'spki', format: 'pem' }))
  const env = { ...process.env, FDO_URL: http ?? '', FDO_OWNER: owner }
  const { stdout } = await promisify(execFile)('/bin/sh', ['-c', maker], { env })
  rmSync(owner)
  return stdout
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
  .option('--maker <command>', 'makes the device elsewhere, and prints its voucher')
  .option('--trust <any>', 'FIRSTLIGHT_TRUST, for devices made elsewhere')
  .argument('<command...>', 'what to run')
  .parse()

await record(program.opts<Options>(), program.args)

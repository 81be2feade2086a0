/**
 * The whole story on loopback: a device is made, its voucher reaches its owner, it is powered up,
 * finds its owner, proves itself, and gets a credential that is good for what it may do.
 *
 * Every step is a command a person could type; `--keep` leaves the service running.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const CLI = join(import.meta.dirname, '..', 'src', 'cli', 'main.js')
const keep = process.argv.includes('--keep')
const home = mkdtempSync(join(tmpdir(), 'firstlight-demo-'))
const data = join(home, 'server')
const credential = join(home, 'device', 'credential')
const sandbox = join(home, 'device', 'files')

interface Ready {
  readonly http: string
  readonly https: string
  readonly pid: number
}

interface DeviceView {
  readonly id: string
  readonly guid: string
  readonly state: string
  readonly to0: { readonly state: string; readonly last_error: string | null }
}

const REGISTRATION_DEADLINE_MS = 60_000

async function main(): Promise<void> {
  const service = await startService()
  try {
    await tell(service.ready)
    if (keep) return leaveRunning(service.ready, service.process)
  } finally {
    if (!keep) await stop(service.process)
  }
  rmSync(home, { recursive: true })
}

async function tell(ready: Ready): Promise<void> {
  env['FIRSTLIGHT_URL'] = ready.http
  say('1. The service', [
    `manufacturer, rendezvous and owner in one process (pid ${ready.pid})`,
    `listening on ${ready.http} and ${ready.https}`,
  ])

  const made = await firstlight(
    'device',
    'init',
    '--di',
    ready.http,
    '--credential',
    credential,
    '--serial',
    'SN-0001',
    '--model',
    'demo-camera',
  )
  const guid = String(made['guid'])
  say('2. The factory makes a device (DI)', [
    'serial SN-0001, model demo-camera, its own P-256 key',
    `GUID ${guid}; its ownership voucher names the owner`,
  ])

  const device = await registered(guid)
  say('3. The owner announces where it is (TO0)', [
    `rendezvous: ${device.to0.state}; the device may be powered up now`,
  ])

  const onboarded = await firstlight(
    'device',
    'onboard',
    '--credential',
    credential,
    '--sandbox',
    sandbox,
    '--once',
    '--fast',
  )
  expect(onboarded['result'] === 'onboarded', `onboarding: ${String(onboarded['message'])}`)
  say('4. First power-up: the device finds its owner (TO1) and both prove themselves (TO2)', [
    `onboarded in ${String(onboarded['ms'])} ms`,
    `its GUID is now ${String(onboarded['guid'])}; the old one is worth nothing`,
  ])

  const certificate = readFileSync(join(sandbox, 'identity', 'cert.pem'), 'utf8')
  say('5. Its own credential', [
    `a certificate for ${device.id}, key made on the device, ${certificate.length} bytes of PEM`,
  ])

  const { access_token: token } = await firstlight('device', 'token', '--sandbox', sandbox)
  const who = await callAsDevice(ready.https, '/device/v1/whoami', String(token))
  expect(who.status === 200, `whoami answered ${who.status}`)
  say('6. With it, a short-lived token bound to the certificate', [
    `GET /device/v1/whoami → 200 ${who.body}`,
  ])

  const { access_token: narrow } = await firstlight(
    'device',
    'token',
    '--sandbox',
    sandbox,
    '--scope',
    'device:nothing',
  )
  const refused = await callAsDevice(ready.https, '/device/v1/whoami', String(narrow))
  expect(refused.status === 403, `a call beyond its scopes answered ${refused.status}`)
  say('7. A token without the scope gets nowhere', [
    `GET /device/v1/whoami → 403 ${String((JSON.parse(refused.body) as { code: string }).code)}`,
  ])
}

/** Starts `firstlight serve` on free ports and waits for its ready line. */
async function startService(): Promise<{ process: ChildProcess; ready: Ready }> {
  const service = spawn(process.execPath, [CLI, 'serve'], {
    env: {
      ...process.env,
      FIRSTLIGHT_DATA: data,
      FIRSTLIGHT_PORT: '0',
      FIRSTLIGHT_TLS_PORT: '0',
      FIRSTLIGHT_LOG: 'warn',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: keep,
  })
  const lines = createInterface({ input: service.stdout as NodeJS.ReadableStream })
  for await (const line of lines) {
    const event = JSON.parse(line) as Ready & { event: string }
    if (event.event === 'ready') return { process: service, ready: event }
  }
  throw new Error('the service ended before it was ready')
}

const env: NodeJS.ProcessEnv = { ...process.env, FIRSTLIGHT_DATA: data }

/** One command of the CLI, its JSON document read. */
function firstlight(...args: string[]): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [CLI, ...args, '--json'], { env }, (error, stdout, stderr) => {
      const document = stdout === '' ? {} : (JSON.parse(stdout) as Record<string, unknown>)
      if (error) reject(new Error(`firstlight ${args.join(' ')}: ${stdout}${stderr}`))
      else resolve(document)
    })
  })
}

/** Waits until the device's owner is registered at the rendezvous. */
async function registered(guid: string): Promise<DeviceView> {
  const deadline = Date.now() + REGISTRATION_DEADLINE_MS
  for (;;) {
    const device = (await firstlight('device', 'get', guid)) as unknown as DeviceView
    if (device.state === 'registered') return device
    expect(Date.now() < deadline, `not registered: ${device.to0.last_error}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

function callAsDevice(base: string, path: string, token: string) {
  const file = (name: string) => readFileSync(join(sandbox, 'identity', `${name}.pem`))
  const tls = { key: file('key'), cert: file('cert'), ca: file('ca') }
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}` }
    const call = request(new URL(path, base), { ...tls, headers }, (response) => {
      let body = ''
      response.on('data', (part: Buffer) => (body += part.toString()))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    call.on('error', reject)
    call.end()
  })
}

function leaveRunning(ready: Ready, service: ChildProcess): void {
  say('The service is left running', [
    `${ready.http} and ${ready.https}, pid ${ready.pid}; stop it with: kill ${ready.pid}`,
    `data directory: ${data}`,
    `administrator token: ${join(data, 'admin.token')}`,
    `device: ${join(home, 'device')}`,
  ])
  service.stdout?.destroy()
  service.unref()
}

function stop(service: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    service.once('exit', () => resolve())
    service.kill('SIGTERM')
  })
}

function say(title: string, lines: readonly string[]): void {
  process.stdout.write(`\n${title}\n${lines.map((line) => `   ${line}\n`).join('')}`)
}

function expect(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}

main().catch((error: unknown) => {
  process.stderr.write(
    `\nthe demo failed: ${error instanceof Error ? error.message : String(error)}\n`,
  )
  process.exit(1)
})

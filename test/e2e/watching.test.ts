/** The figures of a service that has something to tell, and the files that are made of them. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { storeLastBackup } from '../../src/operations/backup/store.ts'
import { ROOT } from '../architecture/source-files.ts'
import { certificateOf, ecKey } from '../support/certificates.ts'
import { openDatabase } from '../support/database.ts'
import { until } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'
import { deviceIn, make, powerUp } from '../support/simulated.ts'

const operations = (name: string) => join(ROOT, 'fixtures/operations', name)
const alerts = readFileSync(operations('alerts.yml'), 'utf8')
const dashboard = JSON.parse(readFileSync(operations('dashboard.json'), 'utf8')) as {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[]
}

let folder: string
let world: TestService
let text: string

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-watch-'))
  const key = ecKey()
  writeFileSync(
    join(folder, 'tls.pem'),
    certificatesToPem([certificateOf({ key, subject: 'tls' })]),
  )
  writeFileSync(join(folder, 'tls.key'), key.export({ type: 'pkcs8', format: 'pem' }))
  world = await startTestService({
    FIRSTLIGHT_TLS_PORT: '0',
    FIRSTLIGHT_TLS_CERT: join(folder, 'tls.pem'),
    FIRSTLIGHT_TLS_KEY: join(folder, 'tls.key'),
  })
  const device = deviceIn(folder, 'device')
  const guid = await make(world.service.http ?? '', 'SN-1', device)
  await until('it is registered', async () => {
    const { json } = await world.api('GET', `/api/v1/devices/${guid}`)
    return (json as { state: string }).state === 'registered'
  })
  await powerUp(device)
  const database = await openDatabase(world.service.services.config.databaseFile)
  await database.commit((tx) => storeLastBackup(tx, '2026-01-02T03:04:05.000Z'))
  await database.close()
  await world.api('GET', '/api/v1/no-such-thing')
  await world.api('PROPFIND', '/api/v1/devices')
  text = (await world.api('GET', '/metrics')).body.toString()
}, PATIENCE_MS)
afterAll(async () => {
  await world.remove()
  rmSync(folder, { recursive: true })
})

/** Every name that stands in an expression where a metric may. */
function namesIn(expression: string): string[] {
  const bare = expression.replaceAll(/\{[^}]*\}|\[[^\]]*\]|\b(?:by|on) \([^)]*\)/g, '')
  return bare.match(/\b(?:firstlight|nodejs|process)_\w+/g) ?? []
}

/** `name{label=…}`: what is asked of each. */
function labelsIn(expression: string): [name: string, label: string][] {
  return Array.from(expression.matchAll(/(\w+)\{([^}]*)\}/g)).flatMap(
    ([, name = '', inside = '']) =>
      Array.from(inside.matchAll(/(\w+)\s*[=!]/g), ([, label = '']): [string, string] => [
        name,
        label,
      ]),
  )
}

const GIVEN_BY_PROMETHEUS = new Set(['job', 'instance'])

function expectKnown(expressions: readonly string[]): void {
  const samples = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  const linesOf = (name: string) => samples.filter((line) => /^\w+/.exec(line)?.[0] === name)
  const names = expressions.flatMap(namesIn)
  expect(names.length).toBeGreaterThan(10)
  expect(names.filter((name) => linesOf(name).length === 0)).toEqual([])
  const strangers = expressions
    .flatMap(labelsIn)
    .filter(([name, label]) => name !== 'up' && !GIVEN_BY_PROMETHEUS.has(label))
    .filter(([name, label]) => !linesOf(name).some((line) => line.includes(`${label}="`)))
  expect(strangers).toEqual([])
}

describe('the figures', () => {
  it('tell of runs, signatures, commits, requests, backlogs and what is left', () => {
    for (const protocol of ['DI', 'TO0', 'TO1', 'TO2']) {
      expect(text).toContain(
        `firstlight_fdo_runs_total{protocol="${protocol}",outcome="done",step=""} 1\n`,
      )
    }
    expect(text).toMatch(/^firstlight_signature_seconds_count\{kind="p256",held="memory"\} [1-9]/m)
    expect(text).toMatch(/^firstlight_database_commit_seconds_count [1-9]/m)
    const route = 'method="GET",route="/api/v1/devices/:device",status="200"'
    expect(text).toMatch(
      new RegExp(`^firstlight_http_request_seconds_count\\{${route}\\} [1-9]`, 'm'),
    )
    expect(text).toContain('route="/api/*",status="404"')
    expect(text).toContain('\nfirstlight_to0_due 0\n')
    expect(text).toContain('\nfirstlight_to0_overdue_seconds 0\n')
    expect(text).toContain('\nfirstlight_webhook_backlog 0\n')
    expect(text).toContain(
      `\nfirstlight_last_backup_timestamp_seconds ${Date.UTC(2026, 0, 2, 3, 4, 5) / 1000}\n`,
    )
    expect(text).toMatch(/^firstlight_data_free_bytes [1-9]\d+/m)
    expect(text).toContain('\nfirstlight_tls_refused 0\n')
  })

  it('have no label that a caller could choose', () => {
    expect(text).toMatch(/method="other",route="\/api\/v1\/devices",status="405"/)
    expect(text).not.toMatch(/no-such-thing|PROPFIND/)
  })

  it('are for who may see them', async () => {
    expect((await world.api('GET', '/metrics', { token: null })).status).toBe(401)
  })
})

describe('the files for operators', () => {
  it('ask in alerts for nothing but what there is', () => {
    const expressions = Array.from(alerts.matchAll(/^ +expr: (?:\|\n((?: {10,}.*\n)+)|(.*)\n)/gm))
    expectKnown(expressions.map(([, many = '', one = '']) => many || one))
    expect(alerts.match(/- alert:/g)).toHaveLength(expressions.length)
  })

  it('ask in the dashboard for nothing but what there is', () => {
    expectKnown(dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)))
  })

  const promtool = (args: readonly string[], input?: string) =>
    spawnSync('promtool', args, { input, encoding: 'utf8' })
  const hasPromtool = promtool(['--version']).status === 0
  if (!hasPromtool) console.warn('no promtool (Debian: prometheus): alerts are not checked by it')

  it.skipIf(!hasPromtool)('pass promtool, and so do the figures', () => {
    expect(promtool(['check', 'rules', operations('alerts.yml')])).toMatchObject({ status: 0 })
    const tried = promtool(['test', 'rules', operations('alerts.test.yml')])
    expect(tried).toMatchObject({ status: 0 })
    const checked = promtool(['check', 'metrics'], text)
    expect(checked.stderr + checked.stdout).not.toMatch(/error while linting|firstlight_/)
    expect(checked.status).not.toBe(1)
  })
})

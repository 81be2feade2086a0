/** What `npm run bench -- scale` prints. */
import { type Column, facts, table } from '../../../src/cli/output.ts'
import { type Each, type Pair, cpuOf, growth } from './comparison.ts'
import type { Download } from './download.ts'
import { RENEWAL, WHOLE } from './onboardings.ts'
import type { PowerUp } from './power-up.ts'
import type { Processes } from './processes.ts'
import type { LaidDown } from './rows.ts'
import type { Size } from './sizes.ts'

export type DatabaseName = 'sqlite' | 'postgres'

export interface DatabaseReport {
  readonly database: DatabaseName
  /** Null where all were imported. */
  readonly laidDown: LaidDown | null
  readonly sizes: readonly Size[]
  readonly onboardings: readonly Pair[]
  readonly requests: readonly Pair[]
  readonly imports: Pair
  readonly powerUp: PowerUp
  readonly download: Download
}

export interface ScaleReport {
  readonly version: 1
  readonly count: number
  readonly devices: number
  /** Vouchers imported for a measurement, at each service. */
  readonly sample: number
  readonly databases: readonly DatabaseReport[]
  readonly processes: readonly Processes[]
  /** Why there is no PostgreSQL, and what to do about it. */
  readonly without: string | null
  readonly seconds: number
  readonly node: string
}

/** Of the cost of an onboarding, in per cent. */
const MOST_GROWTH = 10
const NAMES: Record<DatabaseName, string> = { sqlite: 'SQLite', postgres: 'PostgreSQL' }

export function page(report: ScaleReport): string {
  const parts = report.databases.flatMap((one) => databasePage(one, report))
  return [
    ...parts,
    ...(report.databases.length > 1 ? [sideBySide(report.databases), ''] : []),
    ...(report.processes.length > 0 ? [processesTable(report.processes), ''] : []),
    ...(report.without === null ? [] : [`SQLite only: ${report.without}`, '']),
    `after ${Math.round(report.seconds / 60)} minutes`,
  ].join('\n')
}

/** What has grown beyond what is allowed; empty where nothing has. */
export function warnings({ databases }: ScaleReport): readonly string[] {
  return databases.flatMap(({ database, onboardings, powerUp }) => {
    const grown = onboardings
      .filter(({ what }) => what === WHOLE)
      .filter(({ empty, full }) => growth(cpuOf(empty), cpuOf(full)) > MOST_GROWTH)
      .map(
        () => `${NAMES[database]}: an onboarding costs more than a tenth more with that many rows`,
      )
    const lost = powerUp.devices - powerUp.onboarded
    return lost === 0 ? grown : [...grown, `${NAMES[database]}: ${lost} devices were lost`]
  })
}

function databasePage(one: DatabaseReport, { count, sample }: ScaleReport): readonly string[] {
  const name = NAMES[one.database]
  const { laidDown, powerUp, download } = one
  return [
    `${name}: ${rowsPhrase(laidDown, count)}`,
    '',
    sizeTable(one.sizes, count),
    '',
    `${name}: processor time in ms, with few rows, and full: with ${count} vouchers`,
    pairTable([...one.onboardings, one.imports], one.database),
    '',
    `${sample} vouchers imported, each verified: ${perSecond(one.imports.empty)} a second among few, ${perSecond(one.imports.full)} when full`,
    '',
    `${name}: pages of 100 and look-ups, in ms, with few rows, and full`,
    requestTable(one.requests),
    '',
    `${name}: ${powerUp.devices} devices powered up at once, full`,
    facts([
      ['through', `${powerUp.onboarded}, lost: ${reasons(powerUp.lost)}`],
      [
        'time',
        `half after ${seconds(powerUp.seconds.half)}, the last after ${seconds(powerUp.seconds.last)}`,
      ],
      ['put off', `${powerUp.putOff} times with 503, within runs ${powerUp.putOffWithin} times`],
      [
        'began anew',
        `${reasons(powerUp.again)}; the devices' process was late by ${powerUp.lateMs} ms`,
      ],
      ['connections', powerUp.connections],
      ['peak memory', `${powerUp.peakMb} MB`],
      [
        'fdo.download',
        `${download.megabytes} MB at ${shown(download.perSecond)} MB/s, ${shown(download.cpuMs)} ms of processor time a MB`,
      ],
    ]),
    '',
  ]
}

function rowsPhrase(laidDown: LaidDown | null, count: number): string {
  if (!laidDown) return `${count} vouchers, all imported`
  return `${count} vouchers laid down as copies of imported ones in ${seconds(laidDown.seconds)}`
}

function sizeTable(sizes: readonly Size[], count: number): string {
  const total = sizes.reduce((sum, { bytes }) => sum + bytes, 0)
  const large = sizes.filter(({ bytes }) => bytes > total / 500)
  const rows = [...large, { table: 'all', bytes: total } satisfies Size]
  return table(rows, [
    { title: 'TABLE', value: ({ table: name }) => name },
    { title: 'INDEX', value: ({ index }) => index ?? '' },
    { title: 'MB', value: ({ bytes }) => Math.round(bytes / 1e6), right: true },
    { title: 'BYTES A VOUCHER', value: ({ bytes }) => Math.round(bytes / count), right: true },
  ])
}

function pairTable(pairs: readonly Pair[], database: DatabaseName): string {
  const columns: Column<Pair>[] = [
    { title: 'WHAT', value: ({ what }) => what },
    { title: 'SERVICE', value: ({ empty }) => shown(empty.cpuMs), right: true },
    { title: 'FULL', value: ({ full }) => shown(full.cpuMs), right: true },
  ]
  const postgres: Column<Pair>[] = [
    { title: 'POSTGRESQL', value: ({ empty }) => shown(empty.databaseMs), right: true },
    { title: 'FULL', value: ({ full }) => shown(full.databaseMs), right: true },
  ]
  const growing: Column<Pair> = { title: 'GROWTH', value: growthOf, right: true }
  return table(pairs, [...columns, ...(database === 'postgres' ? postgres : []), growing])
}

function growthOf({ empty, full }: Pair): string {
  const percent = growth(cpuOf(empty), cpuOf(full))
  return `${percent > 0 ? '+' : ''}${percent} %`
}

function requestTable(pairs: readonly Pair[]): string {
  return table(pairs, [
    { title: 'WHAT', value: ({ what }) => what },
    { title: 'TIME', value: ({ empty }) => shown(empty.wallMs), right: true },
    { title: 'FULL', value: ({ full }) => shown(full.wallMs), right: true },
    { title: 'CPU', value: ({ empty }) => shown(cpuOf(empty)), right: true },
    { title: 'FULL', value: ({ full }) => shown(cpuOf(full)), right: true },
  ])
}

/** What matters most, once more. */
function sideBySide(databases: readonly DatabaseReport[]): string {
  const bytes = (of: DatabaseReport) => of.sizes.reduce((sum, { bytes }) => sum + bytes, 0)
  const whole = (of: DatabaseReport) => of.onboardings.find(({ what }) => what === WHOLE)
  const cpu = (pair: Pair | undefined) =>
    pair ? `${shown(cpuOf(pair.empty))}, full ${shown(cpuOf(pair.full))} (${growthOf(pair)})` : ''
  const rows: readonly (readonly [what: string, value: (of: DatabaseReport) => string])[] = [
    ['on disk, MB', (of) => String(Math.round(bytes(of) / 1e6))],
    [
      'imported a second',
      ({ imports: { empty, full } }) => `${perSecond(empty)}, full ${perSecond(full)}`,
    ],
    ['onboarding, ms of processor time', (of) => cpu(whole(of))],
    [
      'renewal, ms of processor time',
      (of) => cpu(of.onboardings.find(({ what }) => what === RENEWAL)),
    ],
    [
      'powered up at once, lost',
      ({ powerUp }) => `${powerUp.devices}, ${powerUp.devices - powerUp.onboarded}`,
    ],
    ['the last through after', ({ powerUp }) => seconds(powerUp.seconds.last)],
    ['fdo.download, MB/s', (of) => shown(of.download.perSecond)],
  ]
  return table(rows, [
    { title: 'SIDE BY SIDE', value: ([what]) => what },
    ...databases.map((one) => ({
      title: NAMES[one.database],
      value: ([, value]: (typeof rows)[number]) => value(one),
    })),
  ])
}

function processesTable(processes: readonly Processes[]): string {
  return [
    'PostgreSQL: devices a second, with the load on the same machine',
    table(processes, [
      { title: 'PROCESSES', value: (one) => one.processes, right: true },
      { title: 'MADE (DI)', value: (one) => shown(one.madePerSecond), right: true },
      { title: 'ONBOARDED (TO1, TO2)', value: (one) => shown(one.onboardedPerSecond), right: true },
      { title: 'FAILED', value: (one) => one.failed, right: true },
    ]),
  ].join('\n')
}

function perSecond({ wallMs }: Each): number {
  return Math.round(1000 / wallMs)
}

function seconds(value: number): string {
  return `${Math.round(value)} s`
}

function shown(value: number): string {
  return value.toFixed(2)
}

function reasons(lost: Readonly<Record<string, number>>): string {
  return Object.keys(lost).length === 0 ? 'none' : JSON.stringify(lost)
}

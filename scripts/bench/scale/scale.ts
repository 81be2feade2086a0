/**
 * `npm run bench -- scale`: what a million vouchers in the database change: an import, an onboarding, a
 * list, a look-up; how much room they take; how thousands of devices fare that are powered up at once.
 * On SQLite and on PostgreSQL, one after the other in one run.
 */
import { Command, Option } from 'commander'
import { CliFailure } from '../../../src/cli/failure.ts'
import { progress, reportFailure } from '../../../src/cli/output.ts'
import { type Factory, openFactory } from '../vouchers.ts'
import { download } from './download.ts'
import { type Sample, compareImports, makeSample, takeInAll, takeInModels } from './imports.ts'
import { compareOnboardings } from './onboardings.ts'
import { NoPostgres, type PostgresServer, startPostgres } from './postgres.ts'
import { powerUpAll } from './power-up.ts'
import { measureProcesses } from './processes.ts'
import {
  type DatabaseName,
  type DatabaseReport,
  type ScaleReport,
  page,
  warnings,
} from './report.ts'
import { compareRequests } from './requests.ts'
import { layDown } from './rows.ts'
import { Site } from './site.ts'
import { sizesOf } from './sizes.ts'

interface Options {
  readonly json?: boolean
  readonly count: string
  readonly devices: string
  readonly sample: string
  readonly onboardings: string
  readonly megabytes: string
  readonly database: DatabaseName | 'both'
  readonly importAll?: boolean
}

/** The same as numbers. */
interface Plan {
  readonly count: number
  readonly devices: number
  readonly sample: number
  readonly onboardings: number
  readonly megabytes: number
  readonly importAll: boolean
}

/** PostgreSQL's own is a fraction of what a server with that many rows is given. */
const SHARED_BUFFERS = '1GB'
const REQUESTS = 80
const PROCESSES = [1, 2]

async function measureScale(options: Options): Promise<ScaleReport> {
  const started = performance.now()
  const plan = planOf(options)
  const { postgres, without } = await openPostgres(options.database)
  try {
    const databases = await measureDatabases(options, plan, postgres)
    const processes = []
    for (const many of postgres ? PROCESSES : []) {
      step(`${many} processes`)
      processes.push(await measureProcesses(postgres as PostgresServer, many, plan.onboardings))
    }
    const { count, devices, sample } = plan
    const seconds = (performance.now() - started) / 1000
    return {
      ...{ version: 1, count, devices, sample, databases, processes, without },
      ...{ seconds, node: process.version },
    }
  } finally {
    await postgres?.stop()
  }
}

/** Where there is none, SQLite is measured alone, unless only PostgreSQL is asked for. */
async function openPostgres(wanted: Options['database']) {
  if (wanted === 'sqlite') return { postgres: undefined, without: null }
  try {
    return { postgres: await startPostgres(SHARED_BUFFERS), without: null }
  } catch (error) {
    if (!(error instanceof NoPostgres)) throw error
    if (wanted === 'both') return { postgres: undefined, without: error.message }
    throw new CliFailure('failed', error.message, { next: 'or --database sqlite' })
  }
}

async function measureDatabases(
  { database }: Options,
  plan: Plan,
  postgres: PostgresServer | undefined,
): Promise<readonly DatabaseReport[]> {
  const factory = await openFactory()
  try {
    const sample = await makeSample(factory, plan.sample, progress)
    const measured = []
    if (database !== 'postgres')
      measured.push(await measureOne('sqlite', { factory, sample, plan }))
    if (postgres) measured.push(await measureOne('postgres', { factory, sample, plan, postgres }))
    return measured
  } finally {
    await factory.stop()
  }
}

interface Means {
  readonly factory: Factory
  readonly sample: Sample
  readonly plan: Plan
  readonly postgres?: PostgresServer
}

async function measureOne(database: DatabaseName, means: Means): Promise<DatabaseReport> {
  const { factory, sample, plan, postgres } = means
  const full = await Site.open({ name: 'scale_full', postgres, factory })
  const empty = await Site.open({ name: 'scale_empty', postgres, factory })
  try {
    const laidDown = await fill(full, means)
    const sizes = await sizesOf(full.place)
    await full.start()
    const sites = { empty, full }
    step(`${database}: onboardings`)
    const onboardings = await compareOnboardings(sites, plan.onboardings)
    step(`${database}: lists and look-ups`)
    const requests = await compareRequests(sites, REQUESTS)
    step(`${database}: imports`)
    const imports = await compareImports(sites, sample)
    step(`${database}: ${plan.devices} devices powered up at once`)
    const powerUp = await powerUpAll(full, plan.devices)
    step(`${database}: fdo.download`)
    const sent = await download(full, plan.megabytes)
    return { database, laidDown, sizes, onboardings, requests, imports, powerUp, download: sent }
  } finally {
    await empty.remove()
    await full.remove()
  }
}

/** Leaves the service stopped. */
async function fill(full: Site, { factory, plan, postgres }: Means) {
  const { count, importAll } = plan
  if (importAll) await takeInAll(full, { factory, count }, progress)
  else await takeInModels(full, factory)
  await full.stop()
  const laidDown = importAll ? null : await layDown(full.place, count, progress)
  postgres?.vacuum(full.place)
  return laidDown
}

function step(label: string): void {
  process.stderr.write(`${label}\n`)
}

function planOf({ importAll = false, ...options }: Options): Plan {
  return {
    count: positive(options.count, '--count'),
    devices: positive(options.devices, '--devices'),
    sample: positive(options.sample, '--sample'),
    onboardings: positive(options.onboardings, '--onboardings'),
    megabytes: positive(options.megabytes, '--megabytes'),
    importAll,
  }
}

function positive(text: string, flag: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new CliFailure('usage', `${flag}: not a positive number: ${text}`)
}

const options = new Command('scale')
  .option('--json', 'one JSON document on stdout')
  .option('--count <n>', 'how many vouchers there are', '1000000')
  .option('--devices <n>', 'how many devices are powered up at once', '10000')
  .option('--sample <n>', 'how many vouchers are imported, few and many being there', '20000')
  .option('--onboardings <n>', 'how many devices are onboarded, few and many being there', '2000')
  .option('--megabytes <n>', 'how large a file is sent to a device', '100')
  .option('--import-all', 'import all vouchers, instead of laying down copies of a few: hours')
  .addOption(
    new Option('--database <which>', 'sqlite, postgres or both')
      .choices(['sqlite', 'postgres', 'both'])
      .default('both'),
  )
  .parse(process.argv.slice(3), { from: 'user' })
  .opts<Options>()

try {
  const report = await measureScale(options)
  process.stdout.write(`${options.json ? JSON.stringify(report) : page(report)}\n`)
  for (const warning of warnings(report)) process.stderr.write(`warning: ${warning}\n`)
} catch (error) {
  reportFailure(error, options.json ?? false)
}

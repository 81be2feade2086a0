/** Looks an installation over, whether it runs or not, and changes nothing. */
import type { Clock } from '../../clock.ts'
import { type Config, databasePlace, isWildcard } from '../../config.ts'
import { dumpOf } from '../../database/dump.ts'
import { openDatabase } from '../../database/open.ts'
import {
  checkBackup,
  checkClockBehind,
  checkDatabase,
  checkKeys,
  checkRegistrations,
} from './database.ts'
import { checkDisk, checkPermissions } from './files.ts'
import { type Finding, findings, reasonOf } from './finding.ts'
import { checkPorts, checkPublicUrl, checkTls } from './listeners.ts'
import { checkRendezvous } from './rendezvous.ts'
import { checkTrust } from './trust.ts'

export interface Examination {
  readonly config: Config
  readonly clock: Clock
  /** How old the last back-up may be. */
  readonly backupSeconds: number
}

export async function examine(examination: Examination): Promise<readonly Finding[]> {
  const { config, clock } = examination
  const now = clock.now()
  const { found: ports, isRunning } = await checkPorts(config)
  const { found: database, isCurrent } = await checkDatabase(
    config,
    await dumpOf(databasePlace(config)),
  )
  return [
    ...checkPermissions(config),
    ...(await attempted('disk', () => checkDisk(config))),
    ...ports,
    ...(isRunning ? await attempted('TLS', () => checkTls(config, now)) : []),
    ...(await attempted('public URL', () => checkPublicUrl(config, isRunning))),
    ...(await attempted('trust', () => checkTrust(config, now))),
    ...database,
    ...(isCurrent ? await attempted('database', () => inDatabase(examination, isRunning)) : []),
  ]
}

async function inDatabase(
  { config, clock, backupSeconds }: Examination,
  isRunning: boolean,
): Promise<Finding[]> {
  const database = await openDatabase(databasePlace(config))
  const services = { database, clock }
  try {
    const publicUrl = publicUrlOf(config)
    return [
      ...(await attempted('keys', () => checkKeys(config, services))),
      ...(await attempted('clock', () => checkClockBehind(services))),
      ...(publicUrl === undefined
        ? [findings('rendezvous').skipped('no port is set, so that there is no address to go by')]
        : await attempted('rendezvous', () =>
            checkRendezvous({ ...services, config, publicUrl, isRunning }),
          )),
      ...(await attempted('registrations', () => checkRegistrations(services))),
      ...(await attempted('back-up', () => checkBackup(services, backupSeconds))),
    ]
  } finally {
    await database.close()
  }
}

/** A check that fails itself is a finding, and keeps no other from being made. */
async function attempted(check: string, work: () => Finding[] | Promise<Finding[]>) {
  try {
    return await work()
  } catch (error) {
    const next = 'this check could not be made: look at what it says'
    return [findings(check).problem(reasonOf(error), next)]
  }
}

/** As the service will say it; undefined where that depends on which port is free. */
function publicUrlOf({ publicUrl, hosts, port, tlsPort }: Config): string | undefined {
  if (publicUrl !== undefined) return publicUrl
  const host = hosts.find((one) => !isWildcard(one)) ?? '127.0.0.1'
  if (port) return `http://${host}:${port}`
  return port === undefined && tlsPort ? `https://${host}:${tlsPort}` : undefined
}

/** What lives long, built from the configuration, and closed again. Part of the composition root. */
import { accessSync, constants, existsSync, mkdirSync } from 'node:fs'
import { ApiTokens } from '../api-tokens/service.ts'
import { AuditLog } from '../audit/log.ts'
import { MachineClients } from '../callers/clients/service.ts'
import { IdentityProviders } from '../callers/providers/service.ts'
import { realClock } from '../clock.ts'
import { type Config, databasePlace } from '../config.ts'
import { isOnPostgres } from '../database/connection.ts'
import { DatabaseInUse } from '../database/in-use.ts'
import { MigrationRefused } from '../database/upgrade.ts'
import { openDatabase } from '../database/open.ts'
import { DatabaseUnavailable } from '../database/unavailable.ts'
import { createEvents } from '../events.ts'
import { Leases } from '../leases/leases.ts'
import type { Load } from '../load.ts'
import { type Log, createLog } from '../log.ts'
import { type Colleagues, Metrics } from '../metrics.ts'
import { Outbound } from '../outbound/outbound.ts'
import { OutboundPolicy } from '../outbound/policy.ts'
import { Parties } from '../parties/service.ts'
import { pooledRandomBytes } from '../randomness.ts'
import type { ExternalKeys } from '../secrets/external-keys.ts'
import { KeyStore, type KeyStoreServices } from '../secrets/key-store.ts'
import { StartRefused, checkMasterKey, hasMasterKey, loadMasterKey } from '../secrets/master-key.ts'
import { openTokenKeys } from '../secrets/pkcs11/keys.ts'
import { Sealer } from '../secrets/seal.ts'
import type { Services } from '../services.ts'
import { Tracer } from '../tracing/tracer.ts'
import { measured, signatureTimes } from './gauges/measured.ts'

/** What tests put in the place of the real thing. */
export type Fakes = Partial<
  Pick<Services, 'clock' | 'randomBytes' | 'log'> & Pick<KeyStoreServices, 'signerOf'>
> & {
  readonly load?: Load
}

/** Everything that lives long, and what it stands on. Throws StartRefused. */
export async function openServices(
  config: Config,
  fakes: Fakes,
  colleagues?: Colleagues,
): Promise<Services> {
  openDataDirectory(config.dataDir)
  const { databaseUrl, databaseFile, databaseConnections: connections } = config
  const masterKeyOf = (isUsed: boolean) => loadMasterKey(config.masterKeyFile, isUsed)
  // Whether a database elsewhere has been used before, only it knows.
  const masterKey = databaseUrl === undefined ? masterKeyOf(existsSync(databaseFile)) : undefined
  const { log = createLog(config.logLevel) } = fakes
  const database = await openDatabase(databasePlace(config), { connections }).catch(refused)
  let external: ExternalKeys | undefined
  try {
    const opened = new Sealer(masterKey ?? masterKeyOf(await hasMasterKey(database)))
    const sealer = await checkMasterKey(database, opened, config.masterKeyFile)
    external = config.pkcs11 && (await openTokenKeys(config.pkcs11, { log }))
    const ground = { database, sealer, log, external, colleagues }
    return await servicesOver(ground, config, fakes)
  } catch (error) {
    await external?.stop()
    await database.close()
    throw error
  }
}

function openDataDirectory(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const next = 'a folder that whoever runs the service may read and write'
    throw new StartRefused(`FIRSTLIGHT_DATA: ${reason}: name ${next}`, { cause })
  }
}

/** What is wrong with the database, or behind DATABASE_URL, is for the administrator to put right. */
function refused(cause: unknown): never {
  if (cause instanceof MigrationRefused) throw new StartRefused(cause.message, { cause })
  if (!(cause instanceof DatabaseUnavailable || cause instanceof DatabaseInUse)) throw cause
  throw new StartRefused(`DATABASE_URL: ${cause.message}`, { cause })
}

export async function closeServices(services: Services): Promise<void> {
  const { keyStore, database, tracer, leases } = services
  await leases?.stop()
  await tracer?.stop()
  await keyStore.close()
  await database.close()
}

interface Ground extends Pick<KeyStoreServices, 'database' | 'sealer' | 'external'> {
  readonly log: Log
  readonly colleagues: Colleagues | undefined
}

async function servicesOver(
  { sealer, log, external, colleagues, ...ground }: Ground,
  config: Config,
  fakes: Fakes,
): Promise<Services> {
  const { clock = realClock } = fakes
  const metrics = new Metrics(colleagues)
  const database = measured(ground.database, metrics)
  const events = createEvents(log, metrics)
  const audit = new AuditLog({ clock })
  const parties = await Parties.open({ database, clock, audit })
  const outbound = new Outbound(new OutboundPolicy(config))
  return {
    config,
    clock,
    log,
    metrics,
    tracer: config.tracing && new Tracer({ clock, log, settings: config.tracing }),
    events,
    audit,
    database,
    leases: isOnPostgres(database.db) ? new Leases({ database, clock, log }) : undefined,
    sealer,
    randomBytes: fakes.randomBytes ?? pooledRandomBytes(),
    keyStore: await KeyStore.open({
      ...{ database, clock, sealer, external },
      signatures: signatureTimes(metrics),
      ...(fakes.signerOf && { signerOf: fakes.signerOf }),
    }),
    parties,
    apiTokens: new ApiTokens({ database, clock, events, audit, parties }),
    machines: new MachineClients({ database, clock, events, audit, parties }),
    identityProviders: new IdentityProviders({
      ...{ database, clock, log, events, audit, parties, outbound },
    }),
    outbound,
  }
}

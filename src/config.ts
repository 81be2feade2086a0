/**
 * Environment and file → typed Config. An unknown variable or a bad value stops the start with a
 * message that names it.
 */
import { existsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join, resolve } from 'node:path'
import type { z } from 'zod'
import { type ConfigFile, NO_FILE, readConfigFile } from './config-file.ts'
import { OTHER_VARIABLES, ROLES, VARIABLES, isOurs } from './config-variables.ts'
import type { LOG_LEVELS } from './log.ts'
import { type TracingSettings, tracingFrom } from './tracing/settings.ts'

export type RoleName = (typeof ROLES)[number]

/** A mistake in the configuration; the message names the variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

export interface Config {
  readonly dataDir: string
  readonly databaseFile: string
  /** Undefined: the file. */
  readonly databaseUrl: string | undefined
  readonly databaseConnections: number
  /** How many processes are this service. */
  readonly processes: number
  readonly masterKeyFile: string
  readonly adminTokenFile: string
  /** Where the root of our own CA is written for others to trust. */
  readonly caFile: string
  readonly roles: readonly RoleName[]
  readonly hosts: readonly string[]
  readonly port: number | undefined
  readonly tlsPort: number | undefined
  readonly tlsFiles: { readonly cert: string; readonly key: string } | undefined
  /** What clients see where they reach us over TLS, in our place or a proxy's: undefined for our own. */
  readonly serverCertificateFile: string | undefined
  readonly publicUrl: string | undefined
  readonly trustedProxies: {
    readonly addresses: readonly string[]
    /** In lower case. */
    readonly certificateHeader: string | undefined
  }
  /** Where keys are held elsewhere. */
  readonly pkcs11:
    { readonly module: string; readonly token: string; readonly pinFile: string } | undefined
  readonly drainSeconds: number
  readonly logLevel: (typeof LOG_LEVELS)[number]
  readonly diAllow: readonly string[]
  readonly diClientCaFile: string | undefined
  readonly uniqueSerials: boolean
  /** `self`, `none` or a file. */
  readonly firstOwner: string
  /** `any` or a file; undefined: our own CA only. */
  readonly trust: string | undefined
  /** What is asked of a rendezvous. */
  readonly to0Seconds: number
  /** Undefined: as it befits where this service is reached itself. See outbound/policy.ts. */
  readonly outboundAllow: readonly string[] | undefined
  /** Where traces go, by OpenTelemetry's own variables. */
  readonly tracing: TracingSettings | undefined
}

/** Of each process, unless it is told; */
const MOST_CONNECTIONS = 10
const FEWEST_CONNECTIONS = 2
/** and of all of them, lest they are more than PostgreSQL takes without being told. */
const ALL_CONNECTIONS = 70

type Environment = Readonly<Record<string, string | undefined>>

/** The environment wins over the file. Throws ConfigError. */
export function loadConfig(environment: Environment, file?: string): Config {
  const fromFile = file === undefined ? NO_FILE : read(file)
  const fromEnvironment = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) => isOurs(name) && !!value && !OTHER_VARIABLES.includes(name),
    ),
  )
  const parsed = VARIABLES.safeParse({ ...fromFile.variables, ...fromEnvironment })
  if (parsed.success) return { ...configOf(parsed.data), tracing: tracingOf(environment) }
  const mistakes = parsed.error.issues.flatMap(describe).map(([variable, what]) => {
    const isFromFile = variable in fromFile.variables && !(variable in fromEnvironment)
    return `${isFromFile ? `${fromFile.placeOf(variable)}: ` : ''}${variable}: ${what}`
  })
  throw new ConfigError(mistakes.join('\n'))
}

function read(file: string): ConfigFile {
  try {
    return readConfigFile(file)
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function tracingOf(environment: Environment): Config['tracing'] {
  try {
    return tracingFrom(environment)
  } catch (cause) {
    throw new ConfigError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function configOf(variables: z.output<typeof VARIABLES>): Omit<Config, 'tracing'> {
  const dataDir = resolve(variables.FIRSTLIGHT_DATA)
  const config: Omit<Config, 'tracing'> = {
    dataDir,
    databaseFile: join(dataDir, 'firstlight.sqlite'),
    databaseUrl: variables.DATABASE_URL,
    ...processesOf(variables),
    masterKeyFile: resolve(variables.FIRSTLIGHT_MASTER_KEY_FILE ?? join(dataDir, 'master.key')),
    adminTokenFile: join(dataDir, 'admin.token'),
    caFile: join(dataDir, 'ca.pem'),
    roles: ROLES.filter((role) => variables.FIRSTLIGHT_ROLES.includes(role)),
    hosts: variables.FIRSTLIGHT_HOST,
    port: variables.FIRSTLIGHT_PORT,
    tlsPort: variables.FIRSTLIGHT_TLS_PORT,
    ...tlsFilesOf(variables),
    publicUrl: variables.FIRSTLIGHT_PUBLIC_URL,
    trustedProxies: proxiesOf(variables),
    pkcs11: pkcs11Of(variables),
    drainSeconds: variables.FIRSTLIGHT_DRAIN_SECONDS,
    logLevel: variables.FIRSTLIGHT_LOG,
    diAllow: variables.FIRSTLIGHT_DI_ALLOW,
    diClientCaFile: existingFile('FIRSTLIGHT_DI_CLIENT_CA', variables.FIRSTLIGHT_DI_CLIENT_CA),
    uniqueSerials: variables.FIRSTLIGHT_UNIQUE_SERIALS,
    firstOwner: wordOrFile(
      'FIRSTLIGHT_FIRST_OWNER',
      variables.FIRSTLIGHT_FIRST_OWNER,
      'self',
      'none',
    ),
    trust:
      variables.FIRSTLIGHT_TRUST &&
      wordOrFile('FIRSTLIGHT_TRUST', variables.FIRSTLIGHT_TRUST, 'any'),
    to0Seconds: variables.FIRSTLIGHT_TO0_SECONDS,
    outboundAllow: variables.FIRSTLIGHT_OUTBOUND_ALLOW,
  }
  if (config.port === undefined && config.tlsPort === undefined) {
    throw new ConfigError('FIRSTLIGHT_PORT and FIRSTLIGHT_TLS_PORT: one of them must not be off')
  }
  if (config.publicUrl !== undefined && isWildcard(new URL(config.publicUrl).hostname)) {
    throw new ConfigError('FIRSTLIGHT_PUBLIC_URL: the host as devices reach it, not a wildcard')
  }
  if (config.hosts.some(isWildcard) && config.publicUrl === undefined) {
    throw new ConfigError(
      'FIRSTLIGHT_PUBLIC_URL: must be set where FIRSTLIGHT_HOST is a wildcard, since devices are told it',
    )
  }
  return config
}

/** The variable, and what is wrong with it. */
function describe(issue: z.core.$ZodIssue): (readonly [string, string])[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => [name, 'no such variable'] as const)
  }
  return [[String(issue.path[0]), issue.message]]
}

function proxiesOf(variables: z.output<typeof VARIABLES>): Config['trustedProxies'] {
  const addresses = variables.FIRSTLIGHT_TRUSTED_PROXIES
  const certificateHeader = variables.FIRSTLIGHT_PROXY_CERTIFICATE_HEADER
  if (certificateHeader !== undefined && addresses.length === 0) {
    throw new ConfigError(
      'FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: FIRSTLIGHT_TRUSTED_PROXIES must say whose it is',
    )
  }
  return { addresses, certificateHeader }
}

/** One for each core, where the database bears it. */
function processesOf(
  variables: z.output<typeof VARIABLES>,
): Pick<Config, 'processes' | 'databaseConnections'> {
  const isShared = variables.DATABASE_URL !== undefined
  const processes = variables.FIRSTLIGHT_PROCESSES ?? (isShared ? availableParallelism() : 1)
  if (processes > 1 && !isShared) {
    throw new ConfigError(
      'FIRSTLIGHT_PROCESSES: more than 1 need PostgreSQL (DATABASE_URL), since a SQLite database has one writer',
    )
  }
  const fair = Math.max(FEWEST_CONNECTIONS, Math.floor(ALL_CONNECTIONS / processes))
  const databaseConnections = variables.FIRSTLIGHT_DATABASE_POOL ?? Math.min(MOST_CONNECTIONS, fair)
  return { processes, databaseConnections }
}

/** A certificate without its key is a proxy's. */
function tlsFilesOf(
  variables: z.output<typeof VARIABLES>,
): Pick<Config, 'tlsFiles' | 'serverCertificateFile'> {
  const cert = existingFile('FIRSTLIGHT_TLS_CERT', variables.FIRSTLIGHT_TLS_CERT)
  const key = existingFile('FIRSTLIGHT_TLS_KEY', variables.FIRSTLIGHT_TLS_KEY)
  const isProxys = key === undefined && variables.FIRSTLIGHT_TLS_PORT === undefined
  if (cert !== undefined && key !== undefined) {
    return { tlsFiles: { cert, key }, serverCertificateFile: cert }
  }
  if (isProxys || (cert === undefined && key === undefined)) {
    return { tlsFiles: undefined, serverCertificateFile: cert }
  }
  throw new ConfigError('FIRSTLIGHT_TLS_CERT and FIRSTLIGHT_TLS_KEY: set both, or neither')
}

function pkcs11Of(variables: z.output<typeof VARIABLES>): Config['pkcs11'] {
  const module = existingFile('FIRSTLIGHT_PKCS11_MODULE', variables.FIRSTLIGHT_PKCS11_MODULE)
  const token = variables.FIRSTLIGHT_PKCS11_TOKEN
  const pinFile = existingFile('FIRSTLIGHT_PKCS11_PIN_FILE', variables.FIRSTLIGHT_PKCS11_PIN_FILE)
  if (module && token && pinFile) return { module, token, pinFile }
  if (!module && !token && !pinFile) return undefined
  throw new ConfigError(
    'FIRSTLIGHT_PKCS11_MODULE, FIRSTLIGHT_PKCS11_TOKEN and FIRSTLIGHT_PKCS11_PIN_FILE: set all three, or none',
  )
}

function existingFile(variable: string, file: string | undefined): string | undefined {
  if (file === undefined) return undefined
  if (!existsSync(file)) throw new ConfigError(`${variable}: there is no file ${file}`)
  return resolve(file)
}

function wordOrFile(variable: string, value: string, ...words: readonly string[]): string {
  if (words.includes(value)) return value
  if (!existsSync(value)) {
    throw new ConfigError(`${variable}: neither ${words.join(' nor ')} nor a file: ${value}`)
  }
  return resolve(value)
}

/** Listens on every address, and so is none that a device could be told. */
export function isWildcard(host: string): boolean {
  return ['0.0.0.0', '::', '[::]'].includes(host)
}

/** What openDatabase takes. */
export function databasePlace({
  databaseUrl,
  databaseFile,
}: Pick<Config, 'databaseUrl' | 'databaseFile'>): string {
  return databaseUrl ?? databaseFile
}

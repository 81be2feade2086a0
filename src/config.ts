/**
 * Environment and file → typed Config. Every variable and every default is in the table below; an
 * unknown variable or a bad value stops the start with a message that names it.
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { isRange } from './addresses.ts'
import { type ConfigFile, NO_FILE, readConfigFile } from './config-file.ts'
import { LOG_LEVELS } from './log.ts'
import { type TracingSettings, tracingFrom } from './tracing/settings.ts'

const ROLES = ['manufacturer', 'rendezvous', 'owner'] as const
export type RoleName = (typeof ROLES)[number]

/** A mistake in the configuration; the message names the variable. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
)
const path = z.string().min(1)
const port = z.union([
  z.literal('off').transform(() => undefined),
  z
    .string()
    .regex(/^\d+$/, 'a port number, 0 for any that is free, or off')
    .transform(Number)
    .pipe(z.number().max(65_535)),
])
const ranges = list.pipe(
  z.array(z.string().refine(isRange, 'addresses or ranges such as 10.0.0.0/8')),
)
/** A forwarding header says who called, not what they showed. */
const headerName = z
  .string()
  .regex(/^(?!x-forwarded|x-real-ip$|forwarded$)[a-z][a-z0-9-]*$/i, 'a header such as Client-Cert')
  .transform((text) => text.toLowerCase())
const flag = z.enum(['0', '1']).transform((text) => text === '1')
const url = z.url({ protocol: /^https?$/ }).transform((text) => text.replace(/\/+$/, ''))

/** FIRSTLIGHT_… in the environment; in the file the same names in lower case without that prefix. */
const VARIABLES = z.strictObject({
  FIRSTLIGHT_DATA: path.default('./data'),
  FIRSTLIGHT_ROLES: list.pipe(z.array(z.enum(ROLES)).min(1)).prefault(ROLES.join()),
  FIRSTLIGHT_HOST: list.pipe(z.array(z.string()).min(1)).prefault('127.0.0.1'),
  FIRSTLIGHT_PORT: port.prefault('8080'),
  FIRSTLIGHT_TLS_PORT: port.prefault('8443'),
  FIRSTLIGHT_TLS_CERT: path.optional(),
  FIRSTLIGHT_TLS_KEY: path.optional(),
  /** Where devices and owners reach this service; as bound, unless that is a wildcard. */
  FIRSTLIGHT_PUBLIC_URL: url.optional(),
  /** Whose Forwarded and X-Forwarded-For headers are believed, */
  FIRSTLIGHT_TRUSTED_PROXIES: ranges.prefault(''),
  /** and in which header they hand on a client's certificate. */
  FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: headerName.optional(),
  FIRSTLIGHT_MASTER_KEY_FILE: path.optional(),
  /** A token with keys in it: its PKCS#11 module, its label, and a file with its PIN. */
  FIRSTLIGHT_PKCS11_MODULE: path.optional(),
  FIRSTLIGHT_PKCS11_TOKEN: path.optional(),
  FIRSTLIGHT_PKCS11_PIN_FILE: path.optional(),
  FIRSTLIGHT_LOG: z.enum(LOG_LEVELS).default('info'),

  /** Who may speak DI, */
  FIRSTLIGHT_DI_ALLOW: ranges.prefault('127.0.0.0/8,::1/128'),
  /** and, if set, whose certificate they must show: a PEM file of CAs. */
  FIRSTLIGHT_DI_CLIENT_CA: path.optional(),
  /** Refuses a second device key under a serial number that is known. */
  FIRSTLIGHT_UNIQUE_SERIALS: flag.prefault('0'),
  /** To whom DI extends a voucher: self, none, or a PEM file of public keys or certificates. */
  FIRSTLIGHT_FIRST_OWNER: path.default('self'),
  /** Device CAs accepted beside our own: any, or a PEM file. */
  FIRSTLIGHT_TRUST: path.optional(),

  /** For how long vouchers are to be registered, in seconds: a rendezvous may grant less. */
  FIRSTLIGHT_TO0_SECONDS: z
    .string()
    .regex(/^\d+$/, 'seconds')
    .transform(Number)
    .pipe(z.number().min(60).max(0xffff_ffff))
    .prefault('2592000'),

  /** Addresses that are not public, and may yet be connected to where somebody else named them. */
  FIRSTLIGHT_OUTBOUND_ALLOW: ranges.optional(),
})

/** The variables of the commands that call a service: known, and not the service's business. */
const CLIENT_VARIABLES = [
  'FIRSTLIGHT_URL',
  'FIRSTLIGHT_TOKEN',
  'FIRSTLIGHT_TOKEN_FILE',
  'FIRSTLIGHT_CA',
]

export interface Config {
  readonly dataDir: string
  readonly databaseFile: string
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

type Environment = Readonly<Record<string, string | undefined>>

/** The environment wins over the file. Throws ConfigError. */
export function loadConfig(environment: Environment, file?: string): Config {
  const fromFile = file === undefined ? NO_FILE : read(file)
  const fromEnvironment = Object.fromEntries(
    Object.entries(environment).filter(
      ([name, value]) =>
        name.startsWith('FIRSTLIGHT_') && !!value && !CLIENT_VARIABLES.includes(name),
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

/** Every setting there is: by its name in the environment, what it may be, and what it is without one. */
import { z } from 'zod'
import { isRange } from './addresses.ts'
import { LOG_LEVELS } from './log.ts'

export const ROLES = ['manufacturer', 'rendezvous', 'owner'] as const

const list = z.string().transform((text) =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== ''),
)
const path = z.string().min(1)
const port = z
  .string()
  .regex(/^(off|\d+)$/, 'a port number, 0 for any that is free, or off')
  .transform((text) => (text === 'off' ? undefined : Number(text)))
  .pipe(z.number().max(65_535).optional())
const ranges = list.pipe(
  z.array(z.string().refine(isRange, 'addresses or ranges such as 10.0.0.0/8')),
)
/** A forwarding header says who called, not what they showed. */
const headerName = z
  .string()
  .regex(/^(?!x-forwarded|x-real-ip$|forwarded$)[a-z][a-z0-9-]*$/i, 'a header such as Client-Cert')
  .transform((text) => text.toLowerCase())
const flag = z.enum(['0', '1']).transform((text) => text === '1')
const url = z
  .url({ protocol: /^https?$/, error: 'an address such as https://fdo.example.com' })
  .transform((text) => text.replace(/\/+$/, ''))

/**
 * FIRSTLIGHT_… in the environment, and DATABASE_URL; in the file the same names in lower case without
 * that prefix.
 */
export const VARIABLES = z.strictObject({
  FIRSTLIGHT_DATA: path.default('./data'),
  /** A PostgreSQL database; without it SQLite, below the data directory. */
  DATABASE_URL: z.string().refine(isPostgresUrl, 'postgres://USER@HOST/DATABASE').optional(),
  /** How many connections to it at most, each process. */
  FIRSTLIGHT_DATABASE_POOL: z
    .string()
    .regex(/^\d+$/, 'a number of connections')
    .transform(Number)
    .pipe(z.number().min(2).max(1000))
    .optional(),
  /** How many processes answer, on PostgreSQL. */
  FIRSTLIGHT_PROCESSES: z
    .string()
    .regex(/^\d+$/, 'a number of processes')
    .transform(Number)
    .pipe(z.number().min(1).max(1000))
    .optional(),
  FIRSTLIGHT_ROLES: list.pipe(z.array(z.enum(ROLES)).min(1)).prefault(ROLES.join()),
  FIRSTLIGHT_HOST: list.pipe(z.array(z.string()).min(1)).prefault('127.0.0.1'),
  FIRSTLIGHT_PORT: port.prefault('8080'),
  FIRSTLIGHT_TLS_PORT: port.prefault('8443'),
  FIRSTLIGHT_TLS_CERT: path.optional(),
  FIRSTLIGHT_TLS_KEY: path.optional(),
  /** Where devices and owners reach this service; as bound, unless that is a wildcard. */
  FIRSTLIGHT_PUBLIC_URL: url.optional(),
  /** Whose X-Forwarded-For and X-Forwarded-Proto headers are believed, */
  FIRSTLIGHT_TRUSTED_PROXIES: ranges.prefault(''),
  /** and in which header they hand on a client's certificate. */
  FIRSTLIGHT_PROXY_CERTIFICATE_HEADER: headerName.optional(),
  FIRSTLIGHT_MASTER_KEY_FILE: path.optional(),
  /** A token with keys in it: its PKCS#11 module, its label, and a file with its PIN. */
  FIRSTLIGHT_PKCS11_MODULE: path.optional(),
  FIRSTLIGHT_PKCS11_TOKEN: path.optional(),
  FIRSTLIGHT_PKCS11_PIN_FILE: path.optional(),
  /** For how many seconds, once told to stop, it goes on and says that it is not ready. */
  FIRSTLIGHT_DRAIN_SECONDS: z
    .string()
    .regex(/^\d+$/, 'seconds')
    .transform(Number)
    .pipe(z.number().max(3_600))
    .prefault('0'),
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

/** Of the commands that call a service, and of our tests: known, and not the service's business. */
export const OTHER_VARIABLES = [
  'FIRSTLIGHT_URL',
  'FIRSTLIGHT_TOKEN',
  'FIRSTLIGHT_TOKEN_FILE',
  'FIRSTLIGHT_CA',
  'FIRSTLIGHT_TEST_DATABASE_URL',
]

/** By the name that every host of PostgreSQL gives it. */
const DATABASE_URL = 'DATABASE_URL'
const PREFIX = 'FIRSTLIGHT_'

export function isOurs(name: string): boolean {
  return name.startsWith(PREFIX) || name === DATABASE_URL
}

/** What a file's member is called in the environment, and the other way round. */
export function variableOf(member: string): string {
  const name = member.toUpperCase()
  return name === DATABASE_URL ? name : PREFIX + name
}

export function memberOf(variable: string): string {
  const name = variable === DATABASE_URL ? variable : variable.slice(PREFIX.length)
  return name.toLowerCase()
}

function isPostgresUrl(text: string): boolean {
  return /^postgres(ql)?:\/\//.test(text) && URL.canParse(text)
}

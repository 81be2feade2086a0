/** The layer rule: arrows point down, and each outside package has one owner. */
import { basename } from 'node:path'
import { type SourceFile, withoutComments } from './source-files.ts'

/** Top to bottom; those in one row may import each other. */
const LAYERS: readonly (readonly string[])[] = [
  ['scripts'],
  ['src/cli', 'src/simulator', 'src/fleet'],
  ['src/processes'],
  ['src/main.ts'],
  ['src/composition'],
  ['src/operations'],
  ['src/onboarding'],
  ['src/manufacturing', 'src/rendezvous', 'src/transfer'],
  ['src/devices'],
  ['src/vouchers'],
  ['src/bundles'],
  ['src/tokens'],
  ['src/pki'],
  [
    ...['src/api-tokens', 'src/callers', 'src/keys', 'src/settings', 'src/webhooks'],
    'src/services.ts',
  ],
  ['src/parties'],
  ['src/events.ts'],
  ['src/audit'],
  ['src/fdo', 'src/http', 'src/outbound'],
  ['src/secrets', 'src/destinations', 'src/leases'],
  ['src/database'],
  ['src/config.ts', 'src/metrics.ts'],
  ['src/config-file.ts'],
  ['src/config-variables.ts'],
  ['src/tracing'],
  ['src/log.ts'],
  ['src/measures.ts', 'src/figures.ts'],
  [
    'src/alarm.ts',
    'src/clock.ts',
    'src/randomness.ts',
    'src/addresses.ts',
    'src/load.ts',
    'src/response.ts',
    'src/retry-after.ts',
    'src/slots.ts',
    'src/prefixes.ts',
  ],
  ['protocol'],
]

/** Programs talk to the service from outside. What of it they may import, and who may more. */
const PROGRAMS = ['src/cli', 'src/simulator', 'src/fleet']
const FOR_PROGRAMS = [
  'src/fdo/client.ts',
  'src/tracing',
  // Who checks a log does so without the service.
  'src/audit/entry.ts',
  'src/audit/head.ts',
  'src/audit/lines.ts',
  'src/audit/missed.ts',
  'src/audit/verify.ts',
  'protocol',
  ...PROGRAMS,
]
const PROGRAMS_OF_THE_SERVER = [
  'src/cli/commands/serve.ts',
  'src/cli/commands/token.ts',
  'src/cli/data-options.ts',
  'src/cli/commands/backup.ts',
  'src/cli/commands/restore.ts',
  'src/cli/commands/master-key.ts',
  'src/cli/commands/doctor.ts',
]

/** Inside a domain, top to bottom. */
const PARTS = ['routes.ts', 'service.ts', 'store.ts']

/** Packages that only one place may know. */
const OWNERS: Readonly<Record<string, RegExp>> = {
  'cbor-x': /^protocol\/cbor\/cbor\.ts$/,
  'better-sqlite3': /^src\/database\/sqlite\//,
  pg: /^src\/database\/postgres\//,
  kysely: /^src\/(database\/|.*\/store\.ts$)/,
  '@hono/zod-openapi': /^src\/(http\/|.*\/(routes|view)\.ts$)/,
  zod: /^src\/(http\/|config(-file|-variables)?\.ts$)/,
  hono: /^src\/(http\/|composition\/domains\.ts$|.*\/routes\.ts$)/,
  '@hono/node-server': /^src\/(http\/|main\.ts$|.*\/routes\.ts$)/,
  '@peculiar/': /^(protocol\/x509|src\/pki)\//,
  'ipaddr.js': /^src\/addresses\.ts$/,
  'oidc-provider': /^src\/tokens\//,
  jose: /^src\/(tokens|callers|operations\/backup)\//,
  pkcs11js: /^src\/secrets\/pkcs11\/binding\.ts$/,
  pino: /^src\/log\.ts$/,
  'prom-client': /^src\/metrics\.ts$/,
  commander: /^(src\/cli|scripts)\//,
  'cli-progress': /^src\/(cli|fleet)\//,
  'node:cluster': /^src\/processes\//,
  'node:child_process': /^(src\/simulator|src\/fleet|scripts)\//,
}

const NODE_IN_PROTOCOL = /^protocol\/(crypto|cose)\//

/** The time and chance. The network and timers do not even compile there, without Node's types. */
const IMPURE = /\b(Date\.now|Math\.random|globalThis|await import)\b|\bnew Date\(\s*\)/

const SQL = /\.(selectFrom|insertInto|updateTable|deleteFrom)\(|\bsql`/

/** Everything about a file that breaks a rule, in words. */
export function violations(file: SourceFile): string[] {
  return [
    ...upwardImports(file),
    ...partsOutOfOrder(file),
    ...programsInside(file),
    ...borrowedPackages(file),
    ...impurities(file),
    ...strayedSql(file),
  ]
}

export function layerOf(path: string): number {
  const isIn = (place: string) => path === place || path.startsWith(`${place}/`)
  return LAYERS.findIndex((row) => row.some(isIn))
}

function upwardImports({ path, imports }: SourceFile): string[] {
  if (layerOf(path) < 0) return [`${path} is in no layer`]
  if (PROGRAMS_OF_THE_SERVER.includes(path)) return []
  return imports
    .filter((target) => layerOf(target) < layerOf(path))
    .map((target) => `${path} imports ${target}, which is above it`)
}

function partsOutOfOrder({ path, imports }: SourceFile): string[] {
  const own = PARTS.indexOf(basename(path))
  const domain = path.slice(0, -basename(path).length)
  if (own < 0) return []
  return imports
    .filter((target) => target.startsWith(domain) && PARTS.indexOf(basename(target)) >= 0)
    .filter((target) => PARTS.indexOf(basename(target)) < own)
    .map((target) => `${path} imports ${target}, which is above it`)
}

function programsInside({ path, imports }: SourceFile): string[] {
  const isOf = (places: readonly string[], one: string) =>
    places.some((place) => one === place || one.startsWith(`${place}/`))
  if (!isOf(PROGRAMS, path) || PROGRAMS_OF_THE_SERVER.includes(path)) return []
  return imports
    .filter((target) => !isOf(FOR_PROGRAMS, target))
    .map((target) => `${path} is a program, and imports ${target} of the service`)
}

function borrowedPackages({ path, packages }: SourceFile): string[] {
  return packages
    .filter((name) => {
      if (path.startsWith('scripts/')) return false
      if (path.startsWith('protocol/') && name.startsWith('node:')) {
        return name !== 'node:crypto' || !NODE_IN_PROTOCOL.test(path)
      }
      const owned = Object.keys(OWNERS).find((one) => name === one || name.startsWith(prefix(one)))
      const owner = owned === undefined ? undefined : OWNERS[owned]
      return owner !== undefined && !owner.test(path)
    })
    .map((name) => `${path} imports ${name}, which is not its own`)
}

function prefix(name: string): string {
  return name.endsWith('/') ? name : `${name}/`
}

function impurities({ path, text }: SourceFile): string[] {
  if (!path.startsWith('protocol/')) return []
  const [found] = IMPURE.exec(withoutComments(text)) ?? []
  return found === undefined ? [] : [`${path} is not pure: ${found}`]
}

function strayedSql({ path, text }: SourceFile): string[] {
  if (!path.startsWith('src/') || path.startsWith('src/database/')) return []
  if (basename(path) === 'store.ts') return []
  const [found] = SQL.exec(withoutComments(text)) ?? []
  return found === undefined ? [] : [`${path} has SQL in it: ${found}`]
}

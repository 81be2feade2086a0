/** `firstlight client`: programs that call the management API. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { fromPem } from '../../../protocol/x509/pem.ts'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { type Output, facts, table } from '../output.ts'

type ClientView = Given<'GET /clients/{id}'> & { readonly client_secret?: string }

interface AuthOptions {
  readonly jwks?: string
  readonly jwksUri?: string
  readonly certificate?: string
  readonly clientCa?: string
  readonly subject?: string
  readonly dns?: string
  readonly uri?: string
  readonly secret?: boolean
}

export function clientCommand(): Command {
  const client = new Command('client').description('programs that call the management API')
  addCommand(client)
  listCommand(client)
  showCommand(client)
  setCommand(client)
  rotateCommand(client)
  switchCommand(client, 'disable', 'let a client call no more, until it is enabled')
  switchCommand(client, 'enable', 'let a disabled client call again')
  removeCommand(client)
  return client
}

function addCommand(client: Command): void {
  runWithApi<AuthOptions & { name: string; scope: string[] }>(
    withAuth(
      client
        .command('add')
        .description('register a program; how it proves itself is one of the options below')
        .requiredOption('--name <name>', 'what it is for')
        .requiredOption('--scope <scope...>', 'what its tokens may permit at most'),
    ),
    async (api, options, output) => {
      const auth = authFrom(options)
      if (!auth) throw noAuth()
      const json = { name: options.name, scopes: scopesFrom(options.scope), auth }
      show(output, await call(api, 'POST /clients', { json }))
    },
  )
}

function listCommand(client: Command): void {
  runWithApi(
    client.command('list').description('list the programs'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /clients', {}), (rows) =>
        table(rows, [
          { title: 'CLIENT ID', value: ({ client_id }) => client_id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'METHOD', value: ({ auth }) => auth.method },
          { title: 'DISABLED', value: ({ disabled_at }) => disabled_at?.slice(0, 19) },
          { title: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
        ]),
      )
    },
  )
}

function rotateCommand(client: Command): void {
  runWithApi<AuthOptions>(
    withAuth(
      client
        .command('rotate')
        .description('replace its keys or secret; the old are worthless at once')
        .argument('<client-id>'),
    ),
    async (api, options, output, [id = '']) => {
      const auth = authFrom(options)
      const json = { ...(auth && { auth }) }
      show(output, await call(api, 'POST /clients/{id}/rotate', { params: { id }, json }))
    },
  )
}

function showCommand(client: Command): void {
  runWithApi(
    client.command('get').description('one program').argument('<client-id>'),
    async (api, _options, output, [id = '']) => {
      show(output, await call(api, 'GET /clients/{id}', { params: { id } }))
    },
  )
}

function setCommand(client: Command): void {
  runWithApi<{ name?: string; scope?: string[] }>(
    client
      .command('set')
      .description('give a program another name, or other scopes')
      .argument('<client-id>')
      .option('--name <name>', 'what it is called')
      .option('--scope <scope...>', 'all that it may do'),
    async (api, { name, scope }, output, [id = '']) => {
      const json = { ...(name && { name }), ...(scope && { scopes: scopesFrom(scope) }) }
      show(output, await call(api, 'PATCH /clients/{id}', { params: { id }, json }))
    },
  )
}

function switchCommand(client: Command, verb: 'disable' | 'enable', description: string): void {
  runWithApi(
    client.command(verb).description(description).argument('<client-id>'),
    async (api, _options, output, [id = '']) => {
      const json = { disabled: verb === 'disable' }
      show(output, await call(api, 'PATCH /clients/{id}', { params: { id }, json }))
    },
  )
}

function removeCommand(client: Command): void {
  runWithApi(
    client
      .command('remove')
      .description('remove a program; its tokens are worthless at once')
      .argument('<client-id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /clients/{id}', { params: { id } })
      output.result({ client_id: id, removed: true }, () => `removed ${id}`)
    },
  )
}

function withAuth(command: Command): Command {
  return command
    .option('--jwks <file>', 'a JSON Web Key Set with its public keys')
    .option('--jwks-uri <url>', 'where it publishes them')
    .option('--certificate <file>', 'the certificates it shows over TLS, PEM')
    .option('--client-ca <file>', 'who issues its certificates, PEM; with one of the next three')
    .option('--subject <name>', 'their subject, such as CN=erp,O=Acme')
    .option('--dns <name>', 'a DNS name in them')
    .option('--uri <uri>', 'a URI in them')
    .option('--secret', 'a secret made by the service, shown this once')
}

/** Undefined where none is said; throws where several are. */
function authFrom(options: AuthOptions): object | undefined {
  const { jwks, jwksUri, certificate, clientCa, subject, dns, uri, secret } = options
  const names = { subject_dn: subject, san_dns: dns, san_uri: uri }
  const [auth, ...others] = [
    ...(jwks === undefined ? [] : [{ method: 'private_key_jwt', jwks: jsonOf(jwks) }]),
    ...(jwksUri === undefined ? [] : [{ method: 'private_key_jwt', jwks_uri: jwksUri }]),
    ...(certificate === undefined
      ? []
      : [{ method: 'self_signed_tls_client_auth', certificates: pemOf(certificate) }]),
    ...(clientCa === undefined
      ? []
      : [{ method: 'tls_client_auth', ca: pemOf(clientCa), ...names }]),
    ...(secret ? [{ method: 'client_secret_basic' }] : []),
  ]
  if (others.length > 0) throw noAuth()
  return auth
}

function noAuth(): CliFailure {
  return new CliFailure('usage', 'a client proves itself in one way', {
    next: 'give one of --jwks, --jwks-uri, --certificate, --client-ca or --secret',
  })
}

function jsonOf(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new CliFailure('usage', `${file}: not JSON`, { cause })
  }
}

function pemOf(file: string): string {
  const text = readFileSync(file, 'utf8')
  if (fromPem(text)) return text
  throw new CliFailure('usage', `${file}: no certificates in PEM`)
}

function scopesFrom(texts: readonly string[]): readonly string[] {
  return texts.flatMap((one) => one.split(/[\s,]+/)).filter((one) => one !== '')
}

function show(output: Output, client: ClientView): void {
  output.result(client, ({ client_id, name, scopes, auth, disabled_at, client_secret }) =>
    facts([
      ['client id', client_id],
      ...(client_secret === undefined ? [] : [['secret', client_secret] as const]),
      ['name', name],
      ['method', auth.method],
      ['scopes', scopes.join(' ')],
      ['disabled', disabled_at ?? 'no'],
    ]),
  )
  if (client.client_secret !== undefined) output.note('keep the secret: nobody can show it again')
}

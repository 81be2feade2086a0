/** `firstlight identity-provider`: whose tokens are accepted for people. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'

type ProviderView = Given<'GET /identity-providers/{id}'>

interface NewProvider {
  readonly name: string
  readonly issuer: string
  readonly audience: string
  readonly jwksUri?: string
  readonly claim: string
  readonly role: readonly string[]
}

export function identityProviderCommand(): Command {
  const provider = new Command('identity-provider').description(
    'OpenID providers whose tokens are accepted for people',
  )
  addCommand(provider)
  listCommand(provider)
  showCommand(provider)
  setCommand(provider)
  removeCommand(provider)
  testCommand(provider)
  return provider
}

function addCommand(provider: Command): void {
  runWithApi<NewProvider>(
    provider
      .command('add')
      .description('accept the tokens of an OpenID provider')
      .requiredOption('--name <name>', 'what you call it')
      .requiredOption('--issuer <url>', 'as its tokens have it in iss')
      .requiredOption('--audience <text>', 'what its tokens for this service have in aud')
      .requiredOption('--claim <path>', 'where roles stand, such as realm_access.roles')
      .requiredOption('--role <value=role...>', 'what a value of the claim permits')
      .option('--jwks-uri <url>', 'where its keys are, if discovery is not to find them'),
    async (api, { name, issuer, audience, claim, role, jwksUri }, output) => {
      const json = {
        ...{ name, issuer, audience, claim, roles: rolesFrom(role) },
        ...(jwksUri !== undefined && { jwks_uri: jwksUri }),
      }
      const added = await call(api, 'POST /identity-providers', { json })
      output.result(added, ({ id, jwks_uri, is_named }) =>
        facts([
          ['id', id],
          ['keys', jwks_uri],
          ['tokens', is_named ? `have to name ${id}, in aud or in ${claim}` : 'need not name it'],
        ]),
      )
    },
  )
}

function listCommand(provider: Command): void {
  runWithApi(
    provider.command('list').description('list the OpenID providers'),
    async (api, _options, output) => {
      output.result(await listAll(api, 'GET /identity-providers', {}), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'ISSUER', value: ({ issuer }) => issuer },
          { title: 'AUDIENCE', value: ({ audience }) => audience },
          { title: 'CLAIM', value: ({ claim }) => claim },
          { title: 'ROLES', value: ({ roles }) => textOf(roles) },
        ]),
      )
    },
  )
}

function showCommand(provider: Command): void {
  runWithApi(
    provider.command('get').description('one OpenID provider').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      output.result(await call(api, 'GET /identity-providers/{id}', { params: { id } }), shown)
    },
  )
}

function setCommand(provider: Command): void {
  runWithApi<{ name?: string; claim?: string; role?: string[] }>(
    provider
      .command('set')
      .description('change what its tokens permit')
      .argument('<id>')
      .option('--name <name>', 'what you call it')
      .option('--claim <path>', 'where roles stand, such as realm_access.roles')
      .option('--role <value=role...>', 'what a value of the claim permits; replaces all'),
    async (api, { name, claim, role }, output, [id = '']) => {
      const json = {
        ...(name && { name }),
        ...(claim && { claim }),
        ...(role && { roles: rolesFrom(role) }),
      }
      const asked = { params: { id }, json }
      output.result(await call(api, 'PATCH /identity-providers/{id}', asked), shown)
    },
  )
}

function shown({ id, name, issuer, audience, jwks_uri, claim, roles }: ProviderView): string {
  return facts([
    ['id', id],
    ['name', name],
    ['issuer', issuer],
    ['audience', audience],
    ['keys', jwks_uri],
    ['claim', claim],
    ['roles', textOf(roles)],
  ])
}

function removeCommand(provider: Command): void {
  runWithApi(
    provider
      .command('remove')
      .description('accept no more tokens of an OpenID provider')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /identity-providers/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
}

function testCommand(provider: Command): void {
  runWithApi<{ token: string }>(
    provider
      .command('test')
      .description('tell whether a token is accepted, and why not')
      .argument('<id>')
      .requiredOption('--token <file>', 'a file with a token of this provider'),
    async (api, { token: file }, output, [id = '']) => {
      const token = readFileSync(file, 'utf8').trim()
      const asked = { params: { id }, json: { token } }
      const tested = await call(api, 'POST /identity-providers/{id}/test', asked)
      if (!tested.accepted) {
        throw new CliFailure('check-failed', tested.reason ?? 'it is not accepted', {
          code: 'token-refused',
        })
      }
      output.result(tested, ({ principal, values = [], scopes = [] }) =>
        facts([
          ['accepted as', principal?.id],
          ['name', principal?.name],
          ['claim says', values.join(', ')],
          ['roles', scopes.join(' ')],
        ]),
      )
    },
  )
}

/** `VALUE=ROLE`, several times for a value with several. */
function rolesFrom(texts: readonly string[]): Readonly<Record<string, readonly string[]>> {
  const roles = new Map<string, readonly string[]>()
  for (const text of texts) {
    const at = text.lastIndexOf('=')
    const [value, role] = [text.slice(0, at), text.slice(at + 1)]
    if (at < 1 || role === '') {
      throw new CliFailure('usage', `--role: ${text}`, { next: 'write it as fdo-admins=auditor' })
    }
    roles.set(value, [...(roles.get(value) ?? []), role])
  }
  return Object.fromEntries(roles)
}

function textOf(roles: ProviderView['roles']): string {
  return Object.entries(roles)
    .map(([value, scopes]) => `${value}=${scopes.join('+')}`)
    .join(' ')
}

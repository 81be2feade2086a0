/** `firstlight identity-provider`: whose tokens are accepted for people. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'

interface ProviderView {
  readonly id: string
  readonly name: string
  readonly issuer: string
  readonly audience: string
  readonly jwks_uri: string
  readonly claim: string
  readonly roles: Readonly<Record<string, readonly string[]>>
  readonly is_named: boolean
}

interface TestView {
  readonly accepted: boolean
  readonly reason?: string
  readonly principal?: { readonly id: string; readonly name: string }
  readonly values?: readonly string[]
  readonly scopes?: readonly string[]
}

interface NewProvider {
  readonly name: string
  readonly issuer: string
  readonly audience: string
  readonly jwksUri?: string
  readonly claim: string
  readonly role: readonly string[]
}

const PATH = '/api/v1/identity-providers'

export function identityProviderCommand(): Command {
  const provider = new Command('identity-provider').description(
    'OpenID providers whose tokens are accepted for people',
  )
  addCommand(provider)
  listCommand(provider)
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
      const added = await api.json<ProviderView>(PATH, { method: 'POST', json })
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
      output.result(await api.list<ProviderView>(PATH), (rows) =>
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

function removeCommand(provider: Command): void {
  runWithApi(
    provider
      .command('remove')
      .description('accept no more tokens of an OpenID provider')
      .argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await api.send(`${PATH}/${encodeURIComponent(id)}`, { method: 'DELETE' })
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
      const path = `${PATH}/${encodeURIComponent(id)}/test`
      const tested = await api.json<TestView>(path, { method: 'POST', json: { token } })
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

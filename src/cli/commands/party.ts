/** `firstlight party`: the organisations that share an installation. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { ApiClient, type ApiOptions } from '../api-client.ts'
import { run, runWithApi, addApiOptions } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'

interface PartyView {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly suspended_at: string | null
}

interface InvitationView {
  readonly id: string
  readonly name: string
  readonly roles: readonly string[]
  readonly expires_at: string
  readonly used_by: string | null
}

export function partyCommand(): Command {
  const party = new Command('party').description('the organisations that share an installation')
  showCommand(party)
  renameCommand(party)
  listCommand(party)
  inviteCommand(party)
  invitationsCommand(party)
  withdrawCommand(party)
  joinCommand(party)
  suspendCommand(party, 'suspend', 'let nobody act for a party; its devices go on')
  suspendCommand(party, 'resume', 'let a suspended party act again')
  return party
}

function showCommand(party: Command): void {
  runWithApi(
    party.command('show').description('the party your token acts for'),
    async (api, _options, output) => output.result(await api.json('/api/v1/party'), textOf),
  )
}

function renameCommand(party: Command): void {
  runWithApi(
    party.command('rename').description('give your party another name').argument('<name>'),
    async (api, _options, output, [name = '']) => {
      const call = { method: 'PATCH', json: { name } }
      output.result(await api.json('/api/v1/party', call), textOf)
    },
  )
}

function listCommand(party: Command): void {
  runWithApi(
    party.command('list').description('list the parties of the installation'),
    async (api, _options, output) =>
      output.result(await api.list<PartyView>('/api/v1/parties'), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'SUSPENDED', value: ({ suspended_at }) => suspended_at },
          { title: 'ROLES', value: ({ roles }) => roles.join(' ') },
        ]),
      ),
  )
}

function inviteCommand(party: Command): void {
  runWithApi<{ role: string[]; ttl: string }>(
    party
      .command('invite')
      .description('invite an organisation; the code is shown this once')
      .argument('<name>', 'what it is to be called')
      .requiredOption('--role <role...>', 'manufacturer, reseller or owner, or several of them')
      .option('--ttl <time>', 'how long the code is good for', '1d'),
    async (api, { role, ttl }, output, [name = '']) => {
      const made = await api.json<InvitationView & { code: string }>('/api/v1/invitations', {
        method: 'POST',
        json: { name, roles: role, ttl_seconds: secondsOf(ttl) },
      })
      output.result(made, ({ code }) => code)
      output.note(`they come in by: firstlight party join, until ${made.expires_at}`)
    },
  )
}

function invitationsCommand(party: Command): void {
  runWithApi(
    party.command('invitations').description('list who has been invited'),
    async (api, _options, output) =>
      output.result(await api.list<InvitationView>('/api/v1/invitations'), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'UNTIL', value: ({ expires_at }) => expires_at },
          { title: 'USED BY', value: ({ used_by }) => used_by },
        ]),
      ),
  )
}

function withdrawCommand(party: Command): void {
  runWithApi(
    party.command('withdraw').description('withdraw an invitation').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await api.send(`/api/v1/invitations/${encodeURIComponent(id)}`, { method: 'DELETE' })
      output.result({ id, withdrawn: true }, () => `withdrawn ${id}`)
    },
  )
}

/** The code stands for a token, and belongs on no command line. */
function joinCommand(party: Command): void {
  run<ApiOptions & { out?: string }>(
    addApiOptions(party.command('join'))
      .description('become a party by an invitation, whose code is read from a file or stdin')
      .argument('[file]', 'with the code; - for stdin', '-')
      .option('--out <file>', 'where to put your administrator token (0600)'),
    async ({ out, ...options }, output, [file = '-']) => {
      const code = readCode(file)
      const api = new ApiClient(
        { ...options, tokenFile: '' },
        { ...process.env, FIRSTLIGHT_TOKEN: code },
      )
      const call = { method: 'POST' }
      const joined = await api.json<{ party: PartyView; token: string }>('/api/v1/parties', call)
      if (out === undefined) return output.result(joined, ({ token }) => token)
      writeFileSync(out, `${joined.token}\n`, { mode: 0o600 })
      output.result({ party: joined.party, token_file: out }, ({ party: joinedParty }) =>
        textOf(joinedParty),
      )
    },
  )
}

function readCode(file: string): string {
  const code = readFileSync(file === '-' ? 0 : file, 'utf8').trim()
  if (/^fdoi_[\w-]+$/.test(code)) return code
  throw new CliFailure('usage', 'that is no invitation code', {
    next: 'a code begins with fdoi_; ask whoever invited you for another',
  })
}

function suspendCommand(party: Command, verb: 'suspend' | 'resume', description: string): void {
  runWithApi(
    party.command(verb).description(description).argument('<id>'),
    async (api, _options, output, [id = '']) => {
      const path = `/api/v1/parties/${encodeURIComponent(id)}/${verb}`
      output.result(await api.json(path, { method: 'POST' }), textOf)
    },
  )
}

function textOf(value: unknown): string {
  const { id, name, roles, suspended_at } = value as PartyView
  return facts([
    ['party', id],
    ['name', name],
    ['roles', roles.join(' ')],
    ['suspended', suspended_at],
  ])
}

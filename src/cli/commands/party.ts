/** `firstlight party`: the organisations that share an installation. */
import { readFileSync, writeFileSync } from 'node:fs'
import { Command } from 'commander'
import { type Given, call, listAll } from '../api.ts'
import type { Operations } from '../api-types.d.ts'
import { ApiClient, type ApiOptions } from '../api-client.ts'
import { run, runWithApi, addApiOptions } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'

type PartyView = Given<'GET /party'>
type Role = Operations['POST /invitations']['json']['roles'][number]

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
    async (api, _options, output) => output.result(await call(api, 'GET /party', {}), textOf),
  )
}

function renameCommand(party: Command): void {
  runWithApi(
    party.command('rename').description('give your party another name').argument('<name>'),
    async (api, _options, output, [name = '']) => {
      output.result(await call(api, 'PATCH /party', { json: { name } }), textOf)
    },
  )
}

function listCommand(party: Command): void {
  runWithApi(
    party.command('list').description('list the parties of the installation'),
    async (api, _options, output) =>
      output.result(await listAll(api, 'GET /parties', {}), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'SUSPENDED', value: ({ suspended_at }) => suspended_at?.slice(0, 19) },
          { title: 'ROLES', value: ({ roles }) => roles.join(' ') },
        ]),
      ),
  )
}

function inviteCommand(party: Command): void {
  runWithApi<{ role: Role[]; ttl: string }>(
    party
      .command('invite')
      .description('invite an organisation; the code is shown this once')
      .argument('<name>', 'what it is to be called')
      .requiredOption('--role <role...>', 'manufacturer, reseller or owner, or several of them')
      .option('--ttl <time>', 'how long the code is good for', '1d'),
    async (api, { role, ttl }, output, [name = '']) => {
      const json = { name, roles: role, ttl_seconds: secondsOf(ttl) }
      const made = await call(api, 'POST /invitations', { json })
      output.result(made, ({ code }) => code)
      output.note(`they come in by: firstlight party join, until ${made.expires_at}`)
    },
  )
}

function invitationsCommand(party: Command): void {
  runWithApi(
    party.command('invitations').description('list who has been invited'),
    async (api, _options, output) =>
      output.result(await listAll(api, 'GET /invitations', {}), (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'UNTIL', value: ({ expires_at }) => expires_at.slice(0, 19) },
          { title: 'USED BY', value: ({ used_by }) => used_by },
        ]),
      ),
  )
}

function withdrawCommand(party: Command): void {
  runWithApi(
    party.command('withdraw').description('withdraw an invitation').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /invitations/{id}', { params: { id } })
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
      const joined = await call(api, 'POST /parties', {})
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
      output.result(await call(api, `POST /parties/{id}/${verb}`, { params: { id } }), textOf)
    },
  )
}

function textOf({ id, name, roles, suspended_at }: PartyView): string {
  return facts([
    ['party', id],
    ['name', name],
    ['roles', roles.join(' ')],
    ['suspended', suspended_at],
  ])
}

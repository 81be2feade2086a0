/** `firstlight partner`: to whom vouchers go, and from whom they come. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { type Given, call, listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { addProofCommands, findPartner } from '../partner-proof.ts'

type Partner = Given<'GET /partners/{id}'>

interface PartnerOptions {
  readonly did?: string
  readonly pushUrl?: string
  readonly pullUrl?: string
  readonly showTokenFile?: string
  readonly key?: readonly string[]
}

export function partnerCommand(): Command {
  const partner = new Command('partner').description('to whom vouchers go, and from whom they come')
  const add = partner.command('add').description('add a partner').argument('<name>')
  runWithApi<PartnerOptions>(withDetails(add), async (api, options, output, [name = '']) => {
    const json = detailsOf(name, options)
    const made = await call(api, 'POST /partners', { json })
    output.result(made, page)
  })
  const replace = partner
    .command('replace')
    .description('say anew all that is known of a partner; its DID document is read again')
    .argument('<partner>', 'its id or name')
    .argument('<name>', 'what it is called from now on')
  runWithApi<PartnerOptions>(
    withDetails(replace),
    async (api, options, output, [called = '', name = '']) => {
      const { id } = await findPartner(api, called)
      const json = detailsOf(name, options)
      output.result(await call(api, 'PUT /partners/{id}', { params: { id }, json }), page)
    },
  )
  runWithApi(
    partner.command('list').description('list the partners'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /partners', {})
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'PUSH', value: ({ push_url }) => push_url },
          { title: 'PULL', value: ({ pull_url }) => pull_url },
          { title: 'DID', value: ({ did }) => did },
        ]),
      )
    },
  )
  runWithApi(
    partner
      .command('show')
      .description('a partner: addresses and keys')
      .argument('<partner>', 'its id or name'),
    async (api, _options, output, [called = '']) => {
      output.result(await findPartner(api, called), page)
    },
  )
  runWithApi(
    partner
      .command('remove')
      .description('hand no more vouchers to a partner')
      .argument('<partner>', 'its id or name'),
    async (api, _options, output, [called = '']) => {
      const { id } = await findPartner(api, called)
      await call(api, 'DELETE /partners/{id}', { params: { id } })
      output.result({ id, removed: true }, () => `removed ${id}`)
    },
  )
  addProofCommands(partner)
  return partner
}

function withDetails(command: Command): Command {
  return command
    .option('--did <did>', 'its did:web: addresses and key are read from there')
    .option('--push-url <url>', 'where its vouchers are sent to')
    .option('--pull-url <url>', 'where its vouchers for us are')
    .option('--show-token-file <file>', 'a file with the token it gave us to show at its inbox')
    .option('--key <key...>', 'its keys: files with PEM, or did:key:…')
}

function detailsOf(name: string, options: PartnerOptions) {
  const { did, pushUrl, pullUrl, showTokenFile, key } = options
  return {
    name,
    ...(did !== undefined && { did }),
    ...(pushUrl !== undefined && { push_url: pushUrl }),
    ...(pullUrl !== undefined && { pull_url: pullUrl }),
    ...(showTokenFile !== undefined && { token: contentOf(showTokenFile).trim() }),
    ...(key && { keys: key.map((one) => (one.startsWith('did:key:') ? one : contentOf(one))) }),
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CliFailure('failed', `${file} cannot be read`, { code: 'file', cause })
  }
}

function page({ id, name, did, push_url, pull_url, has_token, keys }: Partner): string {
  return facts([
    ['id', id],
    ['name', name],
    ['did', did],
    ['push to', push_url],
    ['pull from', pull_url],
    ['token', has_token ? 'yes' : 'none'],
    ...keys.map(({ kind, fingerprint, proven_at }) => {
      const proof = proven_at === null ? 'not proven' : `proven ${proven_at}`
      return ['key', `${kind} ${fingerprint} (${proof})`] as const
    }),
  ])
}

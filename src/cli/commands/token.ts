/** `firstlight token`: tokens of the management API. */
import { existsSync } from 'node:fs'
import { Command } from 'commander'
import { call, listAll } from '../api.ts'
import { run, runWithApi } from '../command.ts'
import { type DataOptions, addDataOptions, configOf } from '../data-options.ts'
import { CliFailure } from '../failure.ts'
import { facts, table } from '../output.ts'
import { secondsOf } from '../time.ts'

export function tokenCommand(): Command {
  const token = new Command('token').description('tokens of the management API')
  runWithApi<{ name: string; scope: string[]; ttl: string }>(
    token
      .command('create')
      .description('make a token; it is shown this once')
      .requiredOption('--name <name>', 'what it is for')
      .requiredOption('--scope <scope...>', 'what it may do, such as voucher:read')
      .option('--ttl <time>', 'how long it is good for, such as 30m, 1h or 90d', '1h'),
    async (api, { name, scope, ttl }, output) => {
      const scopes = scope.flatMap((one) => one.split(/[\s,]+/)).filter((one) => one !== '')
      const made = await call(api, 'POST /tokens', {
        json: { name, scopes, ttl_seconds: secondsOf(ttl) },
      })
      output.result(made, (one) => one.token)
      output.note(`token ${made.id} (${made.name}), good until ${made.expires_at ?? 'revoked'}`)
    },
  )
  runWithApi(
    token.command('list').description('list the tokens'),
    async (api, _options, output) => {
      const items = await listAll(api, 'GET /tokens', {})
      output.result(items, (rows) =>
        table(rows, [
          { title: 'ID', value: ({ id }) => id },
          { title: 'NAME', value: ({ name }) => name },
          { title: 'EXPIRES', value: ({ expires_at }) => expires_at?.slice(0, 19) ?? 'never' },
          { title: 'REVOKED', value: ({ revoked_at }) => revoked_at?.slice(0, 19) },
          { title: 'SCOPES', value: ({ scopes }) => scopes.join(' ') },
        ]),
      )
    },
  )
  runWithApi(
    token.command('revoke').description('make a token worthless at once').argument('<id>'),
    async (api, _options, output, [id = '']) => {
      await call(api, 'DELETE /tokens/{id}', { params: { id } })
      output.result({ id, revoked: true }, () => `revoked ${id}`)
    },
  )
  run<DataOptions>(
    addDataOptions(
      token
        .command('reset-admin')
        .description('replace a lost administrator token, whether the service runs or not'),
    ),
    async (options, output) => {
      const config = await configOf(options)
      const { dataDir, databaseFile, databaseUrl } = config
      if (databaseUrl === undefined && !existsSync(databaseFile)) {
        const why = `${dataDir} is no data directory: there is no ${databaseFile}`
        throw new CliFailure('failed', why, { code: 'file' })
      }
      const { resetAdminToken } = await import('../../main.ts')
      const path = await resetAdminToken(config)
      output.result({ token_file: path }, (value) => facts([['token file', value.token_file]]))
    },
  )
  return token
}

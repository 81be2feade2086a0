/** What is wrong with a command line is said before any service is asked. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { auditCommand } from '../../../../src/cli/commands/audit.ts'
import { clientCommand } from '../../../../src/cli/commands/client.ts'
import { deviceCommand } from '../../../../src/cli/commands/device.ts'
import { fleetCommand } from '../../../../src/cli/commands/fleet.ts'
import { identityProviderCommand } from '../../../../src/cli/commands/identity-provider.ts'
import { keyCommand } from '../../../../src/cli/commands/key.ts'
import { orderCommand } from '../../../../src/cli/commands/order.ts'
import { planCommand } from '../../../../src/cli/commands/plan.ts'
import { partyCommand } from '../../../../src/cli/commands/party.ts'
import { stationCommand } from '../../../../src/cli/commands/station.ts'
import { transferCommand } from '../../../../src/cli/commands/transfer.ts'
import { voucherCommand } from '../../../../src/cli/commands/voucher.ts'
import { webhookCommand } from '../../../../src/cli/commands/webhook.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-usage-'))
afterAll(() => rmSync(folder, { recursive: true }))
beforeEach(() => {
  // Nothing answers there.
  vi.stubEnv('FIRSTLIGHT_URL', 'http://127.0.0.1:1')
  vi.stubEnv('FIRSTLIGHT_TOKEN', 'x')
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  process.exitCode = undefined
})

const GUID = 'ab'.repeat(16)
const FLEET = '--count 1 --concurrency 1 --di http://127.0.0.1:1'
const text = join(folder, 'text')
writeFileSync(text, 'this is text')

async function failing(command: Command, args: readonly string[]) {
  let said = ''
  vi.spyOn(process.stdout, 'write').mockImplementation((part) => ((said += String(part)), true))
  await command.parseAsync([...args, '--json'], { from: 'user' })
  const { error } = JSON.parse(said) as { error: { code: string; message: string } }
  return [process.exitCode, error.code, error.message]
}

const WRONG: readonly (readonly [() => Command, string, message: RegExp])[] = [
  [auditCommand, 'list --limit 0', /not a number from 1 on/],
  [auditCommand, 'list --since yesterday', /^--since: not a time/],
  [auditCommand, 'list --until 31.1.', /^--until: not a time/],
  [auditCommand, 'export', /^--json prints one document/],
  [auditCommand, 'export --from x --out y', /not a number from 1 on/],
  [auditCommand, `verify --file ${text} --head 12`, /^--head: not SEQ:HASH/],
  [auditCommand, 'head --timeout 0', /^--timeout: not a number of seconds/],
  [auditCommand, 'head --url ftp:x', /^--url: not an HTTP address/],
  [clientCommand, 'add --name x --scope read', /proves itself in one way/],
  [clientCommand, `add --name x --scope read --jwks ${text}`, /not JSON/],
  [clientCommand, `add --name x --scope read --certificate ${text}`, /no certificates in PEM/],
  [
    deviceCommand,
    `onboard --credential x --sandbox ${folder} --cipher many`,
    /^--cipher: not a number of COSE/,
  ],
  [fleetCommand, `${FLEET} --suite what`, /not a suite/],
  [fleetCommand, `${FLEET} --count none`, /not a positive number/],
  [identityProviderCommand, 'set x --role admins', /^--role: admins/],
  [keyCommand, 'make --purpose owner --type p521', /^--type: there is no p521/],
  [orderCommand, 'create --name x --quantity 1 --expires soon', /not a time/],
  [orderCommand, `create --name x --quantity 1 --rules ${text}`, /is no JSON/],
  [orderCommand, 'devices x --after y', /^--after: no number/],
  [orderCommand, `export x --out ${text}.pem`, /for which line/],
  [partyCommand, `join ${text}`, /no invitation code/],
  [transferCommand, 'list --state lost', /^--state: waiting, delivered or failed/],
  [transferCommand, 'list --guid x', /not a GUID/],
  [transferCommand, 'schedule x --every often', /not a time/],
  [transferCommand, 'profile --public --private', /one of them/],
  [transferCommand, 'rule add x', /of which model/],
  [transferCommand, 'rule add x --model y --any-model', /of which model/],
  [transferCommand, 'send x', /which vouchers/],
  [voucherCommand, 'sell x --to self', /not a GUID/],
  [voucherCommand, `export ${GUID} --format der`, /no format der/],
  [voucherCommand, `export ${GUID} --all`, /not both/],
  [voucherCommand, `export ${GUID} --state held`, /not both/],
  [voucherCommand, 'export', /which vouchers/],
  [voucherCommand, 'export --all', /many vouchers go to a file/],
  [voucherCommand, 'export --all --out x.zip', /neither .tar.gz nor .pem/],
  [webhookCommand, 'set x --enable --disable', /--enable and --disable/],
  [webhookCommand, 'replay x', /from where/],
  [webhookCommand, 'replay x --from 1 --since 1d', /from where/],
]

describe('a command line that is wrong', () => {
  it.each(WRONG)('is told what: %o %s', async (command, args, message) => {
    expect(await failing(command(), args.split(' '))).toEqual([
      ...[2, 'usage'],
      expect.stringMatching(message),
    ])
  })
})

describe('a file', () => {
  it('that is not there is what is wrong, not the service', async () => {
    const answer = await failing(planCommand(), ['bring', join(folder, 'nothing')])
    expect(answer).toEqual([1, 'file', expect.stringMatching(/^ENOENT/)])
  })

  it('without an entry is no log', async () => {
    writeFileSync(join(folder, 'empty'), '\n')
    const answer = await failing(auditCommand(), ['verify', '--file', join(folder, 'empty')])
    expect(answer).toEqual([5, 'empty', expect.stringContaining('no entry')])
  })
})

describe('one that is right', () => {
  it('is told that nobody answers', async () => {
    expect(await failing(stationCommand(), ['list'])).toEqual([
      ...[4, 'unreachable'],
      expect.stringContaining('127.0.0.1:1'),
    ])
  })
})

#!/usr/bin/env node
/** `firstlight`: finds the command, and loads no more than that command needs. */
import { Command, CommanderError } from 'commander'
import { byBothNames } from './both-names.ts'
import { CliFailure, EXIT } from './failure.ts'
import { reportFailure } from './output.ts'
import { version } from './version.ts'

interface CommandEntry {
  readonly description: string
  readonly load: () => Promise<Command>
}

const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    description: 'run the service',
    load: async () => (await import('./commands/serve.ts')).serveCommand(),
  },
  voucher: {
    description: 'ownership vouchers, in files and in the service',
    load: async () => (await import('./commands/voucher.ts')).voucherCommand(),
  },
  partner: {
    description: 'to whom vouchers go, and from whom they come',
    load: async () => (await import('./commands/partner.ts')).partnerCommand(),
  },
  inbox: {
    description: 'who may push vouchers to us',
    load: async () => (await import('./commands/inbox.ts')).inboxCommand(),
  },
  transfer: {
    description: 'vouchers on their way to partners and from them',
    load: async () => (await import('./commands/transfer.ts')).transferCommand(),
  },
  device: {
    description: 'the device agent, and the devices of the service',
    load: async () => (await import('./commands/device.ts')).deviceCommand(),
  },
  plan: {
    description: 'what devices get when they are onboarded',
    load: async () => (await import('./commands/plan.ts')).planCommand(),
  },
  watch: {
    description: 'onboarding, as it happens',
    load: async () => (await import('./commands/watch.ts')).watchCommand(),
  },
  station: {
    description: 'from where devices may be made',
    load: async () => (await import('./commands/station.ts')).stationCommand(),
  },
  order: {
    description: 'production orders, and the devices made to them',
    load: async () => (await import('./commands/order.ts')).orderCommand(),
  },
  group: {
    description: 'what devices may do, by the group they are in',
    load: async () => (await import('./commands/group.ts')).groupCommand(),
  },
  setting: {
    description: 'where devices are told to look',
    load: async () => (await import('./commands/setting.ts')).settingCommand(),
  },
  fleet: {
    description: 'make and onboard many devices at once, against any FDO server',
    load: async () => (await import('./commands/fleet.ts')).fleetCommand(),
  },
  key: {
    description: 'the keys of the service',
    load: async () => (await import('./commands/key.ts')).keyCommand(),
  },
  certificate: {
    description: 'what the service has certified, and what was revoked',
    load: async () => (await import('./commands/certificate.ts')).certificateCommand(),
  },
  party: {
    description: 'the organisations that share an installation',
    load: async () => (await import('./commands/party.ts')).partyCommand(),
  },
  audit: {
    description: 'what happened: the log, and whether it is whole',
    load: async () => (await import('./commands/audit.ts')).auditCommand(),
  },
  webhook: {
    description: 'addresses that are told of what happens',
    load: async () => (await import('./commands/webhook.ts')).webhookCommand(),
  },
  registration: {
    description: 'what owners have left at a rendezvous',
    load: async () => (await import('./commands/registration.ts')).registrationCommand(),
  },
  client: {
    description: 'programs that call the management API',
    load: async () => (await import('./commands/client.ts')).clientCommand(),
  },
  'identity-provider': {
    description: 'OpenID providers whose tokens are accepted for people',
    load: async () => (await import('./commands/identity-provider.ts')).identityProviderCommand(),
  },
  token: {
    description: 'tokens of the management API',
    load: async () => (await import('./commands/token.ts')).tokenCommand(),
  },
  backup: {
    description: 'database and keys in one file, while the service runs',
    load: async () => (await import('./commands/backup.ts')).backupCommand(),
  },
  restore: {
    description: 'a back-up becomes the data directory of a service',
    load: async () => (await import('./commands/restore.ts')).restoreCommand(),
  },
  doctor: {
    description: 'is this installation well, and if not, what is to be done?',
    load: async () => (await import('./commands/doctor.ts')).doctorCommand(),
  },
  'master-key': {
    description: 'what all keys of the service are sealed under',
    load: async () => (await import('./commands/master-key.ts')).masterKeyCommand(),
  },
  completion: {
    description: 'completion of these commands in bash and zsh',
    load: async () => (await import('./commands/completion.ts')).completionCommand(wholeProgram),
  },
}

async function main(argv: readonly string[]): Promise<void> {
  const program = new Command('firstlight')
    .description('FIDO Device Onboard: manufacturer, rendezvous, owner, and the device')
    .version(version(), '-V, --version')
    .showHelpAfterError()
  const [first = '', second = ''] = argv
  const wanted = COMMANDS[first === 'help' ? second : first]
  for (const [name, entry] of Object.entries(COMMANDS)) {
    if (entry === wanted) program.addCommand(byBothNames(await entry.load()))
    else program.command(name).description(entry.description)
  }
  exitAsDocumented(program)
  await program.parseAsync(argv, { from: 'user' })
}

/** With every command loaded, for who wants to know them all. */
async function wholeProgram(): Promise<Command> {
  const program = new Command('firstlight').option('-V, --version')
  for (const { load } of Object.values(COMMANDS)) program.addCommand(await load())
  return program
}

/** What commander found wrong. Where it printed its help instead, no command was named. */
function usageFailure({ code, message }: CommanderError, [first = '']: readonly string[]) {
  const group = Object.hasOwn(COMMANDS, first) ? `${first} ` : ''
  return new CliFailure(
    'usage',
    code === 'commander.help' ? 'no such command' : message.replace(/^error: /, ''),
    { next: `firstlight ${group}--help` },
  )
}

/** commander ends with 1 where the command line is wrong; scripts rely on 2. */
function exitAsDocumented(command: Command): void {
  command.exitOverride()
  command.commands.forEach(exitAsDocumented)
}

/**
 * Whoever reads may have enough, as `head` has. What is left to print goes nowhere then; remarks come while
 * there is work to be done, which goes on without them, as the service does.
 */
function endWithReader(command: string | undefined): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
      if (stream === process.stdout && command !== 'serve') process.exit()
    })
  }
}

const argv = process.argv.slice(2)
endWithReader(argv[0])
try {
  await main(argv)
} catch (error) {
  const json = argv.includes('--json')
  if (!(error instanceof CommanderError)) reportFailure(error, json)
  // Asking for help is no mistake; for all else commander has written its line on stderr.
  else if (error.exitCode === 0) process.exitCode = 0
  else if (json) reportFailure(usageFailure(error, argv), json)
  else process.exitCode = EXIT.usage
}

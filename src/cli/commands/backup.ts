/** `firstlight backup`: database and keys in one file, while the service runs. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { Command } from 'commander'
import { run } from '../command.ts'
import { facts } from '../output.ts'
import { version } from '../version.ts'
import { addDataOptions, configOf, type DataOptions } from '../data-options.ts'

interface BackupOptions extends DataOptions {
  readonly to: readonly string[]
  readonly out: string
}

export function backupCommand(): Command {
  const backup = new Command('backup')
    .description("database, keys, contents and uploads in one file; on the service's own machine")
    .requiredOption('--to <file...>', 'public keys or certificates, PEM: each can restore it alone')
    .requiredOption('--out <file>', 'where it goes')
  return run<BackupOptions>(addDataOptions(backup), async (options, output) => {
    const config = await configOf(options)
    const { databasePlace } = await import('../../config.ts')
    const { dumpOf } = await import('../../database/dump.ts')
    const { recipientOf } = await import('../../operations/backup/envelope.ts')
    const { backUp } = await import('../../operations/backup/back-up.ts')
    const { realClock: clock } = await import('../../clock.ts')
    const recipients = options.to.map((file) => recipientOf(readFileSync(file, 'utf8'), file))
    const dump = await dumpOf(databasePlace(config))
    const services = { config, clock, dump, version: version() }
    const out = resolve(options.out)
    const { manifest, bytes, sha256, recorded } = await backUp(services, out, recipients)
    const done = { file: out, made_at: manifest.made_at, bytes, sha256, recorded }
    output.result(done, () =>
      facts([
        ['file', out],
        ['made', manifest.made_at],
        ['bytes', bytes],
        ['SHA-256', sha256],
        ...recipients.map(({ fingerprint }) => ['opened by', fingerprint] as const),
      ]),
    )
    if (!recorded) {
      output.note('not recorded: the database is of an earlier version, and was left as it is')
    }
  })
}

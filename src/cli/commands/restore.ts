/** `firstlight restore`: a back-up becomes the data directory of a service on a clean host. */
import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import type { Missed } from '../../audit/missed.ts'
import { run } from '../command.ts'
import { type DataOptions, addDataOptions, configOf } from '../data-options.ts'
import { CliFailure, failureOf } from '../failure.ts'
import { missedFrom, missedText } from '../missed.ts'
import { facts } from '../output.ts'

interface RestoreOptions extends DataOptions {
  readonly key: string
  readonly passphraseFile?: string
  readonly check?: boolean
  readonly log?: readonly string[]
}

export function restoreCommand(): Command {
  const restore = new Command('restore')
    .description('make a data directory of a back-up')
    .argument('<file>', 'the back-up')
    .requiredOption('--key <file>', 'the private key it was made for, PEM')
    .option('--passphrase-file <file>', 'a file with its passphrase, in the first line')
    .option('--check', 'only read it to its end, and write nothing')
    .option(
      '--log <file...>',
      'audit exports newer than the back-up: what it does not know is listed',
    )
  return run<RestoreOptions>(addDataOptions(restore), async (options, output, [file = '']) => {
    const { privateKeyFrom } = await import('../../operations/backup/envelope.ts')
    const key = privateKeyFrom(
      readFileSync(options.key, 'utf8'),
      options.key,
      passphraseIn(options),
    )
    const { checkBackup, restoreBackup } = await import('../../operations/backup/restore.ts')
    if (options.check) {
      const { made_at, version, files } = await checkBackup(file, key)
      const checked = { made_at, version, files: Object.keys(files).length }
      return output.result(checked, (one) => facts(Object.entries(one)))
    }
    const config = await configOf(options)
    const { realClock: clock } = await import('../../clock.ts')
    const { manifest, held, forks } = await restoreBackup({ config, clock }, file, key)
    const { made_at, version } = manifest
    const data = config.dataDir
    const missed: Missed[] = []
    for (const path of options.log ?? []) {
      missed.push(await missedFrom(forks, path).catch((error) => noLogFor(data, path, error)))
    }
    output.result({ data, made_at, version, vouchers_held: held, missed }, () =>
      [
        facts([
          ['data', data],
          ['as of', made_at],
          ['vouchers held', held],
          ['token', config.adminTokenFile],
        ]),
        ...missed.map(missedText),
      ].join('\n\n'),
    )
    if (missed.length === 0) {
      output.note(
        `what happened after ${made_at} is not known here: firstlight audit missed --help`,
      )
    }
  })
}

/** A log that is none takes nothing back: who is told of it must not restore once more. */
function noLogFor(data: string, path: string, error: unknown): never {
  const { kind, code, message } = failureOf(error)
  const what = message.includes(path) ? message : `${path}: ${message}`
  const next = 'start the service on it, and have it read the right log: firstlight audit missed'
  throw new CliFailure(kind, `${data} is restored, but ${what}`, { code, next, cause: error })
}

function passphraseIn({ passphraseFile: file }: RestoreOptions): string | undefined {
  return file === undefined ? undefined : readFileSync(file, 'utf8').split(/\r?\n/)[0]
}

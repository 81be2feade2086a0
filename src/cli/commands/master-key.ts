/** `firstlight master-key`: what all keys of the service are sealed under. */
import { Command } from 'commander'
import { run } from '../command.ts'
import { type DataOptions, addDataOptions, configOf } from '../data-options.ts'

export function masterKeyCommand(): Command {
  const masterKey = new Command('master-key').description(
    'what all keys of the service are sealed under',
  )
  run<DataOptions>(
    addDataOptions(
      masterKey
        .command('rotate')
        .description('make another, and seal everything anew; the service must be stopped'),
    ),
    async (options, output) => {
      const config = await configOf(options)
      const { realClock: clock } = await import('../../clock.ts')
      const { rotateMasterKey } = await import('../../operations/master-key/rotate.ts')
      const sealed = await rotateMasterKey({ config, clock })
      const rotated = { file: config.masterKeyFile, sealed }
      output.result(
        rotated,
        ({ file }) => `${file} holds another key; ${sealed} things are sealed under it`,
      )
      if (config.databaseUrl !== undefined) {
        output.note(`every machine that runs the service needs it: ${config.masterKeyFile}`)
      }
      output.note('make a back-up: those from before hold the key from before, and still restore')
    },
  )
  return masterKey
}

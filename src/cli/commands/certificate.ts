/** `firstlight certificate`: what the certificate authority of the service has issued. */
import { Command, Option } from 'commander'
import { listAll } from '../api.ts'
import { runWithApi } from '../command.ts'
import { table } from '../output.ts'

const STATUS = ['pending', 'active', 'superseded', 'revoked'] as const

export function certificateCommand(): Command {
  const certificate = new Command('certificate').description('what the service has certified')
  runWithApi<{ device?: string; status?: (typeof STATUS)[number] }>(
    certificate
      .command('list')
      .description('the certificates issued here; of those revoked, when and why')
      .option('--device <id>', 'only those of a device, by its id')
      .addOption(new Option('--status <status>', 'only of this status').choices([...STATUS])),
    async (api, { device, status }, output) => {
      const items = await listAll(api, 'GET /certificates', {
        ...{ limit: 500, device_id: device, status },
      })
      output.result(items, (rows) =>
        table(rows, [
          { title: 'SERIAL', value: ({ serial }) => serial },
          { title: 'PROFILE', value: ({ profile }) => profile },
          { title: 'STATUS', value: (one) => one.status },
          { title: 'UNTIL', value: ({ not_after }) => not_after.slice(0, 19) },
          { title: 'REVOKED', value: ({ revoked_at }) => revoked_at?.slice(0, 19) },
          { title: 'BECAUSE', value: ({ revocation_reason }) => revocation_reason },
          { title: 'DEVICE', value: ({ device_id }) => device_id },
        ]),
      )
    },
  )
  return certificate
}

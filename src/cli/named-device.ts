/** Devices by the names people have for them: an id, a GUID, or what is printed on the box. */
import type { Command } from 'commander'
import { call } from './api.ts'
import type { ApiClient } from './api-client.ts'
import { CliFailure } from './failure.ts'

export interface Named {
  readonly serial?: string
}

/** Of several with one serial number. */
const SHOWN = 5

export function byName(command: Command): Command {
  return command
    .argument('[id-or-guid]')
    .option('--serial <serial>', 'the device of this serial number, instead')
}

/** As paths of the API name it. Throws CliFailure where that is not one device. */
export async function deviceNamed(
  api: ApiClient,
  name: string | undefined,
  serial: string | undefined,
): Promise<{ readonly device: string }> {
  // With dashes or without; an id has none.
  if (name !== undefined && serial === undefined) {
    return { device: name.replaceAll('-', '').toLowerCase() }
  }
  if (name !== undefined || serial === undefined) {
    throw new CliFailure('usage', 'which device?', {
      next: 'give its id or GUID, or --serial and its serial number',
    })
  }
  const { items } = await call(api, 'GET /devices', { query: { limit: SHOWN, serial } })
  const [one, ...others] = items
  if (!one) throw new CliFailure('refused', `there is no device ${serial}`, { code: 'not-found' })
  if (others.length === 0) return { device: one.id }
  throw new CliFailure('refused', `several devices have the serial number ${serial}`, {
    code: 'ambiguous',
    next: `give the GUID: ${items.map(({ guid }) => guid).join(', ')}`,
  })
}

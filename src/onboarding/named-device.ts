/** A device as people name it. */
import type { DeviceService } from '../devices/service.ts'
import type { DeviceRow } from '../devices/store.ts'
import { Problem } from '../http/problem.ts'

/** By its id, or by the GUID it has now. Throws not-found. */
export async function requireDevice(
  devices: Pick<DeviceService, 'findOf' | 'findByGuid'>,
  party: string,
  name: string,
): Promise<DeviceRow> {
  const guid = name.replaceAll('-', '').toLowerCase()
  const found = (await devices.findOf(party, name)) ?? (await devices.findByGuid(party, guid))
  if (!found) throw new Problem('not-found', `there is no device ${name}`)
  return found
}

/** What is kept of devices that have moved on from what this service knows of them. */
import { HOME_PARTY } from '../database/tables.ts'
import type { DeviceService } from '../devices/service.ts'
import type { Services } from '../services.ts'
import type { NoteStranger } from '../tokens/strangers.ts'

/** In the log of the device's party; where the device itself is not known, in that of the installation. */
export function strangersNoted(
  { database, audit, events }: Pick<Services, 'database' | 'audit' | 'events'>,
  devices: DeviceService,
): NoteStranger {
  return async ({ deviceId, serial, notBefore }) => {
    const since = notBefore.toISOString()
    const type = 'device-moved-on'
    await database.commit(async (tx) => {
      const device = await devices.find(deviceId, tx)
      const subject = { device: deviceId, ...(device && { guid: device.guid }) }
      const detail = { serial, since }
      if (device) await devices.note(tx, deviceId, type, detail)
      const party = device?.party ?? HOME_PARTY
      await audit.append(tx, { party, type, by: 'device', subject, detail })
    })
    events.deviceMovedOn({ device: deviceId, serial, since })
  }
}

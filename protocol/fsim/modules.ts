/** All modules of either side. To add one: its folder, a line here, and a step in steps.ts. */
import type { DeviceHost } from '../service-info/device-host.ts'
import {
  type DeviceModules,
  type OwnerModules,
  deviceModules,
  ownerModules,
} from '../service-info/registry.ts'
import { commandDevice } from './command/device.ts'
import { commandOwner } from './command/owner.ts'
import { type CsrDeviceOptions, csrDevice } from './csr/device.ts'
import { csrOwner } from './csr/owner.ts'
import { downloadDevice } from './download/device.ts'
import { downloadOwner } from './download/owner.ts'
import { fdoSysDevice } from './fdo-sys/device.ts'
import { fdoSysOwner } from './fdo-sys/owner.ts'
import { uploadDevice } from './upload/device.ts'
import { uploadOwner } from './upload/owner.ts'
import { wgetDevice } from './wget/device.ts'
import { wgetOwner } from './wget/owner.ts'

export const OWNER_MODULES: OwnerModules = ownerModules(
  csrOwner,
  downloadOwner,
  uploadOwner,
  commandOwner,
  wgetOwner,
  fdoSysOwner,
)

/** Fresh ones for each run. */
export function allDeviceModules(host: DeviceHost, csr: CsrDeviceOptions = {}): DeviceModules {
  return deviceModules(
    csrDevice(host, csr),
    downloadDevice(host),
    uploadDevice(host),
    commandDevice(host),
    wgetDevice(host),
    fdoSysDevice(host),
  )
}

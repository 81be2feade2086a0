/** All modules of a device. To add one: its folder, a line here and in owner-modules.ts. */
import type { DeviceHost } from '../service-info/device-host.ts'
import { type DeviceModules, deviceModules } from '../service-info/registry.ts'
import { commandDevice } from './command/device.ts'
import { type CsrDeviceOptions, csrDevice } from './csr/device.ts'
import { downloadDevice } from './download/device.ts'
import { fdoSysDevice } from './fdo-sys/device.ts'
import { uploadDevice } from './upload/device.ts'
import { wgetDevice } from './wget/device.ts'

/** Fresh ones for each run. */
export function deviceModulesFor(host: DeviceHost, csr: CsrDeviceOptions = {}): DeviceModules {
  return deviceModules(
    csrDevice(host, csr),
    downloadDevice(host),
    uploadDevice(host),
    commandDevice(host),
    wgetDevice(host),
    fdoSysDevice(host),
  )
}

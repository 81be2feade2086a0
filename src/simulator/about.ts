/** What the device agent says of the machine it runs on. */
import { release } from 'node:os'
import type { AboutDevice } from '../../protocol/fsim/devmod/device.ts'

/** devmod: `model` and `serial` are the device's own, the rest is the operating system's. */
export function aboutDevice(model: string, serial: string): AboutDevice {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch
  return {
    os: process.platform,
    arch,
    version: release(),
    device: model,
    sn: serial,
    pathsep: '/',
    sep: ':',
    nl: '\n',
    tmp: '/tmp/',
    dir: null,
    progenv: 'sh',
    bin: `${process.platform}-${arch}`,
    mudurl: null,
  }
}

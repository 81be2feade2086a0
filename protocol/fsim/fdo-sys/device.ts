/** fdo_sys, the device's side. */
import type { Item } from '../../cbor/scan.ts'
import { FdoError } from '../../errors.ts'
import {
  type DeviceHost,
  type ExistingFile,
  HostFailure,
  type HostProcess,
  type NewFile,
} from '../../service-info/device-host.ts'
import type { DeviceModule, ModuleOutbox } from '../../service-info/module.ts'
import { sendPieces } from '../pieces.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { Eot, Exec, FDO_SYS, Fetch, FileDesc, StatusCb, Write } from './messages.ts'

const DEFAULT_WAIT_SECONDS = 5
/** Whatever the owner says: an HTTP session would not outlive more. */
const MAX_WAIT_SECONDS = 20
const POLL_MS = 1000
const QUIET = { stdout: false, stderr: false }

export function fdoSysDevice(host: DeviceHost): DeviceModule {
  /** Written to, and put in its place when something else is asked for. */
  let current: NewFile | undefined
  let process: HostProcess | undefined
  const fetches: { readonly file: ExistingFile | undefined; sent: number }[] = []

  async function receive(message: string, value: Item, outbox: ModuleOutbox): Promise<void> {
    const path = `${FDO_SYS}:${message}`
    if (message === 'write') {
      if (!current) throw misuse(`${path} without a filedesc`)
      return current.write(Write.parse(value, path))
    }
    if (message === 'status_cb') return acknowledged(StatusCb.parse(value, path), outbox)
    await putInPlace()
    if (message === 'filedesc') {
      current = await host.files.create(requireInnerPath(FileDesc.parse(value, path)))
    } else if (message === 'exec') await exec(Exec.parse(value, path))
    else if (message === 'exec_cb') await start(Exec.parse(value, path), outbox)
    else if (message === 'fetch') await fetch(Fetch.parse(value, path), outbox)
    else throw misuse(path)
  }

  async function putInPlace(): Promise<void> {
    await current?.commit()
    current = undefined
  }

  async function exec([command = '', ...args]: readonly string[]): Promise<void> {
    const running = await host.run(command, args, QUIET)
    let exitCode: number | null = null
    while (exitCode === null) exitCode = (await running.poll(POLL_MS)).exitCode
    if (exitCode !== 0) {
      throw new FdoError('INTERNAL_SERVER_ERROR', `${command}: exit code ${exitCode}`)
    }
  }

  async function start(
    [command = '', ...args]: readonly string[],
    outbox: ModuleOutbox,
  ): Promise<void> {
    if (process) throw misuse(`${FDO_SYS}:exec_cb while another command runs`)
    process = await host.run(command, args, QUIET)
    report(outbox, { isComplete: false, resultCode: 0, waitSeconds: DEFAULT_WAIT_SECONDS })
  }

  /** The owner has heard, and says how long to wait before the next report. */
  async function acknowledged(status: StatusCb, outbox: ModuleOutbox): Promise<void> {
    if (status.isComplete) process?.kill()
    if (status.isComplete || !process) {
      process = undefined
      return
    }
    const waitSeconds = Math.min(status.waitSeconds, MAX_WAIT_SECONDS)
    const { exitCode } = await process.poll(1000 * waitSeconds)
    if (exitCode !== null) process = undefined
    report(outbox, { isComplete: exitCode !== null, resultCode: exitCode ?? 0, waitSeconds })
  }

  async function fetch(name: string, outbox: ModuleOutbox): Promise<void> {
    requireInnerPath(name)
    outbox.send('fetchfile', name)
    try {
      fetches.push({ file: await host.files.open(name), sent: 0 })
    } catch (error) {
      if (!(error instanceof HostFailure)) throw error
      fetches.push({ file: undefined, sent: 0 })
    }
  }

  async function speak(outbox: ModuleOutbox): Promise<boolean> {
    for (let [first] = fetches; first; [first] = fetches) {
      const { file } = first
      if (file) {
        first.sent += (await sendPieces(file, first.sent, outbox, 'data')).length
        if (first.sent < file.length) return true
        await file.close()
      }
      outbox.send('eot', Eot.build(file ? 0 : 1))
      fetches.shift()
    }
    return false
  }

  async function close(): Promise<void> {
    process?.kill()
    process = undefined
    for (const { file } of fetches.splice(0)) await file?.close()
    await current?.discard()
    current = undefined
  }

  return { name: FDO_SYS, receive, speak, finish: putInPlace, close }
}

function report(outbox: ModuleOutbox, status: StatusCb): void {
  outbox.send('status_cb', StatusCb.build(status))
}

/** fdo.command, the device's side: runs programs, one at a time. */
import type { Bytes } from '../../bytes.ts'
import type { Item } from '../../cbor/scan.ts'
import { FdoError } from '../../errors.ts'
import { type DeviceHost, HostFailure, type HostProcess } from '../../service-info/device-host.ts'
import type { DeviceModule, ModuleOutbox } from '../../service-info/module.ts'
import { misuse } from '../refusal.ts'
import { COMMAND, Command, MayFail, ReturnOutput, Signal, parseArgs } from './messages.ts'

/** How long a 68 is held back while the program has nothing to say. */
const POLL_MS = 1000
const MAX_OUTPUT_BYTES = 1014
/** As a shell says it of a program that cannot be started. */
const NOT_STARTED = 127

interface Instructions {
  command: string
  args: readonly string[]
  mayFail: boolean
  stdout: boolean
  stderr: boolean
}

export function commandDevice(host: DeviceHost): DeviceModule {
  let wanted = nothing()
  let process: HostProcess | undefined
  let failedToStart = false

  async function receive(message: string, value: Item): Promise<void> {
    const path = `${COMMAND}:${message}`
    if (message === 'sig') {
      if (!process) throw misuse(`${path} while nothing runs`)
      process.signal(Signal.parse(value, path))
      return
    }
    if (process) throw misuse(`${path} while another command runs`)
    if (message === 'command') wanted = { ...nothing(), command: Command.parse(value, path) }
    else if (message === 'args') wanted.args = parseArgs(value, path)
    else if (message === 'may_fail') wanted.mayFail = MayFail.parse(value, path)
    else if (message === 'return_stdout') wanted.stdout = ReturnOutput.parse(value, path)
    else if (message === 'return_stderr') wanted.stderr = ReturnOutput.parse(value, path)
    else if (message === 'execute') await execute()
    else throw misuse(path)
  }

  async function execute(): Promise<void> {
    const { command, args, stdout, stderr } = wanted
    if (command === '') throw misuse(`${COMMAND}:execute without a command`)
    try {
      process = await host.run(command, args, { stdout, stderr })
    } catch (error) {
      if (!(error instanceof HostFailure)) throw error
      host.warn(`${command}: ${error.message}`)
      failedToStart = true
    }
  }

  async function speak(outbox: ModuleOutbox): Promise<boolean> {
    if (failedToStart) {
      failedToStart = false
      end(NOT_STARTED, outbox)
    }
    if (!process) return false
    const { stdout, stderr, exitCode } = await process.poll(POLL_MS)
    if (wanted.stdout) sendOutput('stdout', stdout, outbox)
    if (wanted.stderr) sendOutput('stderr', stderr, outbox)
    if (exitCode !== null) end(exitCode, outbox)
    return exitCode === null
  }

  function end(exitCode: number, outbox: ModuleOutbox): void {
    const { command, mayFail } = wanted
    process = undefined
    wanted = nothing()
    // Before it fails: the owner hears why, and what the program had to say.
    outbox.send('exitcode', exitCode)
    if (exitCode === 0 || mayFail) return
    const failure = `${command}: exit code ${exitCode}`
    host.warn(failure)
    throw new FdoError('INTERNAL_SERVER_ERROR', failure)
  }

  function close(): void {
    process?.kill()
    process = undefined
  }

  return { name: COMMAND, receive, speak, close }
}

function nothing(): Instructions {
  return { command: '', args: [], mayFail: false, stdout: false, stderr: false }
}

function sendOutput(message: string, output: Bytes, outbox: ModuleOutbox): void {
  for (let offset = 0; offset < output.length; offset += MAX_OUTPUT_BYTES) {
    outbox.send(message, output.subarray(offset, offset + MAX_OUTPUT_BYTES))
  }
}

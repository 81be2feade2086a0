/** fdo.command, the owner's side: has one program run, and takes its output and exit code. */
import { type Infer, bool, int, listOf, nullable, text, tuple } from '../../cbor/schema.ts'
import { encode } from '../../cbor/cbor.ts'
import {
  DONE,
  type ModuleOutbox,
  type ModuleStatus,
  type Received,
  type Spoken,
  failed,
  ownerModule,
  unavailable,
} from '../../service-info/module.ts'
import { needsArgs, takesPlainArgs } from '../peers.ts'
import { misuse } from '../refusal.ts'
import { COMMAND, ExitCode, Output } from './messages.ts'

/** Empty rounds a command may run for: an hour, where answers are held back for two seconds. */
const PATIENCE = 1800

const Task = tuple({
  command: text,
  args: listOf(text),
  mayFail: bool,
  returnStdout: bool,
  returnStderr: bool,
})

const State = tuple({
  task: Task,
  plainArgs: bool,
  /** The device cannot run this command. */
  impossible: bool,
  sent: bool,
  exitCode: nullable(int),
})
type State = Infer<typeof State>

export const commandOwner = ownerModule({
  name: COMMAND,
  overlaps: false,
  task: Task,
  state: State,

  start(task, device) {
    const impossible = task.args.length === 0 && needsArgs(device)
    const plainArgs = takesPlainArgs(device)
    return { state: { task, plainArgs, impossible, sent: false, exitCode: null } }
  },

  receive(state, message, value): Received<State> {
    const path = `${COMMAND}:${message}`
    const { command } = state.task
    if (!state.sent || state.exitCode !== null) return { state }
    if (message === 'exitcode') {
      const exitCode = ExitCode.parse(value, path)
      return {
        state: { ...state, exitCode },
        effects: [{ type: 'command-exited', command, exitCode }],
      }
    }
    if (message !== 'stdout' && message !== 'stderr') throw misuse(path)
    const bytes = Output.parse(value, path).slice()
    if (bytes.length === 0) return { state }
    return { state, effects: [{ type: 'command-output', command, stream: message, bytes }] }
  },

  speak(state, outbox): Spoken<State> {
    const { task, exitCode } = state
    if (state.impossible) {
      return { state, status: unavailable('the C client runs no command without arguments') }
    }
    if (exitCode !== null) {
      const isWell = exitCode === 0 || task.mayFail
      return { state, status: isWell ? DONE : failed(`${task.command}: exit code ${exitCode}`) }
    }
    if (!state.sent) send(state, outbox)
    return { state: { ...state, sent: true }, status: waiting(task.command) }
  },
})

function send({ task, plainArgs }: State, outbox: ModuleOutbox): void {
  outbox.send('command', task.command)
  if (plainArgs) outbox.send('args', task.args)
  else if (task.args.length > 0) outbox.send('args', encode(task.args))
  outbox.send('may_fail', task.mayFail)
  outbox.send('return_stdout', task.returnStdout)
  outbox.send('return_stderr', task.returnStderr)
  // Divergence: C takes anything but null, as the Java owner sends it.
  outbox.send('execute', plainArgs ? task.args : null)
}

function waiting(command: string): ModuleStatus {
  const silence = failed(`${command}: the device never said how it ended`)
  return { type: 'waiting', patience: PATIENCE, silence }
}

/** fdo_sys, the owner's side: a list of instructions, one after the other. */
import {
  type Infer,
  bool,
  int,
  later,
  listOf,
  nullable,
  oneOf,
  text,
  tuple,
  uint,
} from '../../cbor/schema.ts'
import {
  DONE,
  MORE,
  type ModuleOutbox,
  type ModuleStatus,
  type OwnerEffect,
  type OwnerModuleContext,
  type Received,
  type Spoken,
  failed,
  ownerModule,
} from '../../service-info/module.ts'
import { ContentFile, OutgoingFile, sourceOf } from '../content.ts'
import { makeFiles } from '../file-task.ts'
import { IdentityNames } from '../identity.ts'
import { sendPieces } from '../pieces.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { TokenFile } from '../token.ts'
import { Data, Eot, FDO_SYS, Fetch, StatusCb } from './messages.ts'

/** Empty rounds a program may run for, and a file may take. */
const EXEC_PATIENCE = 1800
const FETCH_PATIENCE = 30

/** `exec`, `exec_cb` and `fetch`; files are instructions of their own. */
const Action = tuple({
  kind: oneOf('exec', 'exec_cb', 'fetch'),
  args: listOf(text, 1),
  /** fetch: our name for the file, in which the device has no say, and its greatest length. */
  saveAs: text,
  maxBytes: uint(),
  /** exec_cb: whether a result other than 0 is a failure. */
  mayFail: bool,
})
type Action = Infer<typeof Action>

/** Files first, then actions. `identity`: a key and certificate made for this device. */
const Task = tuple({
  files: listOf(ContentFile),
  identity: nullable(IdentityNames),
  actions: listOf(Action),
  token: later(TokenFile),
})

const State = tuple({
  files: listOf(OutgoingFile),
  named: bool,
  offset: uint(),
  actions: listOf(Action),
  /** The first action is under way. */
  acting: bool,
  received: uint(),
  /** A report to be acknowledged. */
  report: nullable(StatusCb),
  ended: nullable(int),
  failure: nullable(text),
})
type State = Infer<typeof State>

const NEXT_ACTION = { acting: false, received: 0, ended: null }

export const fdoSysOwner = ownerModule({
  name: FDO_SYS,
  overlaps: false,
  task: Task,
  state: State,

  needsCertificate: ({ token }) => token !== null,

  async start(task, _device, context) {
    const { actions } = task
    for (const { kind, saveAs } of actions) if (kind === 'fetch') requireInnerPath(saveAs)
    const { files, effects, failure } = await makeFiles(task, FDO_SYS, context)
    const begun = { named: false, offset: 0, ...NEXT_ACTION, report: null }
    return { state: { files, actions, ...begun, failure }, effects }
  },

  receive(state, message, value): Received<State> {
    const path = `${FDO_SYS}:${message}`
    const [action] = state.actions
    if (!action || !state.acting || state.ended !== null) return { state }
    if (message === 'status_cb') return reported(state, action, StatusCb.parse(value, path))
    if (message === 'data') return fetched(state, action, Data.parse(value, path))
    if (message === 'eot') return ended(state, action, Eot.parse(value, path))
    if (message !== 'fetchfile') throw misuse(path)
    // The device's name of the file is not ours to use.
    Fetch.parse(value, path)
    return { state }
  },

  async speak(state, outbox, context): Promise<Spoken<State>> {
    if (state.report) outbox.send('status_cb', StatusCb.build(state.report))
    let current: State = { ...state, report: null }
    if (current.failure !== null) return { state: current, status: failed(current.failure) }
    for (;;) {
      const next = await step(current, outbox, context)
      const effects = next.effects ?? []
      if (next.status) return { state: next.state, status: next.status, effects }
      current = next.state
    }
  },

  progress: ({ files: [file], offset }) => file && { done: offset, total: file.length },
})

interface Progress {
  readonly state: State
  readonly status?: ModuleStatus
  readonly effects?: readonly OwnerEffect[]
}

/** One step on: the current file, or the current action. */
async function step(
  state: State,
  outbox: ModuleOutbox,
  context: OwnerModuleContext,
): Promise<Progress> {
  const [file, ...files] = state.files
  if (file) {
    if (!state.named) outbox.send('filedesc', file.name)
    const pieces = await sendPieces(sourceOf(file, context), state.offset, outbox, 'write')
    const offset = state.offset + pieces.length
    if (offset < file.length) return { state: { ...state, named: true, offset }, status: MORE }
    return { state: { ...state, files, named: false, offset: 0 } }
  }
  const [action, ...actions] = state.actions
  if (!action) return { state, status: DONE }
  if (state.ended !== null) return { state: { ...state, actions, ...NEXT_ACTION } }
  if (state.acting) return { state, status: waitFor(action) }
  outbox.send(action.kind, action.kind === 'fetch' ? (action.args[0] ?? '') : action.args)
  // Nothing answers an exec: a device that fails in it breaks off.
  if (action.kind === 'exec') return { state: { ...state, actions, ...NEXT_ACTION } }
  const next = { state: { ...state, acting: true }, status: waitFor(action) }
  if (action.kind !== 'fetch') return next
  return { ...next, effects: [{ type: 'upload-begun', name: action.saveAs }] }
}

function reported(state: State, action: Action, report: StatusCb): Received<State> {
  if (action.kind !== 'exec_cb') throw misuse(`${FDO_SYS}:status_cb while nothing runs`)
  const next = { ...state, report }
  if (!report.isComplete) return { state: next }
  const { resultCode } = report
  const command = action.args[0] ?? ''
  const failure = resultCode === 0 || action.mayFail ? null : `${command}: exit code ${resultCode}`
  return {
    state: { ...next, ended: resultCode, failure },
    effects: [{ type: 'command-exited', command, exitCode: resultCode }],
  }
}

function fetched(state: State, action: Action, data: Uint8Array): Received<State> {
  if (action.kind !== 'fetch') throw misuse(`${FDO_SYS}:data that was not asked for`)
  if (state.failure !== null || data.length === 0) return { state }
  const received = state.received + data.length
  if (received > action.maxBytes) {
    return { state: { ...state, failure: `${action.args[0]}: more than ${action.maxBytes} bytes` } }
  }
  const { saveAs: name } = action
  const effect = { type: 'upload-data', name, offset: state.received, bytes: data.slice() } as const
  return { state: { ...state, received }, effects: [effect] }
}

function ended(state: State, action: Action, result: number): Received<State> {
  if (action.kind !== 'fetch') throw misuse(`${FDO_SYS}:eot without a fetch`)
  if (result !== 0) {
    return { state: { ...state, failure: `${action.args[0]}: the device could not send it` } }
  }
  const effect = { type: 'upload-done', name: action.saveAs, length: state.received } as const
  return { state: { ...state, ended: result }, effects: [effect] }
}

function waitFor({ kind, args }: Action): ModuleStatus {
  const silence = failed(`${kind} ${args[0]}: the device never said how it ended`)
  return { type: 'waiting', patience: kind === 'fetch' ? FETCH_PATIENCE : EXEC_PATIENCE, silence }
}

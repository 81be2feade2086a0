/** fdo.upload, the owner's side: asks for a file, and hands on what comes of it. */
import { type Infer, bool, bytes, nullable, text, tuple, uint } from '../../cbor/schema.ts'
import { equalBytes } from '../../bytes.ts'
import { SHA384, startHash } from '../../crypto/hash.ts'
import {
  DONE,
  MORE,
  type ModuleStatus,
  type OwnerModuleContext,
  type Received,
  type Spoken,
  failed,
  ownerModule,
} from '../../service-info/module.ts'
import { misuse, requireInnerPath } from '../refusal.ts'
import { Data, Length, Sha384, UPLOAD } from './messages.ts'

const PATIENCE = 30
const BLOCK_BYTES = 65_536

/**
 * `name` is the device's name of the file; `saveAs` is ours, and the device has no say in it. The
 * hash costs one more round: it is taken over what was committed.
 */
const Task = tuple({ name: text, saveAs: text, needSha: bool, maxBytes: uint() })

const State = tuple({
  task: Task,
  asked: bool,
  length: nullable(uint()),
  written: uint(),
  sha384: nullable(bytes(48)),
  /** What came with an earlier message is committed. */
  settled: bool,
  failure: nullable(text),
})
type State = Infer<typeof State>

export const uploadOwner = ownerModule({
  name: UPLOAD,
  overlaps: false,
  task: Task,
  state: State,

  start(task) {
    requireInnerPath(task.saveAs)
    const nothing = { length: null, written: 0, sha384: null, settled: false, failure: null }
    return { state: { task, asked: false, ...nothing } }
  },

  receive(state, message, value): Received<State> {
    const path = `${UPLOAD}:${message}`
    if (!state.asked || state.failure !== null) return { state }
    if (message === 'length') return { state: announce(state, Length.parse(value, path)) }
    if (message === 'data') return take(state, Data.parse(value, path))
    if (message === 'sha-384') {
      return { state: { ...state, sha384: Sha384.parse(value, path).slice(), settled: false } }
    }
    throw misuse(path)
  },

  async speak(state, outbox, context): Promise<Spoken<State>> {
    if (!state.asked) {
      outbox.send('need-sha', state.task.needSha)
      outbox.send('name', state.task.name)
      const effect = { type: 'upload-begun', name: state.task.saveAs } as const
      return { state: { ...state, asked: true }, status: waiting(state), effects: [effect] }
    }
    if (state.failure !== null) return { state, status: failed(state.failure) }
    if (!isWhole(state)) return { state, status: waiting(state) }
    if (state.task.needSha && !state.settled) {
      return { state: { ...state, settled: true }, status: MORE }
    }
    return finish(state, context)
  },

  progress: ({ length, written }) =>
    length === null ? undefined : { done: written, total: length },
})

function announce(state: State, length: number): State {
  const { maxBytes, name } = state.task
  const failure = length > maxBytes ? `${name}: ${length} bytes, and ${maxBytes} are allowed` : null
  return { ...state, length, failure }
}

function take(state: State, data: Uint8Array): Received<State> {
  const { written, length, task } = state
  if (length === null) throw misuse(`${UPLOAD}:data before its length`)
  const sum = written + data.length
  if (sum > length) {
    return { state: { ...state, failure: `${task.name}: more than the ${length} bytes announced` } }
  }
  const next = { ...state, written: sum }
  if (data.length === 0) return { state: next }
  const bytes = data.slice()
  const effect = { type: 'upload-data', name: task.saveAs, offset: written, bytes } as const
  return { state: next, effects: [effect] }
}

function isWhole({ task, length, written, sha384 }: State): boolean {
  return length !== null && written === length && (!task.needSha || sha384 !== null)
}

async function finish(state: State, context: OwnerModuleContext): Promise<Spoken<State>> {
  const { task, written, sha384 } = state
  if (task.needSha && !(await hasHash(task.saveAs, written, sha384, context))) {
    return { state, status: failed(`${task.name}: another hash than the device said`) }
  }
  const effect = { type: 'upload-done', name: task.saveAs, length: written } as const
  return { state, status: DONE, effects: [effect] }
}

async function hasHash(
  name: string,
  length: number,
  sha384: Uint8Array | null,
  context: OwnerModuleContext,
): Promise<boolean> {
  const hash = startHash(SHA384)
  for (let offset = 0; offset < length; offset += BLOCK_BYTES) {
    const wanted = Math.min(BLOCK_BYTES, length - offset)
    const block = await context.readUpload(name, offset, wanted)
    if (block.length !== wanted) return false
    hash.update(block)
  }
  return sha384 !== null && equalBytes(hash.digest(), sha384)
}

/** Divergence: for a file it has not, the Java device says nothing at all. */
function waiting({ task }: State): ModuleStatus {
  const silence = failed(`${task.name}: the device never sent it`)
  return { type: 'waiting', patience: PATIENCE, silence }
}

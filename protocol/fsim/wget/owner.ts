/** fdo.wget, the owner's side: names a URL, and hears how it went. */
import { type Infer, bool, bytes, nullable, text, tuple, uint } from '../../cbor/schema.ts'
import {
  DONE,
  type ModuleStatus,
  type Received,
  type Spoken,
  failed,
  ownerModule,
} from '../../service-info/module.ts'
import { fetchesByRounds } from '../peers.ts'
import { misuse } from '../refusal.ts'
import { Done, WGET, WgetError } from './messages.ts'

/** Empty rounds a transfer may take: ten minutes, where answers are held back for two seconds. */
const PATIENCE = 300
/** For a device that fetches only as fast as rounds go: 200 MB, and nothing is held back. */
const ROUNDS_TO_FETCH = 100_000

const Task = tuple({
  url: text,
  name: nullable(text),
  sha384: nullable(bytes(48)),
  length: nullable(uint()),
})

const State = tuple({
  task: Task,
  byRounds: bool,
  sent: bool,
  done: bool,
  failure: nullable(text),
})
type State = Infer<typeof State>

export const wgetOwner = ownerModule({
  name: WGET,
  overlaps: false,
  task: Task,
  state: State,

  start(task, device) {
    const byRounds = fetchesByRounds(device)
    return { state: { task, byRounds, sent: false, done: false, failure: null } }
  },

  receive(state, message, value): Received<State> {
    const path = `${WGET}:${message}`
    if (!state.sent) return { state }
    if (message === 'error') {
      return { state: { ...state, failure: `the device: ${WgetError.parse(value, path)}` } }
    }
    // Divergence: the Java device sends the hash it found, after `done`.
    if (message === 'sha-384') return { state }
    if (message !== 'done') throw misuse(path)
    return finish(state, Done.parse(value, path))
  },

  speak(state, outbox): Spoken<State> {
    const { task, failure, done, sent } = state
    if (failure !== null) return { state, status: failed(`${task.url}: ${failure}`) }
    if (done) return { state, status: DONE }
    if (!sent) {
      if (task.sha384 !== null) outbox.send('sha-384', task.sha384)
      if (task.name !== null) outbox.send('name', task.name)
      outbox.send('url', task.url)
    }
    return { state: { ...state, sent: true }, status: waiting(state) }
  },
})

function finish(state: State, written: number): Received<State> {
  const { url, name, length } = state.task
  if (written < 0 || (length !== null && written !== length)) {
    return {
      state: { ...state, failure: `the device wrote ${written} of ${length ?? 'its'} bytes` },
    }
  }
  const effect = { type: 'file-delivered', name: name ?? url, length: written } as const
  return { state: { ...state, done: true }, effects: [effect] }
}

function waiting({ task, byRounds }: State): ModuleStatus {
  const silence = failed(`${task.url}: the device never said that it was done`)
  if (!byRounds) return { type: 'waiting', patience: PATIENCE, silence }
  return { type: 'waiting', patience: ROUNDS_TO_FETCH, silence, maxHoldMs: 0 }
}

/** fdo.download, the owner's side: sends files one after the other, and hears of each. */
import { type Infer, bool, later, listOf, nullable, text, tuple, uint } from '../../cbor/schema.ts'
import {
  DONE,
  MORE,
  type ModuleOutbox,
  type ModuleStatus,
  type OwnerModuleContext,
  type Spoken,
  failed,
  ownerModule,
} from '../../service-info/module.ts'
import { ContentFile, OutgoingFile, sourceOf } from '../content.ts'
import { makeFiles } from '../file-task.ts'
import { IdentityNames } from '../identity.ts'
import { sendPieces } from '../pieces.ts'
import { misuse } from '../refusal.ts'
import { TokenFile } from '../token.ts'
import { DOWNLOAD, Done } from './messages.ts'

/** Empty rounds in which a device may be busy writing. */
const PATIENCE = 30
/** Divergence: C and Java never say that an empty file is done. */
const PATIENCE_FOR_NOTHING = 2

/** Files of the plan, or a key and certificate or a token made for this device. */
const Task = tuple({
  files: listOf(ContentFile),
  identity: nullable(IdentityNames),
  token: later(TokenFile),
})

const State = tuple({
  files: listOf(OutgoingFile),
  offset: uint(),
  announced: bool,
  sent: bool,
  failure: nullable(text),
})
type State = Infer<typeof State>

const NEXT_FILE = { offset: 0, announced: false, sent: false }

export const downloadOwner = ownerModule({
  name: DOWNLOAD,
  overlaps: true,
  task: Task,
  state: State,

  needsCertificate: ({ token }) => token !== null,

  async start(task, _device, context) {
    const { files, effects, failure } = await makeFiles(task, DOWNLOAD, context)
    const state: State = { files, ...NEXT_FILE, failure }
    return { state, effects }
  },

  receive(state, message, value) {
    if (message !== 'done') throw misuse(`${DOWNLOAD}:${message} from a device`)
    const written = Done.parse(value, `${DOWNLOAD}:done`)
    const [file, ...rest] = state.files
    if (!file) return { state }
    if (!state.sent || written !== file.length) {
      const failure = `${file.name}: the device wrote ${written} of ${file.length} bytes`
      return { state: { ...state, failure } }
    }
    const effect = { type: 'file-delivered', name: file.name, length: file.length } as const
    return { state: { ...state, files: rest, ...NEXT_FILE }, effects: [effect] }
  },

  async speak(state, outbox, context) {
    if (state.failure !== null) return { state, status: failed(state.failure) }
    const [file] = state.files
    if (!file) return { state, status: DONE }
    return state.sent ? { state, status: waitFor(file) } : send(state, file, outbox, context)
  },

  progress: ({ files: [file], offset }) => file && { done: offset, total: file.length },
})

async function send(
  state: State,
  file: OutgoingFile,
  outbox: ModuleOutbox,
  context: OwnerModuleContext,
): Promise<Spoken<State>> {
  if (!state.announced) {
    outbox.send('name', file.name)
    outbox.send('length', file.length)
    outbox.send('sha-384', file.sha384)
  }
  if (file.length === 0) outbox.send('data', new Uint8Array(0))
  const pieces = await sendPieces(sourceOf(file, context), state.offset, outbox, 'data')
  const offset = state.offset + pieces.length
  const sent = offset === file.length
  const next = { ...state, announced: true, offset, sent }
  return { state: next, status: sent ? waitFor(file) : MORE }
}

function waitFor({ name, length }: OutgoingFile): ModuleStatus {
  if (length === 0) return { type: 'waiting', patience: PATIENCE_FOR_NOTHING, silence: DONE }
  const silence = failed(`${name}: the device never said that it was done`)
  return { type: 'waiting', patience: PATIENCE, silence }
}

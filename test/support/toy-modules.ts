/** Owner modules that do next to nothing, to watch the loop around them. */
import { bool, text, tuple, uint } from '../../protocol/cbor/schema.ts'
import {
  type ModuleStatus,
  type OwnerModule,
  ownerModule,
} from '../../protocol/service-info/module.ts'

const Task = tuple({ says: text })
const State = tuple({ says: text, spoken: bool, heard: uint() })

export interface Toy {
  /** Where it stands once it has spoken and heard so many values. */
  readonly status: (heard: number) => ModuleStatus
  readonly overlaps?: boolean
  readonly needsCertificate?: boolean
}

/** Says one word, then stands as `status` tells. */
export function toyModule(
  name: string,
  { status, overlaps = false, needsCertificate = false }: Toy,
): OwnerModule<{
  readonly says: string
}> {
  return ownerModule({
    name,
    overlaps,
    task: Task,
    state: State,
    needsCertificate: () => needsCertificate,
    start: ({ says }) => ({ state: { says, spoken: false, heard: 0 } }),
    receive: (state) => ({ state: { ...state, heard: state.heard + 1 } }),
    speak(state, outbox) {
      if (!state.spoken && state.says !== '') outbox.send('say', state.says)
      return { state: { ...state, spoken: true }, status: status(state.heard) }
    },
  })
}

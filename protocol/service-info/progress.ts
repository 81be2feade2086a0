/** How far a session has got, for who looks on. */
import type { BytesDone } from './module.ts'
import type { OwnerSession } from './owner-session.ts'
import type { OwnerModules } from './registry.ts'

export interface SessionProgress {
  /** 68s so far, and the bytes of ServiceInfo that came with them. */
  readonly rounds: number
  readonly receivedBytes: number
  /** What is under way: the step that began last, and the module it goes by. */
  readonly step: string | null
  readonly module: string | null
  /** Of its file, where it is about one. */
  readonly bytes: BytesDone | undefined
}

export function progressOf(
  { rounds, receivedBytes, running }: OwnerSession,
  modules: OwnerModules,
): SessionProgress {
  const at = running.at(-1)
  const module = at && modules.get(at.step.ways[at.way]?.module ?? '')
  return {
    rounds,
    receivedBytes,
    step: at?.step.name ?? null,
    module: module?.name ?? null,
    bytes: at && module?.progress(at.state),
  }
}

/** A plan: what the owner does with one device, in order. */
import type { Bytes } from '../bytes.ts'
import { type Infer, bool, bytes, encodeAs, listOf, text, tuple } from '../cbor/schema.ts'
import type { Devmod } from '../fsim/devmod/messages.ts'
import type { OwnerModule } from './module.ts'

/** One way to take a step: a module, and what it is given to do. */
export const Way = tuple({ module: text, task: bytes() })
export type Way = Infer<typeof Way>

/**
 * `ways` are tried in order: the first whose module the device has, and which does not turn out
 * unavailable. A step that is not `required` is skipped if none works, or if it fails; a required
 * one ends the run.
 */
export const PlanStep = tuple({ name: text, required: bool, ways: listOf(Way, 1, 8) })
export type PlanStep = Infer<typeof PlanStep>

/** Decides what a device gets, once it has said what it is. */
export type PlanFor = (device: Devmod) => readonly PlanStep[] | Promise<readonly PlanStep[]>

export function way<Task>(module: OwnerModule<Task>, task: Task): Way {
  const packed: Bytes = encodeAs(module.task, task)
  return { module: module.name, task: packed }
}

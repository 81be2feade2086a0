/** A plan as an administrator writes it. */
import { createHash } from 'node:crypto'
import { type Bytes, utf8 } from '../../../protocol/bytes.ts'
import type { DeviceScope } from '../../tokens/scopes.ts'

export interface PlanDocument {
  readonly description?: string | undefined
  /** `reuse` leaves the device the credential it has, so that it may onboard again. */
  readonly credential?: 'new' | 'reuse' | undefined
  /** Whom it is for: any of these. A plan that names nobody is for whoever it is the default of. */
  readonly applies_to?: Audience | undefined
  /** Whom it is for, too: each rule that holds in all its parts. */
  readonly rules?: readonly Rule[] | undefined
  /** Goes before what is more exact; 0 unless said. */
  readonly priority?: number | undefined
  /** How it comes to hold; unless said, at once, but for one that runs programs. */
  readonly rollout?: { readonly [Name in keyof Rollout]?: Rollout[Name] | undefined } | undefined
  readonly steps: readonly StepDocument[]
}

export interface Audience {
  readonly devices?: readonly string[] | undefined
  readonly groups?: readonly string[] | undefined
  readonly models?: readonly string[] | undefined
}

export interface Rule extends Audience {
  /** As many letters each, both included. */
  readonly serial?: { readonly from: string; readonly to: string } | undefined
  /** By key: values, or with `*` at the end beginnings of values, of which one has to be it. */
  readonly devmod?: Readonly<Record<string, readonly string[] | undefined>> | undefined
}

/** How a version is tried on a share of the devices. */
export interface Rollout {
  /** To begin with, in per cent. */
  readonly share: number
  /** It stops once so many devices have failed, */
  readonly max_failed: number
  /** if they are as many per cent of those that are through. */
  readonly max_failed_percent: number
  /** It holds for good at 100 per cent, once so many devices are through. */
  readonly watch: number
}

const ROLLOUT: Rollout = { share: 10, max_failed: 3, max_failed_percent: 20, watch: 50 }

interface AnyStep {
  readonly name?: string | undefined
  /** Whether TO2 fails where the step does. Unless said: only on devices that have a module for it. */
  readonly required?: boolean | undefined
  /** Whether its texts are templates: see template.ts. */
  readonly template?: boolean | undefined
}

/** Bytes to send: written into the plan, or brought beforehand and referred to. */
export interface FileSource {
  readonly text?: string | undefined
  readonly base64?: string | undefined
  readonly ref?: string | undefined
}

export interface FileStep extends AnyStep {
  readonly type: 'file'
  readonly path: string
  readonly content: FileSource
}

export interface CommandStep extends AnyStep {
  readonly type: 'command'
  readonly command: string
  readonly args: readonly string[]
  readonly may_fail: boolean
  readonly return_stdout: boolean
  readonly return_stderr: boolean
}

export interface UploadStep extends AnyStep {
  readonly type: 'upload'
  readonly path: string
  readonly save_as: string
  readonly need_sha: boolean
  readonly max_bytes: number
}

export interface WgetStep extends AnyStep {
  readonly type: 'wget'
  readonly url: string
  readonly path?: string | undefined
  readonly sha384?: string | undefined
  readonly length?: number | undefined
}

export interface TokenStep extends AnyStep {
  readonly type: 'token'
  readonly path: string
  /** Where it is to be used; unless said, where devices use their tokens. */
  readonly audience?: string | undefined
  /** What it may carry at most; unless said, all that the device's group lets it. */
  readonly scopes?: readonly DeviceScope[] | undefined
}

export type StepDocument =
  | (AnyStep & { readonly type: 'identity' })
  | (AnyStep & { readonly type: 'service' })
  | FileStep
  | CommandStep
  | UploadStep
  | WgetStep
  | TokenStep

/** What holds for whomever no plan names, unless a plan of this name is stored. */
export const DEFAULT_PLAN = 'default'

export const BUILT_IN_PLAN: PlanDocument = {
  description: 'A certificate of its own, and where to use it.',
  steps: [{ type: 'identity' }, { type: 'service' }],
}

/** How a step is called in logs, events and errors. */
export function nameOf({ name, type }: StepDocument, index: number): string {
  return name ?? `${index + 1} ${type}`
}

/**
 * A token is bound to the certificate that an identity step before it has given, and worth nothing
 * once another one gives another. Its time begins when its step does, and before Done it is of no
 * use: nothing that lasts may come between. Gives the step that is out of its place, and why.
 */
export function misplacedToken(
  steps: readonly Pick<StepDocument, 'type'>[],
): { readonly index: number; readonly why: string } | undefined {
  const token = steps.findIndex(({ type }) => type === 'token')
  if (token < 0) return undefined
  const identity = steps.findIndex(({ type }) => type === 'identity')
  if (identity < 0 || identity > token) {
    const why = 'a token is bound to a certificate: an identity step has to come before it'
    return { index: token, why }
  }
  const last = steps.findLastIndex(({ type }) => type === 'identity')
  if (last > token) {
    const why = 'another certificate would end the token before it: identity steps come first'
    return { index: last, why }
  }
  const late = steps.findLastIndex(({ type }) => type !== 'token')
  if (late < token) return undefined
  const why = 'the five minutes of a token begin when it is sent: its step comes after all others'
  return { index: late, why }
}

/** Whoever may change a plan could do anything to a device by it: a second person has to agree. */
export function runsPrograms({ steps }: PlanDocument): boolean {
  return steps.some(({ type }) => type === 'command')
}

/** Undefined for a plan that holds as soon as it is put. */
export function rolloutOf(document: PlanDocument): Rollout | undefined {
  if (!document.rollout && !runsPrograms(document)) return undefined
  const said = Object.entries(document.rollout ?? {}).filter(([, value]) => value !== undefined)
  return { ...ROLLOUT, ...Object.fromEntries(said) }
}

/** What an approval names: SHA-256 of the document as it is stored, hex. */
export function digestOf(document: string): string {
  return createHash('sha256').update(document).digest('hex')
}

/** The bytes a file step carries in itself; undefined where it refers to others. */
export function inlineBytes({ text, base64 }: FileSource): Bytes | undefined {
  if (text !== undefined) return utf8(text)
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'))
}

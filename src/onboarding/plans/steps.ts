/** What a device gets in TO2: documents an administrator writes, made into steps for one device. */
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { Devmod } from '../../protocol/fsim/devmod/messages.ts'
import { IDENTITY } from '../../protocol/fsim/identity.ts'
import { makesFolders } from '../../protocol/fsim/peers.ts'
import {
  commandStep,
  fileStep,
  identityStep,
  serviceStep,
  uploadStep,
  wgetStep,
} from '../../protocol/fsim/steps.ts'
import type { PlanStep } from '../../protocol/service-info/plan.ts'
import type { Content } from './content.ts'

export interface PlanDocument {
  readonly description?: string | undefined
  /** `reuse` leaves the device the credential it has, so that it may onboard again. */
  readonly credential?: 'new' | 'reuse' | undefined
  /** Whom it is for; a plan that names nobody is for whoever it is the default of. */
  readonly applies_to?: Audience | undefined
  readonly steps: readonly StepDocument[]
}

export interface Audience {
  readonly devices?: readonly string[] | undefined
  readonly groups?: readonly string[] | undefined
  readonly models?: readonly string[] | undefined
}

interface AnyStep {
  readonly name?: string | undefined
  /** Whether TO2 fails where the step does. Unless said: only on devices that have a module for it. */
  readonly required?: boolean | undefined
}

/** Bytes to send: written into the plan, or brought beforehand and referred to. */
export interface FileSource {
  readonly text?: string | undefined
  readonly base64?: string | undefined
  readonly ref?: string | undefined
}

export type StepDocument =
  | (AnyStep & { readonly type: 'identity' })
  | (AnyStep & { readonly type: 'service' })
  | (AnyStep & { readonly type: 'file'; readonly path: string; readonly content: FileSource })
  | (AnyStep & {
      readonly type: 'command'
      readonly command: string
      readonly args: readonly string[]
      readonly may_fail: boolean
      readonly return_stdout: boolean
      readonly return_stderr: boolean
    })
  | (AnyStep & {
      readonly type: 'upload'
      readonly path: string
      readonly save_as: string
      readonly need_sha: boolean
      readonly max_bytes: number
    })
  | (AnyStep & {
      readonly type: 'wget'
      readonly url: string
      readonly path?: string | undefined
      readonly sha384?: string | undefined
      readonly length?: number | undefined
    })

/** What holds for whomever no plan names, unless a plan of this name is stored. */
export const DEFAULT_PLAN = 'default'

export const BUILT_IN_PLAN: PlanDocument = {
  description: 'A certificate of its own, and where to use it.',
  steps: [{ type: 'identity' }, { type: 'service' }],
}

/** Where a device uses its certificate. */
export interface ServiceAddresses {
  readonly token_url: string
  readonly api_url: string
}

/** What making steps takes beside the document. */
export interface Ingredients {
  /** Of a file step, by its place in the plan. */
  contentOf(index: number): Content
  /** Holds bytes made for devices of one sort; the same bytes, the same content. */
  hold(bytes: Bytes): Promise<Content>
  /** Undefined where there is no TLS listener to use a certificate at. */
  readonly addresses: ServiceAddresses | undefined
}

export async function stepsFor(
  { steps }: PlanDocument,
  device: Devmod,
  ingredients: Ingredients,
): Promise<readonly PlanStep[]> {
  const made: PlanStep[] = []
  for (const [index, document] of steps.entries()) {
    const step = await stepOf(document, index, device, ingredients)
    if (!step) continue
    const isPossible = step.ways.some(({ module }) => device.modules.includes(module))
    made.push({ ...step, required: document.required ?? isPossible })
  }
  return made
}

async function stepOf(
  document: StepDocument,
  index: number,
  device: Devmod,
  ingredients: Ingredients,
): Promise<PlanStep | undefined> {
  const options = { name: document.name ?? `${index + 1} ${document.type}`, required: true }
  if (document.type === 'identity') return identityStep(options, device)
  if (document.type === 'service') {
    const { addresses } = ingredients
    if (!addresses) return undefined
    const content = await ingredients.hold(serviceDocument(addresses, device))
    return serviceStep(options, device, sent(content))
  }
  if (document.type === 'file') {
    return fileStep(options, { name: document.path, ...sent(ingredients.contentOf(index)) })
  }
  if (document.type === 'command') {
    const { command, args } = document
    return commandStep(options, {
      command,
      args,
      mayFail: document.may_fail,
      returnStdout: document.return_stdout,
      returnStderr: document.return_stderr,
    })
  }
  if (document.type === 'upload') {
    const { path, save_as: saveAs, need_sha: needSha, max_bytes: maxBytes } = document
    return uploadStep(options, { name: path, saveAs, needSha, maxBytes })
  }
  const { url, path = null, length = null, sha384 } = document
  return wgetStep(options, { url, name: path, length, sha384: sha384 ? fromHexText(sha384) : null })
}

function sent({ ref, sha384, length }: Content) {
  return { ref, length, sha384: fromHexText(sha384) }
}

function fromHexText(hex: string): Bytes {
  return new Uint8Array(Buffer.from(hex, 'hex'))
}

/** `identity/service.json`; `ca` is the trust bundle's name beside it. */
function serviceDocument(addresses: ServiceAddresses, device: Devmod): Bytes {
  const ca = makesFolders(device) ? IDENTITY.ca.replace('identity/', '') : 'identity-ca.pem'
  return utf8(`${JSON.stringify({ ...addresses, ca }, null, 2)}\n`)
}

/** The bytes a file step carries in itself; undefined where it refers to others. */
export function inlineBytes({ text, base64 }: FileSource): Bytes | undefined {
  if (text !== undefined) return utf8(text)
  return base64 === undefined ? undefined : new Uint8Array(Buffer.from(base64, 'base64'))
}

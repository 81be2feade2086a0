/** The steps of a plan for one device, its templates filled in. */
import { type Bytes, utf8 } from '../../../protocol/bytes.ts'
import type { Devmod } from '../../../protocol/fsim/devmod/messages.ts'
import { IDENTITY } from '../../../protocol/fsim/identity.ts'
import { makesFolders } from '../../../protocol/fsim/peers.ts'
import {
  commandStep,
  fileStep,
  identityStep,
  serviceStep,
  tokenStep,
  uploadStep,
  wgetStep,
} from '../../../protocol/fsim/steps.ts'
import { PlanFailure } from '../../../protocol/service-info/owner-work.ts'
import { isInnerPath } from '../../../protocol/service-info/path.ts'
import type { PlanStep } from '../../../protocol/service-info/plan.ts'
import type { Content } from '../content.ts'
import { type PlanDocument, type StepDocument, nameOf } from './document.ts'
import {
  type TemplateFacts,
  TemplateError,
  checkArguments,
  checkTemplate,
  render,
} from './template.ts'

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
  /** Holds bytes made for one device, as long as a run may last. */
  lend(bytes: Bytes): Promise<Content>
  /** Undefined where there is no TLS listener to use a certificate at. */
  readonly addresses: ServiceAddresses | undefined
  /** What its templates may name. Asked only where it has some. */
  facts(): Promise<TemplateFacts>
}

/** Throws PlanFailure for a step that cannot be filled in for this device, and has to be. */
export async function stepsFor(
  { steps }: PlanDocument,
  device: Devmod,
  ingredients: Ingredients,
): Promise<readonly PlanStep[]> {
  const facts = steps.some(({ template }) => template) ? await ingredients.facts() : undefined
  const made: PlanStep[] = []
  for (const [index, document] of steps.entries()) {
    const filled = facts ? filledOrNot(document, index, facts) : document
    if (!filled) continue
    const step = await stepOf(filled, index, device, ingredients)
    if (!step) continue
    const isPossible = step.ways.some(({ module }) => device.modules.includes(module))
    made.push({ ...step, required: document.required ?? isPossible })
  }
  return made
}

/** What cannot be filled in is left out only where the plan says that it may be missing. */
function filledOrNot(document: StepDocument, index: number, facts: TemplateFacts) {
  try {
    return fillStep(document, facts)
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    if (document.required === false) return undefined
    throw new PlanFailure(nameOf(document, index), error.message)
  }
}

/** Throws TemplateError for a template that no device could be given. */
export function checkTemplates(step: StepDocument): void {
  if (!step.template) return
  if (step.type === 'file') {
    checkTemplate(step.path, 'path')
    if (step.content.text !== undefined) checkTemplate(step.content.text, 'content')
  } else if (step.type === 'command') checkArguments(step.command, step.args)
  else if (step.type === 'upload') {
    checkTemplate(step.path, 'path')
    checkTemplate(step.save_as, 'path')
  } else if (step.type === 'wget') {
    checkTemplate(step.url, 'url')
    if (step.path !== undefined) checkTemplate(step.path, 'path')
  }
}

/** The step as this device gets it. Throws TemplateError. */
export function fillStep(step: StepDocument, facts: TemplateFacts): StepDocument {
  if (!step.template) return step
  const path = (template: string) => render(template, 'path', facts)
  switch (step.type) {
    case 'file': {
      const { text } = step.content
      const content = text === undefined ? step.content : { text: render(text, 'content', facts) }
      return { ...step, path: path(step.path), content }
    }
    case 'command':
      return { ...step, args: step.args.map((arg) => render(arg, 'argument', facts)) }
    case 'upload': {
      const save_as = path(step.save_as)
      if (!isInnerPath(save_as)) throw new TemplateError(`save_as would be ${save_as}`)
      return { ...step, path: path(step.path), save_as }
    }
    case 'wget': {
      const url = render(step.url, 'url', facts)
      return { ...step, url, ...(step.path !== undefined && { path: path(step.path) }) }
    }
    default:
      return step
  }
}

/** Of a step that is filled in; undefined where it has no place here. */
export async function stepOf(
  document: StepDocument,
  index: number,
  device: Devmod,
  ingredients: Omit<Ingredients, 'facts'>,
): Promise<PlanStep | undefined> {
  const options = { name: nameOf(document, index), required: true }
  if (document.type === 'identity') return identityStep(options, device)
  if (document.type === 'service') {
    const { addresses } = ingredients
    if (!addresses) return undefined
    const content = await ingredients.hold(serviceDocument(addresses, device))
    return serviceStep(options, device, sent(content))
  }
  if (document.type === 'token') {
    // It can be used nowhere else than a certificate.
    if (!ingredients.addresses) return undefined
    const { path: name, audience = null, scopes = null } = document
    return tokenStep(options, { name, audience, scopes })
  }
  if (document.type === 'file') {
    const { template, content, path } = document
    const isOwn = template === true && content.text !== undefined
    const bytes = isOwn ? await ingredients.lend(utf8(content.text)) : ingredients.contentOf(index)
    return fileStep(options, { name: path, ...sent(bytes) })
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
export function serviceDocument(addresses: ServiceAddresses, device: Devmod): Bytes {
  const ca = makesFolders(device) ? IDENTITY.ca.replace('identity/', '') : 'identity-ca.pem'
  return utf8(`${JSON.stringify({ ...addresses, ca }, null, 2)}\n`)
}

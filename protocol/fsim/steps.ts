/** The steps a plan is made of, each with every way that some device knows. */
import type { Devmod } from './devmod/messages.ts'
import { type PlanStep, type Way, way } from '../service-info/plan.ts'
import { commandOwner } from './command/owner.ts'
import type { ContentFile } from './content.ts'
import { csrOwner } from './csr/owner.ts'
import { downloadOwner } from './download/owner.ts'
import { fdoSysOwner } from './fdo-sys/owner.ts'
import type { FileTask } from './file-task.ts'
import { IDENTITY, type IdentityNames } from './identity.ts'
import { makesFolders, withoutFolder } from './peers.ts'
import type { TokenFile } from './token.ts'
import { uploadOwner } from './upload/owner.ts'
import { wgetOwner } from './wget/owner.ts'

interface StepOptions {
  /** How it is called in logs and events. */
  readonly name: string
  /** Whether TO2 fails where the step does. */
  readonly required: boolean
}

const SERVICE_FILE = 'identity/service.json'
const NO_DOWNLOAD = { files: [], identity: null, token: null }
const NO_FDO_SYS = { ...NO_DOWNLOAD, actions: [] }

/** A file to a place on the device: fdo.download, else fdo_sys. */
export function fileStep(options: StepOptions, file: ContentFile): PlanStep {
  return filesStep(options, { files: [file] })
}

/** An access token for the certificate that an identity step before it has given, as a file. */
export function tokenStep(options: StepOptions, token: TokenFile): PlanStep {
  return filesStep(options, { token })
}

function filesStep(options: StepOptions, task: Partial<FileTask>): PlanStep {
  return step(options, [
    way(downloadOwner, { ...NO_DOWNLOAD, ...task }),
    way(fdoSysOwner, { ...NO_FDO_SYS, ...task }),
  ])
}

/**
 * A certificate of the device's own, and the trust bundle: for a key it makes itself where it can
 * ask (fdo.csr), else key and certificate as files.
 */
export function identityStep(options: StepOptions, device: Devmod): PlanStep {
  return step(options, makesFolders(device) ? IDENTITY_IN_FOLDER : IDENTITY_WITHOUT)
}

function identityWays(names: IdentityNames): readonly Way[] {
  return [
    way(csrOwner, {}),
    way(downloadOwner, { ...NO_DOWNLOAD, identity: names }),
    way(fdoSysOwner, { ...NO_FDO_SYS, identity: names }),
  ]
}

const IDENTITY_IN_FOLDER = identityWays(IDENTITY)
const IDENTITY_WITHOUT = identityWays({
  key: withoutFolder(IDENTITY.key),
  certificate: withoutFolder(IDENTITY.certificate),
  ca: withoutFolder(IDENTITY.ca),
})

/** Where the device uses its identity: `identity/service.json`, a content like any other. */
export function serviceStep(
  options: StepOptions,
  device: Devmod,
  content: Omit<ContentFile, 'name'>,
): PlanStep {
  const name = makesFolders(device) ? SERVICE_FILE : withoutFolder(SERVICE_FILE)
  return fileStep(options, { ...content, name })
}

export interface CommandOptions {
  readonly command: string
  readonly args: readonly string[]
  readonly mayFail: boolean
  readonly returnStdout: boolean
  readonly returnStderr: boolean
}

/** A program run on the device: fdo.command, else fdo_sys (which returns no output). */
export function commandStep(options: StepOptions, run: CommandOptions): PlanStep {
  const { command, args, mayFail } = run
  const action = { kind: 'exec_cb', args: [command, ...args], mayFail } as const
  return step(options, [
    way(commandOwner, run),
    way(fdoSysOwner, { ...NO_FDO_SYS, actions: [{ ...action, saveAs: '', maxBytes: 0 }] }),
  ])
}

export interface UploadOptions {
  readonly name: string
  readonly saveAs: string
  readonly needSha: boolean
  readonly maxBytes: number
}

/** A file from the device: fdo.upload, else fdo_sys (which has no hash). */
export function uploadStep(options: StepOptions, file: UploadOptions): PlanStep {
  const { name, saveAs, maxBytes } = file
  const action = { kind: 'fetch', args: [name], saveAs, maxBytes, mayFail: false } as const
  return step(options, [
    way(uploadOwner, file),
    way(fdoSysOwner, { ...NO_FDO_SYS, actions: [action] }),
  ])
}

export interface WgetOptions {
  readonly url: string
  readonly name: string | null
  readonly sha384: Uint8Array | null
  readonly length: number | null
}

/** A file that the device fetches itself: fdo.wget. */
export function wgetStep(options: StepOptions, file: WgetOptions): PlanStep {
  return step(options, [way(wgetOwner, file)])
}

function step({ name, required }: StepOptions, ways: readonly Way[]): PlanStep {
  return { name, required, ways }
}

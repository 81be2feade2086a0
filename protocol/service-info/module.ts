/**
 * What a ServiceInfo module is, on either side.
 *
 * An owner module is pure: between two messages it is nothing but its packed state, so that any
 * process may answer the next one. What it needs to know comes in through its context, what it
 * wants kept goes out as effects. Large contents are read through the context by offset.
 *
 * A device module lives as long as its run and acts through a DeviceHost.
 */
import type { Bytes } from '../bytes.ts'
import { type CborValue, encode } from '../cbor/cbor.ts'
import type { Item } from '../cbor/scan.ts'
import { type Schema, decodeAs, encodeAs } from '../cbor/schema.ts'
import type { Devmod } from '../fsim/devmod/messages.ts'
import type { Outbox } from './chunk.ts'
import type { TokenIssuer } from './token-issuer.ts'

/** What modules say to the other side, under their own name. */
export interface ModuleOutbox {
  send(message: string, value: CborValue): void
  /** The longest encoded value of this message that still goes out whole with what is next sent. */
  roomFor(message: string): number
}

export function moduleOutbox(outbox: Outbox, module: string): ModuleOutbox {
  return {
    send: (message, value) => outbox.push(`${module}:${message}`, encode(value)),
    roomFor: (message) => outbox.roomFor(`${module}:${message}`),
  }
}

// ---------------------------------------------------------------- the owner's side

/** What the owner's modules look up. Read-only; every call may be repeated. */
export interface OwnerModuleContext {
  /** Part of a content the plan names; shorter than asked only at its end. */
  readContent(ref: string, offset: number, length: number): Bytes | Promise<Bytes>
  /** Part of what the device has uploaded in this run, as far as its effects are committed. */
  readUpload(name: string, offset: number, length: number): Bytes | Promise<Bytes>
  readonly credentials: CredentialIssuer
  readonly tokens: TokenIssuer
}

/** What a module begins with, besides. */
export interface OwnerStartContext extends OwnerModuleContext {
  /** What this run has given the device, DER; kept for tasks that need it, and null for others. */
  readonly certificate: Bytes | null
}

/** Makes the device's own credentials. What it makes is pending, and recorded by the effect. */
export interface CredentialIssuer {
  /** Throws CsrRefusal, with the reason the device is told. */
  sign(csr: Bytes, renewal: boolean): Promise<IssuedCertificate>
  /** A fresh key and its certificate, for a device that cannot make its own. */
  generate(): Promise<IssuedKey>
  /** The trust bundle: DER certificates. */
  caCertificates(): Promise<readonly Bytes[]>
  /** DER CsrAttrs (RFC 7030, section 4.5.2), where there are any. */
  csrAttributes?(): Promise<Bytes>
}

export interface IssuedCertificate {
  /** DER. */
  readonly certificate: Bytes
  /** The certificates above it, DER, without the root. */
  readonly intermediates: readonly Bytes[]
}

export interface IssuedKey extends IssuedCertificate {
  /** DER, PKCS#8. Kept nowhere but in the sealed session, until it is delivered. */
  readonly pkcs8: Bytes
}

/** `fdo.csr:error`: why no certificate was issued. */
export const CsrError = {
  BAD_REQUEST: 1,
  UNAUTHORIZED: 2,
  NOT_SUPPORTED: 3,
  RATE_EXCEEDED: 4,
  UNSUPPORTED_FORMAT: 5,
} as const

/** Thrown by a CredentialIssuer; the device is told the code. */
export class CsrRefusal extends Error {
  override readonly name = 'CsrRefusal'
  readonly code: keyof typeof CsrError

  constructor(code: keyof typeof CsrError, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** What the service commits together with the session, before the answer leaves. */
export type OwnerEffect =
  | { readonly type: 'devmod'; readonly devmod: Devmod }
  | { readonly type: 'step-done'; readonly step: string; readonly module: string }
  | { readonly type: 'step-skipped'; readonly step: string; readonly reason: string }
  | { readonly type: 'certificate-issued'; readonly certificate: Bytes; readonly module: string }
  | {
      readonly type: 'token-issued'
      readonly scopes: readonly string[]
      readonly module: string
    }
  | { readonly type: 'file-delivered'; readonly name: string; readonly length: number }
  | { readonly type: 'upload-begun'; readonly name: string }
  | {
      readonly type: 'upload-data'
      readonly name: string
      readonly offset: number
      readonly bytes: Bytes
    }
  | { readonly type: 'upload-done'; readonly name: string; readonly length: number }
  | {
      readonly type: 'command-output'
      readonly command: string
      readonly stream: 'stdout' | 'stderr'
      readonly bytes: Bytes
      /** The loop's to say. */
      readonly step?: string
    }
  | {
      readonly type: 'command-exited'
      readonly command: string
      readonly exitCode: number
      readonly step?: string
    }

/**
 * Where a module stands when it is its turn to speak.
 * - more: it goes on with the next message.
 * - waiting: for the device. `patience` says how many empty rounds it waits (they get slower),
 *   and what follows if nothing came.
 * - done, failed: over; what the plan says of the step decides what failing means.
 * - unavailable: the device cannot do it this way; the step's next way is tried.
 */
export type ModuleStatus =
  | { readonly type: 'more' }
  | {
      readonly type: 'waiting'
      readonly patience: number
      readonly silence: ModuleEnd
      /** How long answers may be held back meanwhile, if less than the session allows. */
      readonly maxHoldMs?: number
    }
  | ModuleEnd

export type ModuleEnd =
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly reason: string }
  | { readonly type: 'unavailable'; readonly reason: string }

export const MORE: ModuleStatus = { type: 'more' }
export const DONE: ModuleEnd = { type: 'done' }

export function failed(reason: string): ModuleEnd {
  return { type: 'failed', reason }
}

export function unavailable(reason: string): ModuleEnd {
  return { type: 'unavailable', reason }
}

export interface Received<State> {
  readonly state: State
  readonly effects?: readonly OwnerEffect[]
}

export interface Spoken<State> extends Received<State> {
  readonly status: ModuleStatus
}

/** How an owner module is written down; `ownerModule` makes an OwnerModule of it. */
export interface OwnerModuleDefinition<Task, State> {
  readonly name: string
  /** May go on while another module of this kind waits for the device. */
  readonly overlaps: boolean
  readonly task: Schema<Task>
  readonly state: Schema<State>
  /** Whether a task is about the certificate of this run: it begins when all before it is done. */
  needsCertificate?(task: Task): boolean
  start(
    task: Task,
    device: Devmod,
    context: OwnerStartContext,
  ): Received<State> | Promise<Received<State>>
  /** One value from the device. Throws FdoError where it is none this module knows. */
  receive(
    state: State,
    message: string,
    value: Item,
    context: OwnerModuleContext,
  ): Received<State> | Promise<Received<State>>
  /** Its turn to speak: it fills what room there is, and says where it stands. */
  speak(
    state: State,
    outbox: ModuleOutbox,
    context: OwnerModuleContext,
  ): Spoken<State> | Promise<Spoken<State>>
  /** How far it is with the file that is under way. */
  progress?(state: State): BytesDone | undefined
}

export interface BytesDone {
  readonly done: number
  readonly total: number
}

export interface OwnerModule<Task = unknown> {
  readonly name: string
  readonly overlaps: boolean
  readonly task: Schema<Task>
  needsCertificate(task: Bytes): boolean
  start(
    task: Bytes,
    device: Devmod,
    context: OwnerStartContext,
  ): Promise<{ readonly run: OwnerRun; readonly effects: readonly OwnerEffect[] }>
  resume(packed: Bytes): OwnerRun
  progress(packed: Bytes): BytesDone | undefined
}

/** A module at work, during one message. */
export interface OwnerRun {
  receive(
    message: string,
    value: Item,
    context: OwnerModuleContext,
  ): Promise<readonly OwnerEffect[]>
  speak(
    outbox: ModuleOutbox,
    context: OwnerModuleContext,
  ): Promise<{ readonly status: ModuleStatus; readonly effects: readonly OwnerEffect[] }>
  pack(): Bytes
}

export function ownerModule<Task, State>(
  definition: OwnerModuleDefinition<Task, State>,
): OwnerModule<Task> {
  const { name, overlaps, task: taskSchema, state: stateSchema } = definition
  const runOf = (initial: State): OwnerRun => {
    let state = initial
    return {
      async receive(message, value, context) {
        const received = await definition.receive(state, message, value, context)
        state = received.state
        return received.effects ?? []
      },
      async speak(outbox, context) {
        const spoken = await definition.speak(state, outbox, context)
        state = spoken.state
        return { status: spoken.status, effects: spoken.effects ?? [] }
      },
      pack: () => encodeAs(stateSchema, state),
    }
  }
  const unpack = (packed: Bytes) => decodeAs(taskSchema, packed, `${name} task`)
  return {
    name,
    overlaps,
    task: taskSchema,
    needsCertificate: (packed) => definition.needsCertificate?.(unpack(packed)) ?? false,
    async start(packedTask, device, context) {
      const task = unpack(packedTask)
      const { state, effects = [] } = await definition.start(task, device, context)
      return { run: runOf(state), effects }
    },
    resume: (packed) => runOf(decodeAs(stateSchema, packed, `${name} state`)),
    progress: (packed) => definition.progress?.(decodeAs(stateSchema, packed, `${name} state`)),
  }
}

// ---------------------------------------------------------------- the device's side

/** The device will not do what a module was asked for: it switches that module off. */
export class Unwilling extends Error {
  override readonly name = 'Unwilling'
}

export interface DeviceModule {
  readonly name: string
  /** The owner has switched it on; a module that starts conversations does so here. */
  activate?(outbox: ModuleOutbox): Promise<void> | void
  /** One value from the owner. Throws FdoError to break off, Unwilling to be left out. */
  receive(message: string, value: Item, outbox: ModuleOutbox): Promise<void> | void
  /**
   * The device's turn to speak, after everything received: for what runs on by itself, such as a
   * process. Gives true while there is more to come.
   */
  speak?(outbox: ModuleOutbox): Promise<boolean> | boolean
  /** The owner's last word has come, and TO2 is complete: what was waiting for that is done now. */
  finish?(): Promise<void> | void
  /** The run is over, well or not: processes are ended, unfinished files removed. */
  close?(): Promise<void> | void
}

/**
 * What the device's side of the modules may do to the machine it runs on. The modules have
 * checked names first (see path.ts); the host keeps everything inside its sandbox once more.
 */
import type { Bytes } from '../bytes.ts'

export interface DeviceHost {
  readonly files: HostFiles
  /** Starts a process in the directory of the files; throws HostFailure if it cannot. */
  run(command: string, args: readonly string[], output: ProcessOutput): Promise<HostProcess>
  /** Gets a document; throws HostFailure. */
  fetch(url: string): Promise<HostDocument>
  readonly keys: HostKeys
  readonly clock: HostClock
  /** Lets time pass while something goes on in the background. */
  pause(ms: number): Promise<void>
  /** Something the person who runs the device may want to know. */
  warn(text: string): void
}

/** What the machine refused or could not do; the peer is told by the module's own means. */
export class HostFailure extends Error {
  override readonly name = 'HostFailure'
}

export interface HostFiles {
  /**
   * A file that takes the place of any of this name when it is committed, and not before. Only its
   * owner may read it; folders on the way to it are made. Throws HostFailure, as its methods do.
   */
  create(path: string): Promise<NewFile>
  /** Undefined where there is no such file. Throws HostFailure where it cannot be read. */
  open(path: string): Promise<ExistingFile | undefined>
}

export interface NewFile {
  write(bytes: Bytes): Promise<void>
  commit(): Promise<void>
  discard(): Promise<void>
}

export interface ExistingFile {
  readonly length: number
  /** Shorter than asked only at the end of the file. */
  read(offset: number, length: number): Promise<Bytes>
  close(): Promise<void>
}

export interface ProcessOutput {
  readonly stdout: boolean
  readonly stderr: boolean
}

export interface HostProcess {
  /** What was written since the last call; waits at most so long for something to tell. */
  poll(waitMs: number): Promise<ProcessNews>
  signal(number: number): void
  kill(): void
}

export interface ProcessNews {
  readonly stdout: Bytes
  readonly stderr: Bytes
  /** Null while it runs; negative where a signal ended it. With it comes the last of the output. */
  readonly exitCode: number | null
}

export interface HostDocument {
  readonly status: number
  readonly statusText: string
  readonly body: AsyncIterable<Bytes>
}

/** The keys a device makes for itself. */
export interface HostKeys {
  /** A fresh key of the kind the device uses, not yet stored. */
  generate(): Promise<HostKey>
}

export interface HostKey {
  /** DER, PKCS#8. */
  readonly pkcs8: Bytes
  /** DER, SubjectPublicKeyInfo. */
  readonly spki: Bytes
  /** DER, PKCS#10, signed with this key. */
  createCsr(): Promise<Bytes>
}

export interface HostClock {
  /** Time cannot be before this: a certificate just issued says so. */
  raiseFloor(time: Date): Promise<void>
}

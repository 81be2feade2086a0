/** A device's key and credential in one file, replaced as a whole or not at all. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import type { Bytes } from '../../protocol/bytes.ts'
import {
  type Infer,
  bytes,
  decodeAs,
  encodeAs,
  int,
  nullable,
  oneOf,
  text,
  tuple,
} from '../../protocol/cbor/schema.ts'
import { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import { FdoError } from '../../protocol/errors.ts'
import { CliFailure } from '../cli/failure.ts'

/** What is in the file: CBOR. */
const CredentialFile = tuple({
  version: oneOf(1),
  /** The attestation key, PKCS#8. It is there before DI begins: DI repeated is by the same key. */
  pkcs8: bytes(),
  hmacSecret: bytes(),
  serial: text,
  model: text,
  /** The key exchange and cipher that suit the kind of owner key it asked for. */
  kex: text,
  cipher: int,
  /** Null until DI is done. */
  credential: nullable(DeviceCredential),
})
export type CredentialFile = Infer<typeof CredentialFile>

/** Undefined where there is no such file; a CliFailure where it is something else. */
export function readCredentialFile(path: string): CredentialFile | undefined {
  let content: Bytes
  try {
    content = readFileSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return decodeAs(CredentialFile, content, path)
  } catch (cause) {
    if (!(cause instanceof FdoError)) throw cause
    throw new CliFailure('failed', `${path} is not a device credential`, {
      code: 'credential',
      next: 'make one with: firstlight device init',
      cause,
    })
  }
}

export function writeCredentialFile(path: string, file: CredentialFile): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileAtomically(path, encodeAs(CredentialFile, file))
}

/** Writes beside the file, flushes, and renames: whoever reads sees the old content or the new. */
export function writeFileAtomically(path: string, content: Bytes, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.new`
  const file = openSync(temporary, 'w', mode)
  try {
    for (let offset = 0; offset < content.length;) {
      offset += writeSync(file, content, offset)
    }
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  flushFolder(dirname(path))
}

function flushFolder(path: string): void {
  const folder = openSync(path, 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

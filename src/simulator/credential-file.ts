/** A device's credential and key in one file, replaced as a whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'

/** Writes beside the file, flushes, and renames: whoever reads sees the old content or the new. */
export function writeFileAtomically(path: string, content: Uint8Array, mode = 0o600): void {
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
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

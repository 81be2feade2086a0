/** JSON documents that people edit: printed by a command, and given back to it in a file. */
import { readFileSync } from 'node:fs'
import { CliFailure } from './failure.ts'

/** As the command prints it: whether it is the default is not for the caller to say. */
export function documentIn(file: string): unknown {
  let document: unknown
  try {
    document = JSON.parse(readFileSync(file, 'utf8'))
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause
    throw new CliFailure('failed', `${file} is not JSON`, { code: 'file', cause })
  }
  if (typeof document !== 'object' || document === null) return document
  return Object.fromEntries(Object.entries(document).filter(([name]) => name !== 'is_default'))
}

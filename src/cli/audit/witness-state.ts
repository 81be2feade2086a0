/**
 * What a witness keeps: the last head it signed. It never signs one that this does not lead to, and
 * whoever verifies the log later can take it from here, instead of from the installation itself.
 */
import { readFileSync } from 'node:fs'
import { type Bytes, fromBase64, toBase64, utf8 } from '../../../protocol/bytes.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { type Countersignature, parseCountersignature } from '../../audit/head.ts'
import { writeFileAtomically } from '../../simulator/credential-file.ts'
import { CliFailure } from '../failure.ts'

/** Undefined where there is no such file yet. */
export function readWitnessState(path: string): Countersignature | undefined {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  return parsedState(content) ?? refuse(path)
}

/** With the head in words beside what was signed, for those who look into the file. */
export function writeWitnessState(path: string, signed: Bytes): void {
  const { party, seq, at, witnessedAt } = parseCountersignature(signed).statement
  const state = { party, seq, at, witnessed_at: witnessedAt, countersignature: toBase64(signed) }
  writeFileAtomically(path, utf8(`${JSON.stringify(state, null, 2)}\n`))
}

function parsedState(content: string): Countersignature | undefined {
  try {
    const { countersignature } = JSON.parse(content) as { countersignature?: unknown }
    const signed = typeof countersignature === 'string' ? fromBase64(countersignature) : undefined
    return signed && parseCountersignature(signed)
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof FdoError) return undefined
    if (error instanceof TypeError) return undefined // null, which has no members
    throw error
  }
}

function refuse(path: string): never {
  throw new CliFailure('failed', `${path} is not the state of a witness`, {
    code: 'file',
    next: 'name the file that firstlight audit witness keeps, or one that is not there yet',
  })
}

/** What programs print: how it begins and how it ends, whatever its length. */
import { type Bytes, concat } from '../../../protocol/bytes.ts'
import type { Executor } from '../../database/connection.ts'
import { type OutputRow, dropOtherOutputs, findOutput, putOutput } from './store.ts'

const MOST_HEAD_BYTES = 8 * 1024
/** Why something failed is mostly said last. */
const MOST_TAIL_BYTES = 24 * 1024

type OutputName = Pick<OutputRow, 'device_id' | 'run_id' | 'step' | 'stream'>
type Kept = Pick<OutputRow, 'head' | 'tail' | 'length'>

const NOTHING: Kept = { head: new Uint8Array(0), tail: new Uint8Array(0), length: 0 }

/** In the transaction that answers the message which brought it. */
export async function keepOutput(tx: Executor, name: OutputName, bytes: Bytes): Promise<void> {
  const before = await findOutput.first(tx, name)
  if (!before) await dropOtherOutputs.run(tx, name)
  const { device_id, run_id, step, stream } = name
  await putOutput.run(tx, {
    device_id,
    run_id,
    step,
    stream,
    ...appended(before ?? NOTHING, bytes),
  })
}

export function appended({ head, tail, length }: Kept, bytes: Bytes): Kept {
  const room = MOST_HEAD_BYTES - head.length
  const rest = concat(tail, bytes.subarray(room))
  return {
    head: concat(head, bytes.subarray(0, room)),
    tail: rest.slice(Math.max(0, rest.length - MOST_TAIL_BYTES)),
    length: Number(length) + bytes.length,
  }
}

/** As text; what is missing in the middle is said. */
export function outputText({ head, tail, length }: Kept): string {
  const left = Number(length) - head.length - tail.length
  const text = (bytes: Bytes) => Buffer.from(bytes).toString('utf8')
  if (left <= 0) return text(concat(head, tail))
  return `${text(head)}\n… ${left} bytes left out …\n${text(tail)}`
}

/** The recorded runs of go-fdo with go-fdo: fixtures/transcripts/go-fdo.json. */
import type { Bytes } from '../../protocol/bytes.ts'
import type { Message } from '../../protocol/message.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { fixture, fromHex } from './wire.ts'

interface RunFile {
  readonly runs: readonly (Readonly<Record<string, string>> & {
    readonly name: string
    readonly messages: readonly {
      readonly path: string
      readonly requestBody: string
      readonly responseBody: string
      readonly responseMessageType: string
    }[]
  })[]
}

export interface RecordedRun {
  readonly name: string
  /** The bytes on the wire of the only message of a type: DI, TO0 and TO1 have one of each. */
  message(number: number): Message
  /** A field of the file: keys, secrets, vouchers. */
  bytes(field: string): Bytes
  /** A Signer over one of the run's private keys. */
  signer(field: 'devicePkcs8' | 'manufacturerPkcs8' | 'ownerPkcs8'): Signer
}

export const recordedRuns: readonly RecordedRun[] = fixture<RunFile>(
  'transcripts/go-fdo.json',
).runs.map((run) => {
  const wire = new Map<number, Bytes>()
  for (const { path, requestBody, responseBody, responseMessageType } of run.messages) {
    wire.set(Number(path.split('/').at(-1)), fromHex(requestBody))
    wire.set(Number(responseMessageType), fromHex(responseBody))
  }
  const bytes = (field: string): Bytes => fromHex(run[field] ?? '')
  return {
    name: run.name,
    message: (number) => ({ number, bytes: wire.get(number) ?? new Uint8Array() }),
    bytes,
    signer: (field) => signerFromPkcs8(bytes(field)),
  }
})

export function recordedRun(name: string): RecordedRun {
  const run = recordedRuns.find((one) => one.name === name)
  if (!run) throw new Error(`no recorded run ${name}`)
  return run
}

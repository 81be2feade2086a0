/** TO2 of the recorded runs: every exchange, outside and inside of the tunnel. */
import { type Bytes, EMPTY, concat } from '../../protocol/bytes.ts'
import type { Message } from '../../protocol/message.ts'
import { type Cipher, CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { openMessage } from '../../protocol/crypto/kex/tunnel.ts'
import type { RandomBytes } from '../../protocol/types/base.ts'
import { fixture, fromHex } from './wire.ts'

interface RunFile {
  readonly runs: readonly {
    readonly name: string
    readonly kex: string
    readonly cipher: number
    readonly credentialReuse: boolean
    readonly messages: readonly {
      readonly path: string
      readonly requestBody: string
      readonly requestPlaintext: string
      readonly responseBody: string
      readonly responsePlaintext: string
      readonly responseMessageType: string
      readonly SEK?: string
      readonly SVK?: string
    }[]
  }[]
}

/** A message as it was on the wire, and what it said; the same unless it was sealed. */
export interface RecordedMessage extends Message {
  readonly plaintext: Bytes
}

export interface RecordedTo2 {
  readonly kex: string
  readonly cipher: Cipher
  readonly isReuse: boolean
  /** SEK ‖ SVK. */
  readonly tunnelKey: Bytes
  readonly exchanges: readonly {
    readonly request: RecordedMessage
    readonly response: RecordedMessage
  }[]
}

const file = fixture<RunFile>('transcripts/go-fdo.json')

export function recordedTo2(name: string): RecordedTo2 {
  const run = file.runs.find((one) => one.name === name)
  const cipher = run && CIPHERS.get(run.cipher)
  if (!run || !cipher) throw new Error(`no recorded run ${name}`)
  const { SEK = '', SVK = '' } = run.messages.at(-1) ?? {}
  const exchanges = run.messages.map((one) => ({
    request: {
      number: Number(one.path.split('/').at(-1)),
      bytes: fromHex(one.requestBody),
      plaintext: fromHex(one.requestPlaintext),
    },
    response: {
      number: Number(one.responseMessageType),
      bytes: fromHex(one.responseBody),
      plaintext: fromHex(one.responsePlaintext),
    },
  }))
  return {
    kex: run.kex,
    cipher,
    isReuse: run.credentialReuse,
    tunnelKey: concat(fromHex(SEK), fromHex(SVK)),
    exchanges: exchanges.filter(({ request }) => request.number >= 60),
  }
}

/** The only message of a number, or the first of several. */
export function messageIn({ exchanges }: RecordedTo2, number: number): RecordedMessage {
  const found = exchanges
    .flatMap(({ request, response }) => [request, response])
    .find((message) => message.number === number)
  if (!found) throw new Error(`no message ${number}`)
  return found
}

/** The nonces one side sealed with, in turn. */
export function noncesOf(run: RecordedTo2, side: 'request' | 'response'): readonly Bytes[] {
  return run.exchanges
    .map((exchange) => exchange[side])
    .filter(({ number }) => number >= 65)
    .map(({ bytes }) => openMessage(run.cipher, run.tunnelKey, bytes).nonce)
}

/** Gives out what a recorded run drew, in its order, and nothing else. */
export function recordedRandom(...drawn: readonly Bytes[]): RandomBytes {
  const left = [...drawn]
  return (length) => {
    const next = left.shift() ?? EMPTY
    if (next.length !== length) throw new Error(`${length} random bytes that were not recorded`)
    return next
  }
}

import { describe, expect, it } from 'vitest'
import { encode } from '../../../protocol/cbor/cbor.ts'
import { anyItem } from '../../../protocol/cbor/schema.ts'
import { type FdoTransport, converse } from '../../../protocol/converse.ts'
import { PeerRefusal, errorMessage, parseErrorMessage } from '../../../protocol/error-message.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { type Message, messageType } from '../../../protocol/message.ts'
import { type Role, type Step, on } from '../../../protocol/role.ts'
import { beginTo0, to0Owner } from '../../../protocol/to0/owner.ts'
import { ADDRESSES, worldOf } from '../../support/registering.ts'

const { voucher, owner } = await worldOf()
const context = { voucher, signer: owner, addresses: ADDRESSES, waitSeconds: 3600 }
const now = () => new Date('2026-01-02T03:04:05Z')
const register = (transport: FdoTransport) =>
  converse({ role: to0Owner, first: beginTo0(context), context, transport, now })

interface Sent {
  readonly message: Message
  readonly authorization: string | undefined
}

/** Answers from a list, and remembers what it was sent. */
function scripted(...answers: { message: Message; authorization?: string }[]) {
  const sent: Sent[] = []
  const transport: FdoTransport = async (message, authorization) => {
    sent.push({ message, authorization })
    const answer = answers.shift() ?? expect.fail('nothing more to answer')
    return { message: answer.message, authorization: answer.authorization }
  }
  return { transport, sent }
}

const helloAck = { number: 21, bytes: encode([new Uint8Array(16)]) }
const acceptOwner = { number: 23, bytes: encode([60]) }

describe('a conversation', () => {
  it('goes on to its end and gives its effects', async () => {
    const { transport, sent } = scripted(
      { message: helloAck, authorization: 'Bearer 1' },
      { message: acceptOwner },
    )
    expect(await register(transport)).toEqual([{ type: 'registered', waitSeconds: 60 }])
    expect(sent.map(({ message }) => message.number)).toEqual([20, 22])
    expect(sent.map(({ authorization }) => authorization)).toEqual([undefined, 'Bearer 1'])
  })

  it('ends with the other party’s refusal', async () => {
    const refusal = errorMessage(new FdoError('INVALID_GUID', ''), 20, now())
    const { transport } = scripted({ message: refusal })
    const refused = register(transport)
    await expect(refused).rejects.toBeInstanceOf(PeerRefusal)
    await expect(refused).rejects.toMatchObject({ peerError: { code: 5, previousMessage: 20 } })
  })

  it('tells the other party when it breaks off, and does not mind if it is gone', async () => {
    const { transport, sent } = scripted({ message: acceptOwner, authorization: 'Bearer 1' })
    const transportThenGone: FdoTransport = async (message, authorization) => {
      if (message.number === 255) sent.push({ message, authorization })
      if (message.number === 255) throw new Error('connection refused')
      return transport(message, authorization)
    }
    await expect(register(transportThenGone)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
    expect(sent[1]?.authorization).toBe('Bearer 1')
    expect(parseErrorMessage(sent[1]!.message.bytes)).toMatchObject({
      code: 101,
      previousMessage: 23,
    })
  })

  it('fails as its transport does', async () => {
    const transport = () => Promise.reject(new Error('unreachable'))
    await expect(register(transport)).rejects.toThrow('unreachable')
  })

  it('holds a message back as long as its step wants', async () => {
    const waits: number[] = []
    type State = { readonly expects: 'hold' | 'end' }
    const role: Role<State, object, never> = {
      hold: [
        on(messageType(21, 'hold', anyItem), () => ({
          next: { expects: 'end' },
          reply: helloAck,
          effects: [],
          holdMs: 70,
        })),
      ],
      end: [
        on(messageType(23, 'end', anyItem), (): Step<State, never> => ({
          next: null,
          reply: null,
          effects: [],
        })),
      ],
    }
    await converse({
      role,
      first: { next: { expects: 'hold' }, reply: helloAck, effects: [] },
      context: {},
      transport: scripted({ message: helloAck }, { message: acceptOwner }).transport,
      now,
      wait: async (ms) => {
        waits.push(ms)
      },
    })
    expect(waits).toEqual([70])
  })
})

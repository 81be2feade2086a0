/** What counts as an answer when rendezvous info is tried. */
import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Bytes, utf8 } from '../../../../protocol/bytes.ts'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { errorMessage } from '../../../../protocol/error-message.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { messageOf } from '../../../../protocol/message.ts'
import { HelloAck } from '../../../../protocol/to0/messages.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import { tryRendezvous } from '../../../../src/manufacturing/orders/trial.ts'

const now = new Date('2026-01-02T03:04:05Z')
const refusal = errorMessage(new FdoError('RESOURCE_NOT_FOUND', ''), 30, now)
const ack = messageOf(HelloAck, { nonceTO0Sign: new Uint8Array(16) })

interface Said {
  readonly number: number
  readonly bytes: Bytes
}

/** What comes of an address where every question gets this answer. */
async function triedWith(answerTo: (question: number) => Said, directive: object = {}) {
  const info = rendezvousInfoFromText([
    { dns: 'rv.test', dev_port: 80, owner_port: 81, protocol: 'http', ...directive },
  ])
  return tryRendezvous(info.value, now, {
    randomBytes,
    connect: () => async (message) => ({
      message: answerTo(message.number),
      authorization: undefined,
    }),
  })
}

const good = (question: number): Said => (question === 20 ? ack : refusal)
const only = (number: number, answer: Said) => (question: number) =>
  question === number ? answer : good(question)

describe('an address of the rendezvous info', () => {
  it('is good where TO0 is answered, and a device nobody knows is refused', async () => {
    const trial = await triedWith(good)
    expect(trial).toMatchObject({ ok: true, tried_at: now.toISOString() })
    expect(trial.addresses.map(({ url, as }) => `${as} ${url}`)).toEqual([
      'device http://rv.test:80',
      'owner http://rv.test:81',
    ])
  })

  it.each([
    ['a refusal of the owner', only(20, refusal)],
    ['another message for the owner', only(20, { number: 23, bytes: encode([1]) })],
    ['a HelloAck that is none', only(20, { number: 21, bytes: encode([]) })],
    ['an error page', only(30, { number: 255, bytes: utf8('<html>') })],
    ['nothing', only(30, { number: 255, bytes: new Uint8Array(0) })],
    ['another message for the device', only(30, ack)],
    ['a HelloRVAck that is none', only(30, { number: 31, bytes: encode([]) })],
  ])('is silent where there is %s', async (_, answerTo) => {
    const { ok, addresses } = await triedWith(answerTo)
    expect(ok).toBe(false)
    expect(addresses.filter((one) => one.ok)).toHaveLength(1)
  })

  it('is silent where nobody can be reached', async () => {
    const nobody = () => {
      throw new Error('connection refused')
    }
    const { ok, addresses } = await triedWith(nobody)
    expect(ok).toBe(false)
    expect(addresses[0]).toMatchObject({ ok: false, detail: 'connection refused' })
  })

  it('may be the owner’s own, which no owner registers at', async () => {
    const { ok, addresses } = await triedWith(good, { bypass: true })
    expect(ok).toBe(true)
    expect(addresses).toMatchObject([{ as: 'device-at-owner', url: 'http://rv.test:80' }])
  })
})

/** Decisions 4 to 6 of the architecture, on a made-up protocol. */
import { randomBytes } from 'node:crypto'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { PeerRefusal, parseErrorMessage } from '../../../../protocol/error-message.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { messageOf } from '../../../../protocol/message.ts'
import { HERE } from '../../../../src/http/source.ts'
import type { Log } from '../../../../src/log.ts'
import {
  type ExchangeWorld,
  type ExchangeWorldOptions,
  hexOf,
  errorOf,
  exchangeWorld,
} from '../../../support/exchange-world.ts'
import {
  Done,
  Hello,
  Next,
  Prove,
  Round,
  countEffect,
  effectCount,
  mountToy,
} from '../../../support/toy-role.ts'

let world: ExchangeWorld
const start = async (options?: ExchangeWorldOptions) => (world = await exchangeWorld(options))
afterEach(() => world.close())

/** Sends in turn, each with the token of the answer before; gives the last token. */
async function walk(...messages: readonly [typeof Hello, number][]): Promise<string> {
  let token: string | undefined
  for (const [type, value] of messages) {
    const answer = await world.send(type, value, token)
    expect(errorOf(answer)).toBeUndefined()
    token = answer.authorization
  }
  return token ?? ''
}
const sessions = () => world.database.db.selectFrom('session').selectAll().execute()
const minutes = (count: number) => count * 60_000

describe('a run whose state is sealed', () => {
  it('leaves nothing behind before the peer has proven itself', async () => {
    await start()
    await walk([Hello, 1], [Next, 2], [Next, 3])
    expect(await sessions()).toEqual([])
  })

  it('keeps its Authorization short enough for small devices', async () => {
    await start()
    const { authorization } = await world.send(Hello, 1)
    expect(authorization).toMatch(/^Bearer [\w-]+$/)
    expect(authorization?.length).toBeLessThanOrEqual(512)
  })

  it('takes its token with or without the prefix', async () => {
    await start()
    const token = await walk([Hello, 1])
    expect(errorOf(await world.send(Next, 1, token.replace('Bearer ', '')))).toBeUndefined()
  })

  it('begins anew with a first message, whatever token that carries', async () => {
    await start()
    const token = await walk([Hello, 1])
    for (const stale of [token, '', 'Bearer nonsense']) {
      expect(errorOf(await world.send(Hello, 1, stale))).toBeUndefined()
    }
  })

  it('refuses a missing, foreign, changed or truncated token, and hands out none', async () => {
    await start()
    const token = await walk([Hello, 1])
    const changed = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
    for (const bad of [undefined, '', 'Bearer x', 'Basic eA', changed, token.slice(0, 30)]) {
      const answer = await world.send(Next, 1, bad)
      expect(errorOf(answer)).toBe('INVALID_JWT_TOKEN')
      expect(answer.authorization).toBeUndefined()
    }
  })

  it('gives two minutes for the next message', async () => {
    await start()
    const token = await walk([Hello, 1])
    world.clock.advance(minutes(2) - 1000)
    expect(errorOf(await world.send(Next, 1, token))).toBeUndefined()
    world.clock.advance(1000)
    expect(errorOf(await world.send(Next, 1, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('lasts ten minutes in all, however often it goes on', async () => {
    await start()
    let token = await walk([Hello, 1])
    for (let i = 0; i < 5; i++) {
      world.clock.advance(minutes(2) - 1000)
      const answer = await world.send(Next, 1, token)
      expect(errorOf(answer)).toBeUndefined()
      token = answer.authorization ?? ''
    }
    world.clock.advance(11_000)
    expect(errorOf(await world.send(Next, 1, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('goes on after an error: nothing was kept that could be ended', async () => {
    await start()
    const token = await walk([Hello, 1])
    const bad = await world.exchange.answer({
      number: Prove.number,
      bytes: encode(['not a number']),
      authorization: token,
      source: HERE,
    })
    expect(errorOf(bad)).toBe('MESSAGE_BODY_ERROR')
    expect(errorOf(await world.send(Prove, 1, token))).toBeUndefined()
  })

  it('is opened by a process that takes over, and by none that has other keys', async () => {
    await start()
    const token = await walk([Hello, 1])
    const successor = await world.restart()
    expect(errorOf(await successor.send(Next, 1, token))).toBeUndefined()
    const stranger = await exchangeWorld()
    expect(errorOf(await stranger.send(Next, 1, token))).toBe('INVALID_JWT_TOKEN')
    await stranger.close()
  })
})

describe('a run in a row', () => {
  it('keeps its state sealed, and its id hashed', async () => {
    await start()
    await walk([Hello, 1], [Prove, 2], [Round, 3])
    const [row] = await sessions()
    expect(row?.version).toBe(2)
    expect(row?.run_id_hash).toMatch(/^[0-9a-f]{64}$/)
    expect(Buffer.from(row?.state ?? []).includes(Buffer.from(encode([2, [4]])))).toBe(false)
  })

  it('goes on in a process that takes over, with the same token', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const successor = await world.restart()
    expect(errorOf(await successor.send(Round, 3, token))).toBeUndefined()
  })

  it('answers a repeat with the same bytes, and writes nothing again', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const first = await world.send(Round, 3, token)
    const successor = await world.restart()
    for (const again of [
      await world.send(Round, 3, token),
      await successor.send(Round, 3, token),
    ]) {
      expect(hexOf(again)).toEqual(hexOf(first))
      expect(again.authorization).toBe(first.authorization)
    }
    expect(await effectCount(world.database.db, 'counted')).toBe(1)
  })

  it('answers a repeat of the message that made the row, sent with its sealed token', async () => {
    await start()
    const token = await walk([Hello, 1])
    const first = await world.send(Prove, 2, token)
    const again = await world.send(Prove, 2, token)
    expect(hexOf(again)).toEqual(hexOf(first))
    expect(await effectCount(world.database.db, 'proven')).toBe(1)
  })

  it('takes a repeat with the token it was answered with, too', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const first = await world.send(Round, 3, token)
    const again = await world.send(Round, 3, first.authorization)
    expect(hexOf(again)).toEqual(hexOf(first))
  })

  it('refuses a second proof in one run, and goes on', async () => {
    await start()
    const sealed = await walk([Hello, 1])
    const { authorization } = await world.send(Prove, 2, sealed)
    expect(errorOf(await world.send(Prove, 3, sealed))).toBe('INVALID_MESSAGE_ERROR')
    expect(errorOf(await world.send(Next, 1, sealed))).toBe('INVALID_MESSAGE_ERROR')
    expect(errorOf(await world.send(Round, 3, authorization))).toBeUndefined()
  })

  it('goes on with the first token of the run, for a device that keeps no other', async () => {
    await start()
    const first = await walk([Hello, 1])
    expect(errorOf(await world.send(Prove, 2, first))).toBeUndefined()
    for (const value of [3, 4, 5]) {
      world.clock.advance(minutes(4))
      expect(errorOf(await world.send(Round, value, first))).toBeUndefined()
    }
    const repeated = await world.send(Round, 5, first)
    expect(errorOf(repeated)).toBeUndefined()
    expect(await effectCount(world.database.db, 'counted')).toBe(3)
    expect(errorOf(await world.send(Done, 0, first))).toBeUndefined()
    expect(errorOf(await world.send(Round, 6, first))).toBe('INVALID_MESSAGE_ERROR')
  })

  it('is not found with a run id alone: the first token is sealed for its own run', async () => {
    await start()
    const [mine = '', other = ''] = [await walk([Hello, 1]), await walk([Hello, 1])]
    const partsOf = (token: string) => Buffer.from(token.slice('Bearer fdos_'.length), 'base64url')
    const mixed = Buffer.concat([partsOf(mine).subarray(0, 16), partsOf(other).subarray(16)])
    const token = `Bearer fdos_${mixed.toString('base64url')}`
    expect(errorOf(await world.send(Next, 2, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('refuses what comes with an older token, and goes on', async () => {
    await start()
    const first = await walk([Hello, 1], [Prove, 2])
    const { authorization: second } = await world.send(Round, 3, first)
    const { authorization: third } = await world.send(Round, 4, second)
    for (const stale of [first, second]) {
      expect(errorOf(await world.send(Round, 3, stale))).toBe('INVALID_MESSAGE_ERROR')
    }
    expect(errorOf(await world.send(Round, 5, third))).toBeUndefined()
  })

  it('refuses a token in which a character was changed, and goes on', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2], [Round, 3])
    for (const at of ['Bearer fdor_'.length, 20, token.length - 6, token.length - 1]) {
      const other = token[at] === 'A' ? 'B' : 'A'
      const changed = token.slice(0, at) + other + token.slice(at + 1)
      expect(errorOf(await world.send(Round, 4, changed))).toBe('INVALID_JWT_TOKEN')
    }
    expect(errorOf(await world.send(Round, 4, token))).toBeUndefined()
  })

  it('has one winner among equal messages, and gives its answer to all', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const all = await Promise.all([1, 2, 3, 4].map(() => world.send(Round, 3, token)))
    const [first] = all
    for (const answer of all) expect(hexOf(answer)).toEqual(first && hexOf(first))
    expect(await effectCount(world.database.db, 'counted')).toBe(1)
  })

  it('has one winner among equal proofs, too', async () => {
    await start()
    const token = await walk([Hello, 1])
    const all = await Promise.all([1, 2, 3, 4].map(() => world.send(Prove, 3, token)))
    const [first] = all
    for (const answer of all) expect(hexOf(answer)).toEqual(first && hexOf(first))
    expect(await effectCount(world.database.db, 'proven')).toBe(1)
  })

  it('has one winner among different messages; the loser ends nothing', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const both = await Promise.all([world.send(Round, 3, token), world.send(Round, 4, token)])
    expect(both.map(errorOf).toSorted()).toEqual(['INVALID_MESSAGE_ERROR', undefined])
    const winner = both.find((answer) => errorOf(answer) === undefined)
    expect(errorOf(await world.send(Round, 5, winner?.authorization))).toBeUndefined()
  })

  it('ends on an error, and keeps no key', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    expect(errorOf(await world.send(Round, 13, token))).toBe('INVALID_MESSAGE_ERROR')
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
    expect(await sessions()).toMatchObject([{ state: null, reply: null }])
  })

  it('ends on a message out of turn', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    expect(errorOf(await world.send(Next, 1, token))).toBe('INVALID_MESSAGE_ERROR')
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('ends on an error of ours, which stays here', async () => {
    const error = vi.fn()
    const log = { ...console, debug() {}, info() {}, warn() {}, error } as unknown as Log
    await start({ log })
    const token = await walk([Hello, 1], [Prove, 2])
    const answer = await world.send(Round, 99, token)
    expect(errorOf(answer)).toBe('INTERNAL_SERVER_ERROR')
    expect(Buffer.from(hexOf(answer), 'hex').includes('secret')).toBe(false)
    expect(String(error.mock.calls[0]?.[0].err)).toContain('secret')
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('refuses another proof after its end, while a sealed token of the run may be about', async () => {
    await start()
    const sealed = await walk([Hello, 1])
    const { authorization } = await world.send(Prove, 2, sealed)
    await world.send(Round, 13, authorization)
    await world.exchange.sweep()
    for (const value of [2, 3]) {
      expect(errorOf(await world.send(Prove, value, sealed))).toBe('INVALID_JWT_TOKEN')
    }
    expect(await effectCount(world.database.db, 'proven')).toBe(1)
  })

  it('is forgotten when every sealed token of it has expired', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    await world.send(Round, 13, token)
    world.clock.advance(minutes(10) - 1000)
    await world.exchange.sweep()
    expect(await sessions()).toHaveLength(1)
    world.clock.advance(1000)
    await world.exchange.sweep()
    expect(await sessions()).toEqual([])
  })

  it('is forgotten with many others', async () => {
    await start()
    await Promise.all(
      Array.from({ length: 250 }, async (_, i) => {
        const { authorization } = await world.send(Hello, i)
        await world.send(Prove, i, authorization)
      }),
    )
    world.clock.advance(minutes(10))
    const token = await walk([Hello, 1], [Prove, 2])
    await world.exchange.sweep()
    expect(await sessions()).toHaveLength(1)
    expect(errorOf(await world.send(Round, 3, token))).toBeUndefined()
  })

  it('lasts ten minutes after each answer', async () => {
    await start()
    let token = await walk([Hello, 1], [Prove, 2])
    for (let i = 0; i < 3; i++) {
      world.clock.advance(minutes(10) - 1000)
      await world.keys.replaceIfDue()
      await world.exchange.sweep()
      const answer = await world.send(Round, i, token)
      expect(errorOf(answer)).toBeUndefined()
      token = answer.authorization ?? ''
    }
    world.clock.advance(minutes(10))
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('is told to its role when it is broken off', async () => {
    const brokenOff = vi.fn(async () => {})
    await start({ mounting: { brokenOff } })
    const token = await walk([Hello, 1], [Prove, 2])
    await world.send(Round, 13, token)
    const [state, error] = brokenOff.mock.calls[0] as unknown as [unknown, unknown]
    expect(state).toEqual({ expects: 'Round', sum: 1 })
    expect(error).toBeInstanceOf(FdoError)
  })

  it('is ended even where its role cannot be told', async () => {
    const brokenOff = () => Promise.reject(new Error('a bug'))
    await start({ mounting: { brokenOff } })
    const token = await walk([Hello, 1], [Prove, 2])
    await world.send(Round, 13, token)
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('writes nothing of a step whose effects fail', async () => {
    await start({
      mounting: {
        async write(effect, tx) {
          await countEffect(effect, tx)
          if (effect.type === 'counted') throw new FdoError('INVALID_MESSAGE_ERROR', 'too late')
        },
      },
    })
    const token = await walk([Hello, 1], [Prove, 2])
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_MESSAGE_ERROR')
    expect(await effectCount(world.database.db, 'counted')).toBe(0)
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('tells of effects once, after they are written', async () => {
    const committed = vi.fn()
    await start({ mounting: { committed } })
    const token = await walk([Hello, 1], [Prove, 2])
    await Promise.all([world.send(Round, 3, token), world.send(Round, 3, token)])
    await world.send(Round, 3, token)
    expect(committed.mock.calls.map(([{ type }]) => type)).toEqual(['proven', 'counted'])
  })
})

describe('a run that is done', () => {
  it('gives its last answer again for five minutes, and then no more', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    world.clock.advance(minutes(6))
    const last = await world.send(Done, 3, token)
    world.clock.advance(minutes(5) - 1000)
    await world.exchange.sweep()
    expect(hexOf(await world.send(Done, 3, token))).toEqual(hexOf(last))
    world.clock.advance(1000)
    expect(errorOf(await world.send(Done, 3, token))).toBe('INVALID_JWT_TOKEN')
    await world.exchange.sweep()
    expect(await sessions()).toEqual([])
  })

  it('keeps no state, and takes nothing else', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    const { authorization } = await world.send(Done, 3, token)
    expect(await sessions()).toMatchObject([{ state: null }])
    for (const late of [token, authorization]) {
      expect(errorOf(await world.send(Round, 4, late))).toBe('INVALID_MESSAGE_ERROR')
    }
    expect(errorOf(await world.send(Done, 3, token))).toBeUndefined()
    expect(await effectCount(world.database.db, 'finished')).toBe(1)
  })
})

describe('messages that are being dealt with', () => {
  it('tell for how long, once ten of them have been', async () => {
    await start()
    const { clock, exchange } = world
    const nine = Array.from({ length: 9 }, () => world.send(Hello, 1))
    clock.advance(500)
    expect([exchange.underWay, exchange.takenMs]).toEqual([9, 0])
    const tenth = world.send(Hello, 1)
    clock.advance(300)
    const another = world.send(Hello, 1)
    expect([exchange.underWay, exchange.takenMs]).toEqual([11, 300])
    await Promise.all([...nine, tenth, another])
    expect([exchange.underWay, exchange.takenMs]).toEqual([0, 0])
  })
})

describe("a peer's own Error", () => {
  const bytes = encode([101, 69, 'a check failed', null, null])
  const giveUp = (authorization?: string, body = bytes) =>
    world.exchange.answer({ number: 255, bytes: body, authorization, source: HERE })

  it('ends the run, and is answered with nothing', async () => {
    const brokenOff = vi.fn(async () => {})
    await start({ mounting: { brokenOff } })
    const token = await walk([Hello, 1], [Prove, 2])
    expect(await giveUp(token)).toEqual({ message: null, authorization: undefined })
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
    const [, error] = brokenOff.mock.calls[0] as unknown as [unknown, PeerRefusal]
    expect(error.peerError.code).toBe(101)
  })

  it('ends the run even where it cannot be read', async () => {
    await start()
    const token = await walk([Hello, 1], [Prove, 2])
    expect(await giveUp(token, Uint8Array.of(0xff))).toMatchObject({ message: null })
    expect(errorOf(await world.send(Round, 3, token))).toBe('INVALID_JWT_TOKEN')
  })

  it('ends nothing with an older token, a sealed one or none', async () => {
    await start()
    const sealed = await walk([Hello, 1])
    const { authorization: first } = await world.send(Prove, 2, sealed)
    const { authorization: second } = await world.send(Round, 3, first)
    for (const token of [sealed, first, 'nonsense', undefined]) {
      expect(await giveUp(token)).toMatchObject({ message: null })
    }
    expect(errorOf(await world.send(Round, 4, second))).toBeUndefined()
  })
})

describe('several roles', () => {
  const toy = mountToy({ randomBytes })
  const other = { ...toy, name: 'OTHER', firstMessage: 30 }

  it('serve the numbers of their protocols, and Error', async () => {
    await start({ roles: [toy, other] })
    const numbers = [10, 20, 29, 30, 39, 40, 59, 60, 61, 79, 80, 99, 255]
    const served = numbers.filter((number) => world.exchange.serves(number))
    expect(served).toEqual([30, 39, 60, 61, 79, 255])
  })

  it('refuse a token of another protocol, and end nothing', async () => {
    await start({ roles: [toy, other] })
    const sealed = await walk([Hello, 1])
    const token = await walk([Hello, 1], [Prove, 2])
    for (const foreign of [token, sealed]) {
      const message = { ...messageOf(Next, { value: 1 }), number: 32 }
      const answer = await world.exchange.answer({
        ...message,
        authorization: foreign,
        source: HERE,
      })
      expect(errorOf(answer)).toBe('INVALID_JWT_TOKEN')
    }
    expect(errorOf(await world.send(Round, 3, token))).toBeUndefined()
  })

  it('refuse a token of a role no longer served', async () => {
    await start({ roles: [toy] })
    const tokens = [await walk([Hello, 1]), await walk([Hello, 1], [Prove, 2])]
    const { exchange } = await world.restart({ roles: [other] })
    for (const authorization of tokens) {
      const message = { ...messageOf(Next, { value: 1 }), number: 32 }
      const answer = await exchange.answer({ ...message, authorization, source: HERE })
      expect(errorOf(answer)).toBe('INVALID_JWT_TOKEN')
    }
  })
})

describe('an answer', () => {
  it('is held back as long as the step says, after it was committed', async () => {
    await start({ context: { holdMs: 5_000 } })
    const token = await walk([Hello, 1], [Prove, 2])
    let arrived = false
    const answer = world.send(Round, 3, token).then((given) => {
      arrived = true
      return given
    })
    await expect.poll(() => effectCount(world.database.db, 'counted')).toBe(1)
    const repeat = await world.send(Round, 3, token)
    expect(arrived).toBe(false)
    world.clock.advance(5_000)
    expect(hexOf(await answer)).toEqual(hexOf(repeat))
  })

  it('is held back no longer once the service stops', async () => {
    await start({ context: { holdMs: 5_000 } })
    const token = await walk([Hello, 1], [Prove, 2])
    const answer = world.send(Round, 3, token)
    world.exchange.release()
    expect(errorOf(await answer)).toBeUndefined()
  })

  it('that is an Error names the message and the time, and nothing else', async () => {
    await start()
    const { message } = await world.send(Next, 1)
    expect(parseErrorMessage(message?.bytes ?? new Uint8Array())).toEqual({
      code: 1,
      previousMessage: 62,
      text: 'INVALID_JWT_TOKEN',
    })
  })
})

/** Every message arrives twice, at once or late: it has one effect. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Answer } from '../../protocol/converse.ts'
import { ERROR_MESSAGE } from '../../protocol/error-message.ts'
import {
  BEGINNINGS,
  type Fault,
  type FaultyWorld,
  expectOneOnboarding,
  faultyWorld,
} from '../support/faulty-world.ts'

let world: FaultyWorld
beforeAll(async () => {
  world = await faultyWorld()
})
afterAll(() => world.end())

const isGood = ({ message }: Answer) => message.number !== ERROR_MESSAGE

describe('a message that arrives twice', () => {
  it.each([1, 3, 32, 33])(
    'at the same time has one effect and one answer, with cipher suite %i',
    async (cipher) => {
      const twiceAtOnce: Fault = async (send, { number }) => {
        const good = (await Promise.all([send(), send(), send()])).filter(isGood)
        const [answer] = good
        if (!answer) throw new Error(`no good answer to ${number}`)
        if (BEGINNINGS.includes(number)) return answer
        for (const other of good) expect(other.message).toEqual(answer.message)
        return answer
      }
      const { credential } = await world.throughAll({ kex: 'ECDH256', cipher }, twiceAtOnce)
      await expectOneOnboarding(world.server, credential.guid)
    },
  )

  it('late, after the one that follows, changes nothing', async () => {
    const late: (() => Promise<Answer>)[] = []
    const onceMoreLater: Fault = async (send) => {
      const answer = await send()
      // The one before, as from a network that kept it: an old answer or an error.
      await late.pop()?.()
      late.push(send)
      return answer
    }
    const { credential } = await world.throughAll({ kex: 'ECDH256', cipher: 1 }, onceMoreLater)
    for (const send of late) await send()
    await expectOneOnboarding(world.server, credential.guid)
  })
})

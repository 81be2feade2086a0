import { beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../../src/database/tables.ts'
import { FakeClock } from '../../../../../src/clock.ts'
import type { Principal } from '../../../../../src/http/authenticate.ts'
import {
  EventStreams,
  type StreamEvent,
} from '../../../../../src/onboarding/progress/event-streams.ts'

let clock: FakeClock
let streams: EventStreams
let events: StreamEvent[]
beforeEach(() => {
  clock = new FakeClock()
  streams = new EventStreams(clock)
  events = []
})

const who = (id: string, party: string): Principal => ({
  ...{ id, name: id, kind: 'token', party, permissions: new Set() },
})
const look = async () => events.splice(0)
const open = (id = 'a', party = HOME_PARTY) =>
  streams.open(who(id, party), look)[Symbol.asyncIterator]()
/** Lets what waits go on, over so much time. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += 500) {
    await new Promise(setImmediate)
    clock.advance(500)
    await new Promise(setImmediate)
  }
}

describe('a stream of events', () => {
  it('begins at once, and tells of each event when it comes', async () => {
    events = [{ id: 7, event: 'device', data: { a: 'x\ny' } }]
    const stream = open()
    expect((await stream.next()).value).toBe(
      'retry: 2000\n\nid: 7\nevent: device\ndata: {"a":"x\\ny"}\n\n',
    )
    const next = stream.next()
    await pass(1_000)
    events = [{ event: 'progress', data: 1 }]
    await pass(500)
    expect((await next).value).toBe('event: progress\ndata: 1\n\n')
  })

  it('is heard of every fifteen seconds', async () => {
    const stream = open()
    await stream.next()
    let isThere = false
    const next = stream.next().finally(() => (isThere = true))
    await pass(14_000)
    expect(isThere).toBe(false)
    await pass(1_000)
    expect((await next).value).toBe(':\n\n')
  })

  it('ends after a quarter of an hour, for a token has to be good still', async () => {
    const stream = open()
    let beats = 0
    let isOver = false
    const all = (async () => {
      while (!(await stream.next()).done) beats++
      isOver = true
    })()
    await pass(14 * 60_000)
    expect(isOver).toBe(false)
    await pass(90_000)
    await all
    expect(beats).toBeGreaterThan(50)
  })

  it('ends when the service stops, and none begins after that', async () => {
    const stopped = new AbortController()
    streams.endWith(stopped.signal)
    const stream = open()
    await stream.next()
    const next = stream.next()
    stopped.abort()
    expect((await next).done).toBe(true)
    expect((await open().next()).done).toBe(true)
  })

  it('is one of eight of a caller, and of sixty-four of a party, until it ends', async () => {
    const some = Array.from({ length: 8 }, () => open('a'))
    expect(() => open('a')).toThrow('too many are watching')
    for (const caller of 'bcdefgh') for (let i = 0; i < 8; i++) open(caller)
    expect(() => open('z')).toThrow('too many are watching')
    await some[0]?.return?.()
    await some[0]?.return?.()
    open('z')
    expect(() => open('z')).toThrow('too many are watching')
  })

  it('is one of two hundred and fifty-six of all parties', () => {
    for (const party of ['b', 'c', 'd', 'e'])
      for (const caller of 'abcdefgh') for (let i = 0; i < 8; i++) open(caller, party)
    expect(() => open('a', 'f')).toThrow('too many are watching')
  })
})

/** Names that others chose, with name servers that answer when they are told to. */
import type { LookupAddress } from 'node:dns'
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { Names } from '../../../../src/outbound/names.ts'
import { Outbound } from '../../../../src/outbound/outbound.ts'
import { OutboundPolicy } from '../../../../src/outbound/policy.ts'

const ADDRESS: LookupAddress = { address: '192.0.2.1', family: 4 }

let clock: FakeClock
let names: Names
/** Every look-up that was begun, and those not answered yet. */
let begun: string[]
let open: Map<string, { found(): void; failed(error: Error): void }>

beforeEach(() => {
  clock = new FakeClock()
  begun = []
  open = new Map()
  names = new Names({
    clock,
    resolve(name) {
      begun.push(name)
      return new Promise((resolve, reject) => {
        open.set(name, { found: () => resolve([ADDRESS]), failed: reject })
      })
    },
  })
})

const turn = () => new Promise((resolve) => setImmediate(resolve))

async function found(name: string): Promise<void> {
  open.get(name)?.found()
  await turn()
}

async function failed(name: string): Promise<void> {
  open.get(name)?.failed(Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' }))
  await turn()
}

/** What comes of it, as soon as anything has. */
function lookUp(name: string, party?: string) {
  const told: { value?: unknown } = {}
  names.lookup(name, party).then(
    (value) => (told.value = value),
    (error: unknown) => (told.value = error),
  )
  return told
}

/** A name that has been found before. */
async function known(name: string): Promise<void> {
  lookUp(name)
  await turn()
  await found(name)
  begun = []
}

const timedOut = expect.objectContaining({ name: 'OutboundFailure', reason: 'timed-out' })

describe('a name', () => {
  it('is asked for anew each time, and once by all who want it at the same moment', async () => {
    const both = [lookUp('a.example'), lookUp('a.example', 'fdop_1')]
    await turn()
    expect(begun).toEqual(['a.example'])
    await found('a.example')
    expect(both).toEqual([{ value: [ADDRESS] }, { value: [ADDRESS] }])
    lookUp('a.example')
    await turn()
    expect(begun).toEqual(['a.example', 'a.example'])
  })

  it('that is not found is not looked for again for some seconds', async () => {
    const first = lookUp('a.example')
    await turn()
    await failed('a.example')
    const second = lookUp('a.example')
    await turn()
    expect(second.value).toBe(first.value)
    expect(begun).toEqual(['a.example'])
    clock.advance(5_000)
    const third = lookUp('a.example')
    await turn()
    await found('a.example')
    expect(third.value).toEqual([ADDRESS])
  })

  it('that does not resolve is waited for no longer than a moment', async () => {
    const [first, later] = [lookUp('slow.example'), lookUp('slow.example', 'fdop_1')]
    await turn()
    clock.advance(4_999)
    await turn()
    expect([first, later]).toEqual([{}, {}])
    clock.advance(1)
    await turn()
    expect([first.value, later.value]).toEqual([timedOut, timedOut])
    const again = lookUp('slow.example')
    await turn()
    expect(again.value).toEqual(timedOut)
    expect(begun).toEqual(['slow.example'])
  })

  it('that resolves in the end, if late, is found again', async () => {
    lookUp('slow.example')
    await turn()
    clock.advance(5_000)
    await turn()
    await found('slow.example')
    const again = lookUp('slow.example')
    await turn()
    await found('slow.example')
    expect(again.value).toEqual([ADDRESS])
  })
})

describe('names that do not resolve', () => {
  it('hold up none that has been found before, however many there are', async () => {
    await known('good.example')
    for (const name of ['a.bad1', 'a.bad2', 'a.bad3', 'a.bad4']) lookUp(name)
    const good = lookUp('good.example')
    await turn()
    expect(begun).toEqual(['a.bad1', 'good.example'])
    await found('good.example')
    expect(good.value).toEqual([ADDRESS])
  })

  it('of one site, or of one party, hold up none of another', async () => {
    for (const name of ['1.evil.example', '2.evil.example', '3.evil.example']) lookUp(name)
    lookUp('one.test', 'fdop_evil')
    lookUp('two.test', 'fdop_evil')
    const other = lookUp('new.example.org')
    await turn()
    await failed('1.evil.example')
    await failed('one.test')
    expect(begun).toEqual(['1.evil.example', 'one.test', 'new.example.org'])
    await found('new.example.org')
    expect(other.value).toEqual([ADDRESS])
    expect(begun.slice(3)).toEqual(['2.evil.example'])
  })

  it('take turns party by party, so that nobody waits for a long queue of another', async () => {
    for (let i = 0; i < 50; i++) lookUp(`n${i}.test`, 'fdop_many')
    lookUp('mine.test', 'fdop_few')
    await turn()
    await failed('n0.test')
    expect(begun).toEqual(['n0.test', 'mine.test'])
  })

  it('once held a thread get no more than strangers do, though they be found now and then', async () => {
    await known('evil.example')
    lookUp('evil.example')
    await turn()
    clock.advance(5_000)
    await found('evil.example')
    clock.advance(5_000)
    begun = []
    lookUp('stranger.test')
    lookUp('evil.example')
    await turn()
    expect(begun).toEqual(['stranger.test'])
    clock.advance(600_000)
    await turn()
    lookUp('evil.example')
    await turn()
    expect(begun).toEqual(['stranger.test', 'evil.example'])
  })

  it('leave no thread to one that has given up, and cost no name that only waited', async () => {
    lookUp('slow.test', 'fdop_1')
    const waited = lookUp('fine.test', 'fdop_1')
    await turn()
    clock.advance(5_000)
    await turn()
    expect(waited.value).toEqual(timedOut)
    await found('slow.test')
    expect(begun).toEqual(['slow.test'])
    const again = lookUp('fine.test', 'fdop_1')
    await turn()
    await found('fine.test')
    expect(again.value).toEqual([ADDRESS])
  })

  it('that two wait for in their own queues are looked up once', async () => {
    lookUp('busy.test', 'fdop_1')
    const first = lookUp('same.test', 'fdop_1')
    const second = lookUp('same.test', 'fdop_2')
    await turn()
    await found('busy.test')
    await found('same.test')
    expect([first.value, second.value]).toEqual([[ADDRESS], [ADDRESS]])
    expect(begun.filter((name) => name === 'same.test').length).toBe(1)
    const next = lookUp('next.test', 'fdop_1')
    await turn()
    await found('next.test')
    expect(next.value).toEqual([ADDRESS])
  })
})

describe('a call to a name', () => {
  it('fails as one that has timed out, and says which name it was', async () => {
    const policy = new OutboundPolicy({ hosts: ['::'], publicUrl: undefined, outboundAllow: [] })
    const outbound = new Outbound(policy, names)
    const [checked, called] = [
      outbound.check('https://slow.test/', 'fdop_1').catch((error: unknown) => error),
      outbound.request('http://slow.test/', { party: 'fdop_1' }).catch((error: unknown) => error),
    ]
    await turn()
    await turn()
    clock.advance(5_000)
    for (const failure of [await checked, await called]) {
      expect(failure).toEqual(timedOut)
      expect(failure).toMatchObject({ message: 'slow.test: not resolved in time' })
    }
    outbound.close()
  })

  it('is made for its party, whichever agent makes it', async () => {
    const parties: unknown[] = []
    const lookup = async (_name: string, party?: string) => {
      parties.push(party)
      return [ADDRESS]
    }
    const policy = new OutboundPolicy({ hosts: ['::'], publicUrl: undefined, outboundAllow: [] })
    const outbound = new Outbound(policy, { lookup } as Names)
    for (const url of ['http://a.test/', 'https://a.test/']) {
      // 192.0.2.1 is for documentation: nothing is called.
      const call = outbound.request(url, { party: 'fdop_1' })
      await expect(call).rejects.toMatchObject({ reason: 'forbidden' })
    }
    await expect(outbound.check('https://a.test/', 'fdop_2')).rejects.toThrow('a.test')
    expect(parties).toEqual(['fdop_1', 'fdop_1', 'fdop_2'])
    outbound.close()
  })
})

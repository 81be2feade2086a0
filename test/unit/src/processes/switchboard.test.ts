/** What processes of one service tell each other, by way of their primary. */
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import type { Told } from '../../../../src/fdo/told.ts'
import type { Family } from '../../../../src/figures.ts'
import { Others } from '../../../../src/processes/colleagues.ts'
import type { ToPrimary } from '../../../../src/processes/messages.ts'
import { Switchboard } from '../../../../src/processes/switchboard.ts'
import { FakeHand } from '../../../support/hands.ts'

const family = (name: string, type: string, value: number): Family => {
  return { name, help: 'Something', type, together: 'sum', series: [[name, value]] }
}
const counted = (value: number) => [
  family('seen_total', 'counter', value),
  family('open', 'gauge', value),
]
const settled = async () => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

let clock: FakeClock
let switchboard: Switchboard
let one: FakeHand
let other: FakeHand
beforeEach(() => {
  clock = new FakeClock()
  switchboard = new Switchboard(clock)
  ;[one, other] = [joined(1), joined(2)]
})

function joined(id: number): FakeHand {
  const hand = new FakeHand(id)
  switchboard.join(hand)
  hand.begin()
  return hand
}

/** What a hand is told when it asks what all have counted. */
async function told(hand: FakeHand): Promise<Readonly<Record<string, number>>> {
  hand.say({ kind: 'count' })
  await settled()
  const message = hand.heard.findLast(({ kind }) => kind === 'counted')
  if (message?.kind !== 'counted') return {}
  return Object.fromEntries(message.families.flatMap(({ series }) => series))
}

describe('figures', () => {
  it('are those of all, whoever asks', async () => {
    one.families = counted(3)
    other.families = counted(4)
    expect(await told(one)).toEqual({ seen_total: 7, open: 7 })
    expect(await told(other)).toEqual({ seen_total: 7, open: 7 })
  })

  it('of one that has ended are counted as long as the service lives, what it had open is not', async () => {
    one.families = counted(3)
    other.families = counted(4)
    await told(one)
    other.die('SIGKILL')
    await settled()
    expect(await told(one)).toEqual({ seen_total: 7, open: 3 })
    other.say({ kind: 'counted', families: counted(5) })
    clock.advance(1_000)
    await settled()
    expect(await told(one)).toEqual({ seen_total: 8, open: 3 })
  })

  it('of one that does not answer are what it said last', async () => {
    one.families = counted(3)
    other.families = counted(4)
    await told(one)
    one.families = counted(5)
    other.families = undefined
    one.heard.length = 0
    expect(await told(one)).toEqual({})
    clock.advance(1_000)
    await settled()
    expect(one.heard.at(-1)).toMatchObject({ kind: 'counted' })
    other.families = counted(6)
    expect(await told(one)).toMatchObject({ seen_total: 9 })
  })

  it('are asked for once by those who ask at once', async () => {
    const said: ToPrimary[] = []
    const others = new Others(new Uint8Array([0, 1]), (message) => void said.push(message))
    const both = [others.figures(), others.figures()]
    expect(said).toEqual([{ kind: 'count' }])
    others.counted(counted(1))
    expect(await Promise.all(both)).toEqual([counted(1), counted(1)])
    void others.figures()
    expect(said).toHaveLength(2)
  })
})

describe('what is told of a run', () => {
  const ofRun = (run: string): Told => ({
    ...{ run, startedAt: 0, protocol: 'TO2', source: 'here', guid: undefined, at: 0 },
    expects: 'TO2.Done',
  })

  it('comes to the process in which the run began', () => {
    one.say({ kind: 'told', told: ofRun('0002aa') })
    expect(one.heard).toEqual([])
    expect(other.heard).toEqual([{ kind: 'told', told: ofRun('0002aa') }])
  })

  it('comes to one and the same where that has ended', async () => {
    other.die('SIGKILL')
    const third = joined(3)
    await settled()
    for (const teller of [one, third]) teller.say({ kind: 'told', told: ofRun('0002aa') })
    expect([one.heard.length, third.heard.length].toSorted()).toEqual([0, 2])
  })

  it('comes to nobody where nobody is left', async () => {
    one.die('SIGKILL')
    other.die('SIGKILL')
    await settled()
    one.say({ kind: 'told', told: ofRun('0002aa') })
    expect([...one.heard, ...other.heard]).toEqual([])
  })
})

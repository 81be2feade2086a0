/**
 * A flood of first messages of TO2, each of which costs a signature of the owner's. Who was let in gets
 * through, the others are told to come again, and the service is well afterwards.
 */
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type Socket, connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'
import type { Bytes } from '../../protocol/bytes.ts'
import { patiently } from '../../src/fleet/patience.ts'
import { SUITE_FOR } from '../../src/simulator/keys.ts'
import {
  type FaultyWorld,
  NO_FAULT,
  expectOneOnboarding,
  faultyWorld,
} from '../support/faulty-world.ts'
import { until } from '../support/programs.ts'

const PATIENCE_MS = 240_000
/** More than may begin at once. */
const LANES = 250
/** More than are dealt with while they come. */
const CROWD = 1_000
const HELLO = 60

describe('a flood of first messages', { timeout: PATIENCE_MS }, () => {
  let world: FaultyWorld
  beforeAll(async () => {
    world = await faultyWorld()
  }, PATIENCE_MS)
  afterAll(() => world.end())

  /** What a device with an owner key of that kind begins TO2 with. */
  async function helloOf(kind: KeyKind): Promise<Bytes> {
    const device = await world.make(NO_FAULT, kind)
    let hello: Bytes | undefined
    const listening = world.powerUp(device, SUITE_FOR[kind], async (send, message) => {
      if (message.number !== HELLO) return await send()
      hello = message.bytes
      throw new Error('heard enough')
    })
    await expect(listening).rejects.toThrow('heard enough')
    return hello ?? expect.fail()
  }

  /** Its last answers are on their way; it is well once it has had a moment. */
  const untilWell = () =>
    until('well after the flood', () => world.server.list('/devices').then(Boolean, () => false))

  it.each(['p384', 'rsa3072'] as const)(
    'signed with %s holds up nobody who was let in',
    async (kind) => {
      const flood = new Flood(`${world.server.url}/fdo/101/msg/${HELLO}`, await helloOf(kind))
      let flooding: Promise<void> | undefined
      // It begins when the first device is half-way through TO2.
      const device = await world.throughAll(SUITE_FOR.p256, async (send, { number }) => {
        if (number === HELLO + 2) flooding = flood.run()
        return await send()
      })
      await flood.isTurnedAway
      flood.stop()
      await flooding
      await untilWell()
      expect(flood.statuses.get(200)).toBeGreaterThan(0)
      expect([...flood.statuses.keys()].toSorted()).toEqual([200, 503])
      await expectOneOnboarding(world.server, device.credential.guid)

      const next = await world.throughAll(SUITE_FOR.p256, (send) =>
        patiently(send, { pause: soon }),
      )
      await expectOneOnboarding(world.server, next.credential.guid)
    },
  )

  it('that come all at once are answered all at once, each on a connection that goes on', async () => {
    const hello = await helloOf('p256')
    const { hostname, port } = new URL(world.server.url)
    const sockets = await Promise.all(
      Array.from({ length: CROWD }, async () => {
        const socket = connect(Number(port), hostname)
        await once(socket, 'connect')
        return socket
      }),
    )
    const statuses = await Promise.all(sockets.map((socket) => statusOf(socket, hello)))
    expect([...new Set(statuses)].toSorted()).toEqual([200, 503])
    const turnedAway = sockets.filter((_, i) => statuses[i] === 503)
    await untilWell()
    // They come one after the other now.
    const again: number[] = []
    for (const socket of turnedAway.slice(0, 10)) again.push(await statusOf(socket, hello))
    expect(again).toEqual(Array(10).fill(200))
    for (const socket of sockets) socket.destroy()
  })
})

async function statusOf(socket: Socket, message: Bytes): Promise<number> {
  const head = `POST /fdo/101/msg/${HELLO} HTTP/1.1\r\nHost: x\r\nContent-Length: ${message.length}\r\n\r\n`
  socket.write(Buffer.concat([Buffer.from(head), message]))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  return Number(/^HTTP\/1\.1 (\d{3})/.exec(answer.toString('latin1'))?.[1])
}

/** Sooner than told: a test need not wait for its turn as a device does. */
const soon = () => new Promise((resolve) => setImmediate(resolve))

class Flood {
  readonly statuses = new Map<number, number>()
  readonly #agent = new Agent({ keepAlive: true, maxSockets: LANES })
  readonly #url: string
  readonly #message: Bytes
  readonly isTurnedAway: Promise<void>
  #turnedAway = (): void => {}
  #isOver = false

  constructor(url: string, message: Bytes) {
    this.#url = url
    this.#message = message
    this.isTurnedAway = new Promise((resolve) => (this.#turnedAway = resolve))
  }

  async run(): Promise<void> {
    await Promise.all(Array.from({ length: LANES }, () => this.#lane()))
    this.#agent.destroy()
  }

  stop(): void {
    this.#isOver = true
  }

  async #lane(): Promise<void> {
    while (!this.#isOver) {
      const status = await this.#send()
      if (status === 503) this.#turnedAway()
      this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    }
  }

  #send(): Promise<number> {
    const headers = { 'content-type': 'application/cbor', 'content-length': this.#message.length }
    const options = { method: 'POST', agent: this.#agent, headers }
    return new Promise((resolve, reject) => {
      const call = request(this.#url, options, (response) => {
        response.resume()
        response.once('end', () => resolve(response.statusCode ?? 0))
      })
      call.once('error', reject)
      call.end(this.#message)
    })
  }
}

/** The thread for Diffie-Hellman, as it is built: what it gives, what it refuses, how it ends. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { CIPHERS, KEX, answerAsDevice } from '../../protocol/crypto/kex/suites.ts'
import { deriveTunnelKey } from '../../protocol/crypto/kex/tunnel.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { VerifyKey } from '../../protocol/crypto/verify-key.ts'
import { keyExchange } from '../../protocol/to2/key-exchange.ts'
import { openKeyExchange } from '../../src/onboarding/key-exchange/owner.ts'

const WORKER = pathToFileURL(resolve('dist/src/onboarding/key-exchange/worker.js'))
/** Diffie-Hellman asks nothing of the owner's key. */
const [noSigner, noKey] = [{} as Signer, {} as VerifyKey]
const suitesOf = (kex: 'DHKEXid14' | 'DHKEXid15') => ({ kex: KEX[kex], cipher: CIPHERS.get(1)! })
const turn = () => new Promise(setImmediate)

let open: { stop(): Promise<void> }[] = []
const begin = (program = WORKER) => {
  const exchange = openKeyExchange(program)
  open.push(exchange)
  return exchange
}
afterEach(async () => {
  for (const exchange of open) await exchange.stop()
  open = []
})

describe.each(['DHKEXid14', 'DHKEXid15'] as const)('%s in a thread', (name) => {
  const suites = suitesOf(name)

  it('gives what it gives in place, from the same random numbers', async () => {
    const drawn = randomBytes(96)
    const draw = (length: number) => drawn.subarray(0, length)
    const exchange = begin()
    const half = await exchange.start(suites, draw)
    expect(toHex(half.xA)).toBe(toHex((await keyExchange.start(suites, draw)).xA))
    const { xB, shared } = await answerAsDevice(suites.kex, half.xA, noKey, randomBytes)
    const key = await exchange.finish(suites, half.secret, xB, noSigner)
    expect(toHex(key)).toBe(toHex(deriveTunnelKey(suites.cipher, shared)))
  })

  it('refuses a half that is no number of the group, by the same code', async () => {
    const exchange = begin()
    const { secret } = await exchange.start(suites, randomBytes)
    for (const bad of [new Uint8Array(0), Uint8Array.of(1), new Uint8Array(400).fill(0xff)]) {
      const inPlace = await keyExchange.finish(suites, secret, bad, noSigner).catch((e) => e)
      await expect(exchange.finish(suites, secret, bad, noSigner)).rejects.toMatchObject({
        code: 'INVALID_MESSAGE_ERROR',
        message: inPlace.message,
      })
    }
  })

  it('leaves the event loop free meanwhile', async () => {
    const exchange = begin()
    let turns = 0
    let isDone = false
    const work = exchange.start(suites, randomBytes).finally(() => (isDone = true))
    while (!isDone) {
      await turn()
      turns++
    }
    await work
    expect(turns).toBeGreaterThan(1)
  })
})

describe('the thread', () => {
  const suites = suitesOf('DHKEXid15')

  it('that dies fails those who wait, and the next exchange has another', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-thread-'))
    const program = join(folder, 'worker.mjs')
    writeFileSync(program, 'process.exit(3)')
    const exchange = begin(pathToFileURL(program))
    await expect(exchange.start(suites, randomBytes)).rejects.toThrow('has ended')
    writeFileSync(program, `await import(${JSON.stringify(WORKER.href)})`)
    const half = await exchange.start(suites, randomBytes)
    expect(half.xA.length).toBeGreaterThan(300)
    rmSync(folder, { recursive: true })
  })

  it('takes no more than so many at once: first halves leave room for second ones', async () => {
    const exchange = begin()
    const { xA, secret } = await exchange.start(suites, randomBytes)
    const { xB } = await answerAsDevice(suites.kex, xA, noKey, randomBytes)
    const firsts = Array.from({ length: 129 }, () => exchange.start(suites, randomBytes))
    const second = exchange.finish(suites, secret, xB, noSigner)
    const outcomes = await Promise.allSettled(firsts)
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    expect(await second).toHaveLength(16)
  })

  it('once stopped answers nobody', async () => {
    const exchange = begin()
    await exchange.start(suites, randomBytes)
    // Of several at once the last cannot have been answered yet.
    const waiting = Array.from({ length: 20 }, () => exchange.start(suites, randomBytes))
    const outcomes = Promise.allSettled(waiting)
    const stopped = exchange.stop()
    expect((await outcomes).at(-1)).toMatchObject({ status: 'rejected' })
    await stopped
    await expect(exchange.start(suites, randomBytes)).rejects.toThrow('has been stopped')
  })
})

/** The threads for a token, as they are built: what they give, how they fail, how they end. */
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { verifySignature } from '../../protocol/crypto/verify-key.ts'
import type { ExternalKeys } from '../../src/secrets/external-keys.ts'
import { newLoginState } from '../../src/secrets/pkcs11/login.ts'
import { openTokenKeys } from '../../src/secrets/pkcs11/keys.ts'
import { TokenThreads } from '../../src/secrets/pkcs11/threads.ts'
import { HAS_SOFTHSM, SoftHsm } from '../support/softhsm.ts'

const PROGRAM = pathToFileURL(resolve('dist/src/secrets/pkcs11/worker.js'))
const log = { warn: () => {} }
const data = utf8('what is signed')

describe.skipIf(!HAS_SOFTHSM)('a token in threads', () => {
  let hsm: SoftHsm
  let opened: ExternalKeys[] = []
  beforeAll(() => {
    hsm = new SoftHsm()
    hsm.initToken('firstlight')
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    hsm.add('firstlight', 'owner', '01', privateKey)
  })
  afterEach(async () => {
    for (const keys of opened) await keys.stop()
    opened = []
  })
  afterAll(() => hsm.remove())
  const open = async (config: object = {}) => {
    const keys = await openTokenKeys(
      { ...hsm.config('firstlight'), ...config },
      { log, program: PROGRAM },
    )
    opened.push(keys)
    const [key] = keys.list()
    return { keys, signer: keys.signer(key?.id ?? '') }
  }
  const isGood = async (signer: Signer) =>
    verifySignature(signer.key, signer.algorithm, data, await signer.sign(data))

  it('signs, many at once, and leaves the event loop free meanwhile', async () => {
    const { signer } = await open()
    let turns = 0
    let isDone = false
    const work = Promise.all(Array.from({ length: 200 }, () => signer.sign(data)))
    void work.finally(() => (isDone = true)).catch(() => {})
    while (!isDone) {
      await new Promise(setImmediate)
      turns++
    }
    expect(turns).toBeGreaterThan(1)
    for (const signature of await work) {
      expect(await verifySignature(signer.key, signer.algorithm, data, signature)).toBe(true)
    }
  })

  it('goes on after sessions are lost, in every thread', async () => {
    const { signer } = await open()
    const several = () => Promise.all(Array.from({ length: 20 }, () => isGood(signer)))
    await several()
    hsm.endSessions()
    expect((await several()).every(Boolean)).toBe(true)
  })

  it('does not take more than it can do', async () => {
    const { signer } = await open()
    const outcomes = await Promise.allSettled(
      Array.from({ length: 300 }, async () => signer.sign(data)),
    )
    const refused = outcomes.filter(({ status }) => status === 'rejected')
    expect(refused).toHaveLength(300 - 256)
    expect(refused[0]).toMatchObject({
      reason: { message: 'the token firstlight is overloaded', name: 'TokenError' },
    })
    expect(await isGood(signer)).toBe(true)
  })

  it('says what the token says', async () => {
    await expect(open({ token: 'another' })).rejects.toThrow(/no token another, but firstlight/)
    await expect(open({ module: '/no/such.so' })).rejects.toThrow(/cannot be used/)
  })

  it('signs nothing once it has been stopped', async () => {
    const { keys, signer } = await open()
    await keys.stop()
    await expect(signer.sign(data)).rejects.toThrow(/stopping/)
  })

  it('is begun again by whoever comes after, among several users of the module', async () => {
    const [first, second] = [await open(), await open()]
    await first.keys.stop()
    expect(await isGood(second.signer)).toBe(true)
  })

  const programOf = (source: string) => {
    const file = join(hsm.folder, 'program.mjs')
    writeFileSync(file, source)
    return pathToFileURL(file)
  }
  const threadsOf = (source: string, patienceMs: number) => {
    const options = { ...hsm.config('firstlight'), login: newLoginState() }
    return new TokenThreads(programOf(source), options, patienceMs)
  }

  it('is given up where it does not answer', async () => {
    const silent = `import { parentPort } from 'node:worker_threads'
      parentPort.on('message', () => {})`
    const threads = threadsOf(silent, 50)
    const asked = Array.from({ length: 6 }, () => threads.ask({ do: 'list' }))
    for (const outcome of await Promise.allSettled(asked)) {
      expect(outcome).toMatchObject({
        reason: { message: 'the token firstlight has not answered for 0.05 seconds' },
      })
    }
    await threads.stop()
  })

  it('fails what it was asked when a thread ends, and begins another', async () => {
    const dying = `import { parentPort, threadId } from 'node:worker_threads'
      parentPort.on('message', () => { throw new Error('dead') })`
    const threads = threadsOf(dying, 10_000)
    for (let i = 0; i < 6; i++) {
      await expect(threads.ask({ do: 'list' })).rejects.toThrow('a thread for the token has ended')
    }
    await threads.stop()
  })
})

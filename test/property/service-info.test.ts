/** Whatever a peer says in ServiceInfo, to any module, all it can cause is an FdoError. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../protocol/bytes.ts'
import { type CborValue, encode } from '../../protocol/cbor/cbor.ts'
import { FdoError } from '../../protocol/errors.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import {
  commandStep,
  fileStep,
  identityStep,
  tokenStep,
  uploadStep,
  wgetStep,
} from '../../protocol/fsim/steps.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import type { PlanStep } from '../../protocol/service-info/plan.ts'
import type { KeyValue } from '../../protocol/service-info/service-info.ts'
import { MemoryHost, hostKey } from '../support/memory-host.ts'
import { ABOUT, OwnerWorld, converse, devmodPairs } from '../support/service-info-world.ts'

const csr = toBase64(await hostKey().createCsr())

const messages = {
  devmod: ['active', 'os', 'sn', 'nummodules', 'modules'],
  'fdo.command': ['command', 'args', 'may_fail', 'execute', 'sig', 'stdout', 'stderr', 'exitcode'],
  'fdo.download': ['name', 'length', 'sha-384', 'data', 'done'],
  'fdo.upload': ['need-sha', 'name', 'length', 'data', 'sha-384'],
  'fdo.wget': ['sha-384', 'name', 'url', 'error', 'done'],
  'fdo.csr': ['cacerts-req', 'cacerts-res', 'simpleenroll-req', 'simpleenroll-res', 'error'],
  fdo_sys: ['filedesc', 'write', 'exec', 'exec_cb', 'status_cb', 'fetch', 'data', 'eot'],
  other: ['word'],
}
const modules = Object.keys(messages)
const key = fc.oneof(
  {
    arbitrary: fc.constantFrom(
      ...Object.entries(messages).flatMap(([module, names]) =>
        ['active', ...names].map((name) => `${module}:${name}`),
      ),
    ),
    weight: 20,
  },
  { arbitrary: fc.string({ maxLength: 12 }), weight: 1 },
)
/** Mostly of a kind that some message takes. */
const sensible: fc.Arbitrary<CborValue> = fc.oneof(
  fc.constantFrom<CborValue>(true, false, null, 0, 1, -1, 5, 48, 281),
  fc.constantFrom('a', '../a', '/etc/passwd', 'sh', 'http://x.test/a', csr, toBase64(utf8('x'))),
  fc.constantFrom(new Uint8Array(0), utf8('hi'), new Uint8Array(48), encode(['a'])),
  fc.constantFrom<CborValue>(['sh'], [true, 0, 0], [false, 0, 1], [0, 1, 'a'], [0], []),
)
const value = fc.oneof(
  { arbitrary: sensible.map((one) => encode(one)), weight: 6 },
  { arbitrary: fc.uint8Array({ maxLength: 20 }), weight: 1 },
)
const pairs: fc.Arbitrary<readonly KeyValue[]> = fc.array(fc.record({ key, value }), {
  maxLength: 6,
})
const rounds = fc.array(fc.record({ pairs, isMore: fc.boolean() }), { maxLength: 8 })

async function onlyRefuses(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof FdoError)) throw error
  }
}

const run = { command: 'sh', args: ['a'], mayFail: true, returnStdout: true, returnStderr: true }
const log = { name: 'log', saveAs: 'log', needSha: true, maxBytes: 100 }
const token = { name: 'token', audience: null, scopes: null }
const fetched = { url: 'http://x.test/a', name: null, sha384: null, length: null }

/** Every step, none of them required, so that a run goes on through all. */
function ownerOf(order: readonly number[]): OwnerWorld {
  const owner: OwnerWorld = new OwnerWorld((device): readonly PlanStep[] => {
    const options = (name: string) => ({ name, required: false })
    const steps = [
      [identityStep(options('identity'), device), tokenStep(options('token'), token)],
      [fileStep(options('file'), owner.content('ref', utf8('content')))],
      [commandStep(options('command'), run)],
      [uploadStep(options('upload'), log)],
      [wgetStep(options('wget'), fetched)],
    ]
    return order.flatMap((i) => steps[i] ?? [])
  })
  return owner
}

const order = fc.shuffledSubarray([0, 1, 2, 3, 4], { minLength: 1 })
const listed = fc.shuffledSubarray(modules, { minLength: 1 })

describe('the owner', () => {
  it('refuses a devmod that is none', async () => {
    await fc.assert(
      fc.asyncProperty(rounds, async (said) => {
        const owner = new OwnerWorld()
        await onlyRefuses(async () => {
          for (const one of said) await owner.say(one.pairs, one.isMore)
        })
      }),
    )
  })

  it('bears any device, whatever the plan', async () => {
    await fc.assert(
      fc.asyncProperty(order, listed, rounds, async (steps, names, said) => {
        const owner = ownerOf(steps)
        await onlyRefuses(async () => {
          await owner.say(devmodPairs(names))
          for (const one of said) await owner.say(one.pairs, one.isMore)
        })
        for (const { length } of owner.replies) expect(length).toBeLessThanOrEqual(1295)
      }),
      { numRuns: 300 },
    )
  })

  it('never says more than active to a module that was not listed', async () => {
    await fc.assert(
      fc.asyncProperty(order, listed, rounds, async (steps, names, said) => {
        const owner = ownerOf(steps)
        await onlyRefuses(async () => {
          const replies = [await owner.say(devmodPairs(names))]
          for (const one of said) replies.push(await owner.say(one.pairs, one.isMore))
          for (const { serviceInfo } of replies) {
            for (const one of serviceInfo) expect(names).toContain(one.key.split(':')[0])
          }
        })
      }),
    )
  })
})

describe('the device', () => {
  it('bears any owner, and nothing of it leaves the sandbox', async () => {
    await fc.assert(
      fc.asyncProperty(listed, rounds, async (names, said) => {
        const host = new MemoryHost()
        host.scripts.set('sh', [{}, { exitCode: 0 }])
        host.documents.set('http://x.test/a', { status: 200, body: utf8('x') })
        const device = new DeviceSession(ABOUT, deviceModulesFor(host))
        device.begin(1300)
        const active = names.map((name) => ({ key: `${name}:active`, value: encode(true) }))
        const hear = (serviceInfo: readonly KeyValue[], isMoreServiceInfo: boolean) =>
          device.answer({ isMoreServiceInfo, isDone: false, serviceInfo })
        await onlyRefuses(async () => {
          await hear(active, false)
          for (const one of said) await hear(one.pairs, one.isMore)
          await device.finish()
        })
        await device.close()
        expect([host.unfinished, host.opened]).toEqual([0, 0])
        for (const path of host.stored.keys()) expect(path).toMatch(/^(a|identity\/\w+\.pem)$/)
      }),
      { numRuns: 300 },
    )
  })
})

describe('owner and device', () => {
  it('come to an end whatever fits their messages, with the same result', async () => {
    const size = fc.integer({ min: 1300, max: 9000 })
    await fc.assert(
      fc.asyncProperty(order, size, size, async (steps, ownerLimit, deviceLimit) => {
        const owner = ownerOf(steps)
        Object.assign(owner.context, { sendLimit: ownerLimit })
        const host = new MemoryHost()
        host.scripts.set('sh', [{ stdout: utf8('x'.repeat(2000)), exitCode: 0 }])
        host.documents.set('http://x.test/a', { status: 200, body: utf8('x') })
        host.put('log', 'log')
        const device = new DeviceSession(ABOUT, deviceModulesFor(host))
        const { requests } = await converse(owner, host, device, deviceLimit)
        for (const { length } of requests) expect(length).toBeLessThanOrEqual(deviceLimit - 5)
        const tokens = steps.includes(0) ? 1 : 0
        expect(owner.effectsOf('step-done')).toHaveLength(steps.length + tokens)
        expect(owner.tokens.issued).toHaveLength(tokens)
        expect(owner.effectsOf('step-skipped')).toEqual([])
      }),
      { numRuns: 40 },
    )
  })
})

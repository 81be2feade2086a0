/** Who may register, for how long, and how often: the policy as an administrator sets it. */
import { createHash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import type { Bytes } from '../../../../protocol/bytes.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { worldOf } from '../../../support/registering.ts'
import {
  type RendezvousWorld,
  openRendezvousWorld,
  sourceOf,
} from '../../../support/rendezvous-world.ts'
import { sell } from '../../../support/vouchers.ts'

const { parts, voucher, owner } = await worldOf()
const { guid } = parts.header
const soldOn = { voucher: await sell(parts, voucher, 2), signer: parts.signers[2]! }
const first = { voucher, signer: owner }
const fingerprint = (spki: Bytes) => createHash('sha256').update(spki).digest('hex')
const [manufacturerKey, ownerKey] = parts.signers.map(({ key }) => fingerprint(key.spki))
const ca = toPem('CERTIFICATE', parts.chain.at(-1)!)

type Policy = Record<string, any>

let world: RendezvousWorld
beforeEach(async () => {
  world = await openRendezvousWorld()
})
afterEach(() => world.database.close())

async function change(changes: (policy: Policy) => void) {
  const { is_default: _, ...policy } = (await world.call('GET', '/rendezvous-policy')).json
  changes(policy)
  return world.call('PUT', '/rendezvous-policy', policy)
}
const refused = (why: string) => expect.objectContaining({ message: expect.stringContaining(why) })

describe('the policy', () => {
  it('lets everybody in at first, and says so', async () => {
    const { json } = await world.call('GET', '/rendezvous-policy')
    expect(json).toMatchObject({ anyone: true, is_default: true })
    expect(await world.register(first)).toBe(3_600)
  })

  it('is changed while running', async () => {
    const changed = await change((policy) => (policy['anyone'] = false))
    expect(changed).toMatchObject({ status: 200, json: { anyone: false, is_default: false } })
    await expect(world.register(first)).rejects.toMatchObject({ check: 'device-ca-not-trusted' })
    expect(world.told.map(([event]) => event)).toContain('rendezvous-policy-changed')
  })

  it.each([
    ['owner_keys', ownerKey],
    ['owner_keys', ownerKey!.toUpperCase()],
    ['manufacturer_keys', manufacturerKey],
    ['device_cas', ca],
  ])('lets in whom it lists among %s, and nobody else', async (list, value) => {
    await change((policy) => {
      policy['anyone'] = false
      policy['allow'][list] = [value]
    })
    await world.register(first)
    await change(
      (policy) => (policy['allow'][list] = list === 'device_cas' ? [] : ['0'.repeat(64)]),
    )
    await expect(world.register(soldOn)).rejects.toMatchObject({ check: 'device-ca-not-trusted' })
  })

  it('asks for no known device CA where manufacturer or owner are known by key', async () => {
    await world.database.close()
    world = await openRendezvousWorld([])
    await expect(world.register(first)).rejects.toMatchObject({ check: 'device-ca-not-trusted' })
    await change((policy) => (policy['allow']['manufacturer_keys'] = [manufacturerKey]))
    await world.register(first)
    await change((policy) => (policy['allow'] = { ...policy['allow'], manufacturer_keys: [] }))
    await change((policy) => (policy['allow']['device_cas'] = [ca]))
    await world.register(first)
  })

  it.each([
    ['guids', toHex(guid), 'GUID'],
    ['manufacturer_keys', manufacturerKey, 'manufacturer key'],
    ['owner_keys', ownerKey, 'owner key'],
    ['device_cas', ca, 'device CA'],
  ])('refuses whom it denies among %s, listed or not', async (list, value, what) => {
    await change((policy) => {
      policy['allow']['owner_keys'] = [ownerKey]
      policy['deny'][list] = [value]
    })
    await expect(world.register(first)).rejects.toEqual(refused(`a ${what} that is denied`))
    await expect(world.register(soldOn)).rejects.toEqual(refused(`a ${what} that is denied`))
    await change((policy) => (policy['deny'][list] = []))
    await world.register(first)
  })

  it('grants what it says, to those it lists and to others', async () => {
    await change((policy) => {
      policy['allow']['owner_keys'] = [ownerKey]
      policy['waits'] = {
        listed: { default_seconds: 100, most_seconds: 1_000 },
        others: { default_seconds: 10, most_seconds: 20 },
      }
    })
    expect(await world.register({ ...first, waitSeconds: 0 })).toBe(100)
    expect(await world.register({ ...first, waitSeconds: 2_000 })).toBe(1_000)
    expect(await world.register({ ...soldOn, waitSeconds: 0 })).toBe(10)
    expect(await world.register({ ...soldOn, waitSeconds: 2_000 })).toBe(20)
    expect(await world.register({ ...soldOn, waitSeconds: 5 })).toBe(5)
  })

  it.each([
    ['anyone', 'yes'],
    ['nobody', true],
    ['allow', { owner_keys: ['abc'], manufacturer_keys: [], device_cas: [] }],
    ['allow', { owner_keys: [], manufacturer_keys: [], device_cas: ['no PEM'] }],
    ['allow', { owner_keys: [], manufacturer_keys: [], device_cas: [ca + ca] }],
    ['allow', { owner_keys: [], manufacturer_keys: [], device_cas: [toPem('X', guid)] }],
    ['deny', { owner_keys: [], manufacturer_keys: [], device_cas: [], guids: ['12'] }],
    ['limits', { source: { per_second: 0, burst: 1 }, guid: { per_second: 1, burst: 1 } }],
    [
      'waits',
      {
        listed: { default_seconds: 2, most_seconds: 1 },
        others: { default_seconds: 1, most_seconds: 1 },
      },
    ],
  ])('is not changed to what makes no sense: %s %o', async (name, value) => {
    const { status, json } = await change((policy) => (policy[name] = value))
    expect({ status, code: json.code }).toEqual({ status: 400, code: 'invalid-request' })
    expect((await world.call('GET', '/rendezvous-policy')).json.is_default).toBe(true)
  })
})

describe('the limits', () => {
  const limit = (source: object, one: object) =>
    change((policy) => (policy['limits'] = { source, guid: one }))
  const many = { per_second: 1_000, burst: 1_000 }
  const few = { per_second: 0.5, burst: 2 }

  it('tell one source to slow down, and no other', async () => {
    await limit(few, many)
    const fast = sourceOf('192.0.2.1')
    const unknown = { code: 'RESOURCE_NOT_FOUND' }
    for (let i = 0; i < 2; i++) await expect(world.ask(guid, fast)).rejects.toMatchObject(unknown)
    await expect(world.ask(guid, fast)).rejects.toMatchObject({
      code: 'INTERNAL_SERVER_ERROR',
      message: 'too many messages: try again in 2 s',
    })
    await expect(world.register({ ...first, source: fast })).rejects.toThrow('too many')
    await expect(world.ask(guid, sourceOf('192.0.2.2'))).rejects.toMatchObject(unknown)
    world.clock.advance(2_000)
    await expect(world.ask(guid, fast)).rejects.toMatchObject(unknown)
  })

  it('count a network of IPv6 as one source', async () => {
    await limit(few, many)
    for (const host of [1, 2]) {
      await expect(world.ask(guid, sourceOf(`2001:db8::${host}`))).rejects.toThrow('no owner')
    }
    await expect(world.ask(guid, sourceOf('2001:db8::3'))).rejects.toThrow('too many')
    await expect(world.ask(guid, sourceOf('2001:db8:0:1::1'))).rejects.toThrow('no owner')
  })

  it('tell one source to leave a device alone, which others may ask about', async () => {
    await limit(many, few)
    const [one, other] = [sourceOf('192.0.2.1'), sourceOf('192.0.2.2')]
    await world.register({ ...first, source: one })
    await world.register({ ...first, source: one })
    await expect(world.register({ ...first, source: one })).rejects.toThrow('too many')
    await expect(world.ask(guid, one)).rejects.toThrow('too many')
    await expect(world.ask(new Uint8Array(16), one)).rejects.toThrow('no owner')
    await world.ask(guid, other)
  })

  it('do not hold for this very service', async () => {
    await limit(few, few)
    for (let i = 0; i < 5; i++) await world.register(first)
  })
})

/** Whatever a peer sends in TO2, all it can cause is an FdoError. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type CborValue, Encoded } from '../../protocol/cbor/cbor.ts'
import { CIPHERS } from '../../protocol/crypto/kex/suites.ts'
import { sealMessage } from '../../protocol/crypto/kex/tunnel.ts'
import { Sign1, signSign1 } from '../../protocol/cose/sign1.ts'
import { decodeAs } from '../../protocol/cbor/schema.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { Message } from '../../protocol/message.ts'
import { type Role, type RoleState, receive } from '../../protocol/role.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import { to2Owner } from '../../protocol/to2/owner/role.ts'
import type { Tunnel } from '../../protocol/to2/tunnel.ts'
import { ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { garbageLike, mutationOf } from '../support/mutation.ts'
import { opened, to2WorldOf, walk } from '../support/to2-world.ts'

const world = await to2WorldOf()
const run = await walk(world)
const { ownerContext, deviceContext } = world
const device = { ...deviceContext, serviceInfo: { begin: nothing, answer } }

function nothing() {
  return { isMoreServiceInfo: false, serviceInfo: [] }
}

async function answer() {
  return { reply: null, delayMs: 0 }
}

const RUNS = { numRuns: 300 }

/** Holds for any bytes in the place of one message, whose true bytes are `original`. */
async function survives<State extends RoleState, Context, Effect>(
  role: Role<State, Context, Effect>,
  state: State,
  context: Context,
  messages: fc.Arbitrary<Message>,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(messages, async (message) => {
      try {
        await receive(role, state, message, context)
      } catch (error) {
        expect(error).toBeInstanceOf(FdoError)
      }
    }),
    RUNS,
  )
}

const wire = (number: number): fc.Arbitrary<Message> =>
  garbageLike(run.messages.get(number)!.bytes).map((bytes) => ({ number, bytes }))

/** Damaged inside, and sealed properly: what a peer with the key may send. */
function inside(number: number, { cipher, key }: Tunnel): fc.Arbitrary<Message> {
  const original = opened({ cipher, key, nextNonce: key, seen: key }, run.messages.get(number)!)
  const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 })
  return fc.record({ plaintext: garbageLike(original), nonce }).map((parts) => ({
    number,
    bytes: sealMessage(CIPHERS.get(cipher)!, key, parts.nonce, parts.plaintext),
  }))
}

const tunnelOf = (state: object): Tunnel => (state as { tunnel: Tunnel }).tunnel

describe('TO2, the Owner', () => {
  it.each([60, 62, 64, 66, 68, 70])('survives anything for message %i', async (number) => {
    await survives(to2Owner, run.owner.get(number)!, ownerContext, wire(number))
  })

  it.each([66, 68, 70])('survives anything inside message %i', async (number) => {
    const state = run.owner.get(number)!
    await survives(to2Owner, state, ownerContext, inside(number, tunnelOf(state)))
  })

  it('survives any claims that the device has signed', async () => {
    const { payload } = decodeAs(Sign1, run.messages.get(64)!.bytes, '64').value
    await fc.assert(
      fc.asyncProperty(mutationOf(payload), async (claims) => {
        const headers = new Map([[-259, new Uint8Array(16)]])
        const bytes = await signSign1(world.device, claims, headers)
        const step = receive(to2Owner, run.owner.get(64)!, { number: 64, bytes }, ownerContext)
        await step.catch((error: unknown) => expect(error).toBeInstanceOf(FdoError))
      }),
      RUNS,
    )
  })
})

describe('TO2, the Device', () => {
  it.each([61, 63, 65, 67, 69, 71])('survives anything for message %i', async (number) => {
    await survives(to2Device, run.device.get(number)!, device, wire(number))
  })

  it.each([65, 67, 69, 71])('survives anything inside message %i', async (number) => {
    const state = run.device.get(number)!
    await survives(to2Device, state, device, inside(number, tunnelOf(state)))
  })

  it('survives anything an owner has signed to show a voucher', async () => {
    const { payload } = decodeAs(Sign1, run.messages.get(61)!.bytes, '61').value
    const headers = new Map<number, CborValue>([
      [256, new Uint8Array(16)],
      [257, new Encoded(ownerKeyOf(world.voucher).bytes)],
    ])
    await fc.assert(
      fc.asyncProperty(mutationOf(payload), async (shown) => {
        const bytes = await signSign1(world.owner, shown, headers)
        const step = receive(to2Device, run.device.get(61)!, { number: 61, bytes }, device)
        await step.catch((error: unknown) => expect(error).toBeInstanceOf(FdoError))
      }),
      RUNS,
    )
  })
})

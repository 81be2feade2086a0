import { describe, expect, it } from 'vitest'
import type { Bytes } from '../../../../protocol/bytes.ts'
import { type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import { signSign1 } from '../../../../protocol/cose/sign1.ts'
import { bodyOf } from '../../../../protocol/message.ts'
import { packState, receive, unpackState } from '../../../../protocol/role.ts'
import { HelloRVAck } from '../../../../protocol/to1/messages.ts'
import {
  type To1RendezvousContext,
  to1Rendezvous,
  to1RendezvousStates,
} from '../../../../protocol/to1/rendezvous.ts'
import { worldOf } from '../../../support/registering.ts'

const { device, owner } = await worldOf()
const guid = new Uint8Array(16).fill(1)
const nonce = new Uint8Array(16).fill(7)
const to1d = await signSign1(owner, encode(['where the owner is']))
const context: To1RendezvousContext = {
  randomBytes: (length) => new Uint8Array(length).fill(7),
  findRegistration: () => ({ deviceKey: device.key, to1d }),
}
const waiting = {
  expects: 'TO1.ProveToRV',
  guid,
  nonceTO1Proof: nonce,
  sgType: -7,
} as const

const helloRV = (sgType: number) => ({
  number: 30,
  bytes: encode([guid, [sgType, new Uint8Array()]]),
})
const hello = (sgType: number, changed: Partial<To1RendezvousContext> = {}) =>
  receive(to1Rendezvous, { expects: 'TO1.HelloRV' }, helloRV(sgType), { ...context, ...changed })

interface Proof {
  readonly nonce?: Bytes
  readonly guid?: Bytes
  readonly ueidLabel?: number
  readonly ueidType?: number
  readonly signer?: typeof device
}

async function proofOf(proof: Proof = {}) {
  const ueid = Uint8Array.of(proof.ueidType ?? 1, ...(proof.guid ?? guid))
  const claims = new Map<number, CborValue>([
    [10, proof.nonce ?? nonce],
    [proof.ueidLabel ?? 256, ueid],
  ])
  return { number: 32, bytes: await signSign1(proof.signer ?? device, encode(claims)) }
}

const prove = async (proof: Proof = {}, sgType = -7) =>
  receive(to1Rendezvous, { ...waiting, sgType }, await proofOf(proof), context)

describe('TO1, Rendezvous Server side', () => {
  it('answers a device that has an owner, and writes nothing', async () => {
    const { reply, next, effects } = await hello(-7)
    expect(bodyOf(HelloRVAck, reply!.bytes)).toMatchObject({
      nonceTO1Proof: nonce,
      eBSigInfo: { sgType: -7 },
    })
    expect(next).toEqual(waiting)
    expect(effects).toEqual([])
  })

  it('hands a device that proves itself what its owner left, byte for byte', async () => {
    expect(await prove()).toEqual({ next: null, reply: { number: 33, bytes: to1d }, effects: [] })
  })

  it('answers a device nobody registered with RESOURCE_NOT_FOUND', async () => {
    await expect(hello(-7, { findRegistration: () => undefined })).rejects.toMatchObject({
      code: 'RESOURCE_NOT_FOUND',
    })
  })

  it('answers a device whose registration lapsed meanwhile likewise', async () => {
    const lapsed = { ...context, findRegistration: () => undefined }
    await expect(receive(to1Rendezvous, waiting, await proofOf(), lapsed)).rejects.toMatchObject({
      code: 'RESOURCE_NOT_FOUND',
    })
  })

  it.each([90, 91, 92, 0, -8])('refuses the signature type %i', async (sgType) => {
    await expect(hello(sgType)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it.each([-7, -35, -257, -258, -37, -38])('knows the signature type %i', async (sgType) => {
    expect((await hello(sgType)).next).toMatchObject({ sgType })
  })

  it('refuses a proof of another nonce', async () => {
    await expect(prove({ nonce: guid })).rejects.toThrow('NonceTO1Proof')
  })

  it('refuses a proof for another GUID than HelloRV named', async () => {
    await expect(prove({ guid: nonce })).rejects.toThrow('UEID is not the GUID')
  })

  it('refuses a UEID that is not of type RAND, or too long', async () => {
    const code = 'INVALID_MESSAGE_ERROR'
    await expect(prove({ ueidType: 2 })).rejects.toMatchObject({ code })
    await expect(prove({ guid: new Uint8Array(17) })).rejects.toMatchObject({ code })
  })

  it('refuses a signature by another key', async () => {
    await expect(prove({ signer: owner })).rejects.toThrow('signature does not verify')
  })

  it('refuses another algorithm than was announced', async () => {
    await expect(prove({}, -257)).rejects.toThrow('signature does not verify')
  })

  it('takes the P-256 device of fdo-rs, which announces ES384 and writes UEID as label 11', async () => {
    const step = await prove({ ueidLabel: 11 }, -35)
    expect(step.reply?.number).toBe(33)
  })

  it('refuses a proof without a nonce or a UEID', async () => {
    const bytes = await signSign1(device, encode(new Map([[10, nonce]])))
    await expect(
      receive(to1Rendezvous, waiting, { number: 32, bytes }, context),
    ).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
  })

  it('says where a malformed message went wrong', async () => {
    const short = { number: 30, bytes: encode([Uint8Array.of(1, 2), [-7, nonce]]) }
    await expect(
      receive(to1Rendezvous, { expects: 'TO1.HelloRV' }, short, context),
    ).rejects.toThrow('TO1.HelloRV.guid: expected 16 bytes')
  })

  it('refuses a message out of turn', async () => {
    await expect(receive(to1Rendezvous, waiting, helloRV(-7), context)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
  })

  it('has states that survive packing, and stay small', () => {
    const packed = packState(to1RendezvousStates, waiting)
    expect(unpackState(to1RendezvousStates, packed)).toEqual(waiting)
    expect(packed.length).toBeLessThan(64)
  })
})

import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { Encoded, encode } from '../../../../protocol/cbor/cbor.ts'
import { RS384 } from '../../../../protocol/cose/algorithms.ts'
import { SHA256, hashOf, hmacOf } from '../../../../protocol/crypto/hash.ts'
import { signerFromPkcs8 } from '../../../../protocol/crypto/signer.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { type Message, bodyOf } from '../../../../protocol/message.ts'
import { packState, receive, unpackState } from '../../../../protocol/role.ts'
import { AcceptOwner, HelloAck, OwnerSign } from '../../../../protocol/to0/messages.ts'
import {
  type Offer,
  type To0RendezvousContext,
  to0Rendezvous,
  to0RendezvousStates,
} from '../../../../protocol/to0/rendezvous.ts'
import { buildHeader, buildVoucher } from '../../../../protocol/voucher/voucher.ts'
import { ADDRESSES, ownerSignOf, worldOf } from '../../../support/registering.ts'
import { makeVoucher, partsOf, sell, voucherVectors } from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

const { parts, voucher, owner, device } = await worldOf()
const nonce = new Uint8Array(16).fill(7)
const context: To0RendezvousContext = {
  randomBytes: (length) => new Uint8Array(length).fill(7),
  trust: () => ({}),
  order: () => 42,
  admit: ({ waitSeconds }) => waitSeconds,
}
const waiting = { expects: 'TO0.OwnerSign', nonceTO0Sign: nonce, order: 42 } as const
const receive22 = (message: Message, changed: Partial<To0RendezvousContext> = {}) =>
  receive(to0Rendezvous, waiting, message, { ...context, ...changed })

describe('TO0, Rendezvous Server side', () => {
  it('answers Hello with a nonce, and remembers it and the order of runs', async () => {
    const hello = { number: 20, bytes: encode([]) }
    const step = await receive(to0Rendezvous, { expects: 'TO0.Hello' }, hello, context)
    expect(bodyOf(HelloAck, step.reply!.bytes).nonceTO0Sign).toEqual(nonce)
    expect(step).toMatchObject({ next: waiting, effects: [] })
  })

  it('registers what an owner signed, byte for byte', async () => {
    const message = await ownerSignOf({ voucher, nonce, signer: owner, waitSeconds: 600 })
    const { next, reply, effects } = await receive22(message)
    expect(next).toBeNull()
    expect(bodyOf(AcceptOwner, reply!.bytes)).toEqual({ waitSeconds: 600 })
    const [registered] = effects
    expect(registered).toMatchObject({ type: 'registered', order: 42, waitSeconds: 600 })
    expect(registered?.guid).toEqual(parts.header.guid)
    expect(registered?.to1d).toEqual(bodyOf(OwnerSign, message.bytes).to1d.bytes)
    expect(toHex(registered!.deviceKey.spki)).toBe(toHex(device.key.spki))
    expect(toHex(registered!.ownerKey.spki)).toBe(toHex(owner.key.spki))
    expect(registered?.entryHashes).toEqual([hashOf(SHA256, voucher.entries[0]!.bytes).value])
  })

  it('asks its policy for how long, and shows it what is offered', async () => {
    const offers: Offer[] = []
    const admit = (offer: Offer) => offers.push(offer) * 100
    const step = await receive22(await ownerSignOf({ voucher, nonce, signer: owner }), { admit })
    expect(bodyOf(AcceptOwner, step.reply!.bytes)).toEqual({ waitSeconds: 100 })
    expect(step.effects[0]).toMatchObject({ waitSeconds: 100 })
    expect(offers).toMatchObject([{ addresses: ADDRESSES, waitSeconds: 3600 }])
  })

  it('refuses whom its policy refuses', async () => {
    const admit = () => {
      throw new FdoError('INVALID_OWNERSHIP_VOUCHER', 'not wanted here')
    }
    const message = await ownerSignOf({ voucher, nonce, signer: owner })
    await expect(receive22(message, { admit })).rejects.toThrow('not wanted here')
  })

  it('refuses another nonce', async () => {
    const other = new Uint8Array(16)
    const message = await ownerSignOf({ voucher, nonce: other, signer: owner })
    await expect(receive22(message)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('refuses a to1d for another to0d', async () => {
    const message = await ownerSignOf({ voucher, nonce, signer: owner, hashed: nonce })
    await expect(receive22(message)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('refuses a to1d that a former owner signed', async () => {
    const message = await ownerSignOf({ voucher, nonce, signer: parts.signers[0]! })
    await expect(receive22(message)).rejects.toMatchObject({ code: 'INVALID_OWNER_SIGN_BODY' })
  })

  it('refuses a voucher that names no owner', async () => {
    const unsold = await makeVoucher(parts, { sales: 0 })
    const message = await ownerSignOf({ voucher: unsold, nonce, signer: parts.signers[0]! })
    await expect(receive22(message)).rejects.toMatchObject({ check: 'no-entries' })
  })

  it('refuses a voucher with a flaw, such as no device info', async () => {
    const flawed = await makeVoucher(parts, { header: { deviceInfo: '' } })
    const message = await ownerSignOf({ voucher: flawed, nonce, signer: owner })
    await expect(receive22(message)).rejects.toMatchObject({
      code: 'INVALID_OWNERSHIP_VOUCHER',
      check: 'device-info-empty',
    })
  })

  it('refuses a device of a CA it does not trust', async () => {
    const message = await ownerSignOf({ voucher, nonce, signer: owner })
    await expect(receive22(message, { trust: () => ({ anchors: [] }) })).rejects.toMatchObject({
      check: 'device-ca-not-trusted',
    })
  })

  it.each([
    ['no address', [], 'MESSAGE_BODY_ERROR'],
    ['neither IP nor DNS', [[null, null, 80, 3]], 'MESSAGE_BODY_ERROR'],
    ['port 0', [[null, 'owner', 0, 3]], 'MESSAGE_BODY_ERROR'],
    ['an unknown protocol', [[null, 'owner', 80, 7]], 'MESSAGE_BODY_ERROR'],
    ['an IP address of 5 bytes', [[new Uint8Array(5), null, 80, 3]], 'INVALID_IP_ADDRESS'],
  ])('refuses %s', async (_, addresses, code) => {
    const message = await ownerSignOf({ voucher, nonce, signer: owner, addresses })
    await expect(receive22(message)).rejects.toMatchObject({ code })
  })

  it('refuses a GUID that is none', async () => {
    const header = buildHeader({ ...parts.header, guid: new Uint8Array(15) }).bytes
    const hmac = hmacOf(parts.hmacType, parts.hmacSecret, header)
    const short = buildVoucher({ header, hmac, chain: parts.chain })
    const message = await ownerSignOf({ voucher: short, nonce, signer: owner })
    await expect(receive22(message)).rejects.toMatchObject({ code: 'INVALID_GUID' })
  })

  it('refuses a to0d without its byte string', async () => {
    const { to0d, to1d } = bodyOf(
      OwnerSign,
      (await ownerSignOf({ voucher, nonce, signer: owner })).bytes,
    )
    const bytes = encode([new Encoded(to0d.bytes), new Encoded(to1d.bytes)])
    await expect(receive22({ number: 22, bytes })).rejects.toMatchObject({
      code: 'MESSAGE_BODY_ERROR',
    })
  })

  it('takes any algorithm that the owner’s key may use', async () => {
    const vector = voucherVectors.find(({ keyType }) => keyType === 1)!
    const rsa = partsOf(vector.name)
    const signer = signerFromPkcs8(fromHex(vector.ownerKeysPkcs8[1]!), RS384)
    const message = await ownerSignOf({ voucher: await makeVoucher(rsa), nonce, signer })
    expect((await receive22(message)).reply?.number).toBe(23)
  })

  it('keeps a hash of every sale', async () => {
    const twice = await sell(parts, voucher, 2)
    const message = await ownerSignOf({ voucher: twice, nonce, signer: parts.signers[2]! })
    const [registered] = (await receive22(message)).effects
    expect(registered?.entryHashes).toHaveLength(2)
  })

  it('refuses a message out of turn', async () => {
    await expect(receive22({ number: 20, bytes: encode([]) })).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
  })

  it('has states that survive packing, and stay small', () => {
    const packed = packState(to0RendezvousStates, waiting)
    expect(unpackState(to0RendezvousStates, packed)).toEqual(waiting)
    expect(packed.length).toBeLessThan(64)
  })
})

import { describe, expect, it } from 'vitest'
import { type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { signSign1 } from '../../../../protocol/cose/sign1.ts'
import { signerFromPkcs8 } from '../../../../protocol/crypto/signer.ts'
import { bodyOf } from '../../../../protocol/message.ts'
import { receive } from '../../../../protocol/role.ts'
import { beginTo1, to1Device } from '../../../../protocol/to1/device.ts'
import { HelloRV } from '../../../../protocol/to1/messages.ts'
import { worldOf } from '../../../support/registering.ts'
import { voucherVectors } from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

const { device, owner } = await worldOf()
const guid = new Uint8Array(16).fill(1)
const context = { guid, signer: device }
const ack = (sgType: number) => ({
  number: 31,
  bytes: encode([new Uint8Array(16), [sgType, new Uint8Array()]]),
})
const redirect = async (payload: CborValue) => ({
  number: 33,
  bytes: await signSign1(owner, encode(payload)),
})
const hash = [-16, new Uint8Array(32)]

describe('TO1, Device side', () => {
  it('announces the algorithm it will sign with', () => {
    const vector = voucherVectors.find(({ keyType }) => keyType === 1)!
    const signer = signerFromPkcs8(fromHex(vector.ownerKeysPkcs8[0]!), PS256)
    const { reply } = beginTo1({ guid, signer })
    expect(bodyOf(HelloRV, reply!.bytes).eASigInfo.sgType).toBe(-37)
  })

  it('breaks off where its signature info comes back changed', async () => {
    await expect(
      receive(to1Device, { expects: 'TO1.HelloRVAck' }, ack(-35), context),
    ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('proves itself where it does not', async () => {
    const step = await receive(to1Device, { expects: 'TO1.HelloRVAck' }, ack(-7), context)
    expect(step.reply?.number).toBe(32)
  })

  it('keeps the redirection for TO2 to verify', async () => {
    const message = await redirect([[[null, 'owner', 80, 3]], hash])
    const step = await receive(to1Device, { expects: 'TO1.RVRedirect' }, message, context)
    expect(step).toMatchObject({ next: null, reply: null })
    expect(step.effects).toMatchObject([
      { type: 'redirected', to1d: message.bytes, addresses: [{ dns: 'owner', port: 80 }] },
    ])
  })

  it('breaks off where the redirection names no address', async () => {
    await expect(
      receive(to1Device, { expects: 'TO1.RVRedirect' }, await redirect([[], hash]), context),
    ).rejects.toMatchObject({ code: 'MESSAGE_BODY_ERROR' })
  })

  it('refuses an answer out of turn', async () => {
    await expect(
      receive(to1Device, { expects: 'TO1.RVRedirect' }, ack(-7), context),
    ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })
})

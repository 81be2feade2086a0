import { describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { bodyOf } from '../../../../protocol/message.ts'
import { receive } from '../../../../protocol/role.ts'
import { OwnerSign, parseTo1d } from '../../../../protocol/to0/messages.ts'
import { beginTo0, to0Owner } from '../../../../protocol/to0/owner.ts'
import { SHA384 } from '../../../../protocol/crypto/hash.ts'
import { ADDRESSES, worldOf } from '../../../support/registering.ts'
import { makeVoucher } from '../../../support/vouchers.ts'

const { parts, voucher, owner } = await worldOf()
const context = { voucher, signer: owner, addresses: ADDRESSES, waitSeconds: 3600 }
const helloAck = { number: 21, bytes: encode([new Uint8Array(16)]) }

describe('TO0, Owner side', () => {
  it('does not begin with a voucher that was never sold', async () => {
    const unsold = await makeVoucher(parts, { sales: 0 })
    expect(() => beginTo0({ ...context, voucher: unsold })).toThrow('no entry')
  })

  it('does not begin with a voucher that names someone else', () => {
    expect(() => beginTo0({ ...context, signer: parts.signers[0]! })).toThrow('another key')
  })

  it('hashes as strongly as the voucher does', async () => {
    const strong = await worldOf('p384-x509-devP384')
    const strongContext = { ...context, voucher: strong.voucher, signer: strong.owner }
    const { next } = beginTo0(strongContext)
    const sent = await receive(to0Owner, next!, helloAck, strongContext)
    const { to1d } = bodyOf(OwnerSign, sent.reply!.bytes)
    expect(parseTo1d(to1d.value).to1dTo0dHash.type).toBe(SHA384)
  })

  it('says for how long it is registered', async () => {
    const accepted = { number: 23, bytes: encode([600]) }
    const step = await receive(to0Owner, { expects: 'TO0.AcceptOwner' }, accepted, context)
    expect(step.effects).toEqual([{ type: 'registered', waitSeconds: 600 }])
  })

  it('does not take no time at all for a registration', async () => {
    const accepted = { number: 23, bytes: encode([0]) }
    await expect(
      receive(to0Owner, { expects: 'TO0.AcceptOwner' }, accepted, context),
    ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('refuses an answer out of turn', async () => {
    await expect(
      receive(to0Owner, { expects: 'TO0.AcceptOwner' }, helloAck, context),
    ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })
})

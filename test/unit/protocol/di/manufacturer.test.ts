import { describe, expect, it } from 'vitest'
import { type Bytes, concat, toHex } from '../../../../protocol/bytes.ts'
import { type CborValue, encode } from '../../../../protocol/cbor/cbor.ts'
import type { KeyKind } from '../../../../protocol/cose/algorithms.ts'
import { SHA256, SHA384, hashOf, hmacOf, sameHash } from '../../../../protocol/crypto/hash.ts'
import {
  type DiManufacturerContext,
  diManufacturer,
  diManufacturerStates,
  hashTypeFor,
} from '../../../../protocol/di/manufacturer.ts'
import { SetCredentials } from '../../../../protocol/di/messages.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { bodyOf } from '../../../../protocol/message.ts'
import { packState, receive, unpackState } from '../../../../protocol/role.ts'
import { findVoucherFlaw } from '../../../../protocol/voucher/verify.ts'
import { ownerKeyOf, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { buildCsr } from '../../../../protocol/x509/build-csr.ts'
import { worldOf } from '../../../support/registering.ts'

const { parts, device } = await worldOf()
const csr = await buildCsr(device, 'anything')
const context: DiManufacturerContext = {
  randomBytes: (length) => new Uint8Array(length).fill(3),
  admit: async () => ({
    rvInfo: parts.header.rvInfo,
    deviceCertChain: parts.chain,
    manufacturerKey: parts.publicKeys[0]!,
    order: '',
  }),
  findFirstOwner: async () => undefined,
}
const GUID = new Uint8Array(16).fill(3)

const appStart = (content: CborValue) => ({ number: 10, bytes: encode([content]) })
const five = (...tail: CborValue[]): Bytes => encode([10, 1, 'abcdef', '12345', csr, ...tail])
const start = (content: CborValue, changed: Partial<DiManufacturerContext> = {}) =>
  receive(diManufacturer, { expects: 'DI.AppStart' }, appStart(content), {
    ...context,
    ...changed,
  })

async function finish(changed: Partial<DiManufacturerContext> = {}) {
  const { next, reply } = await start(five())
  const { header } = bodyOf(SetCredentials, reply!.bytes)
  const { type, value } = hmacOf(5, parts.hmacSecret, header.bytes)
  const message = { number: 12, bytes: encode([[type, value]]) }
  return receive(diManufacturer, next!, message, { ...context, ...changed })
}

describe('DI, Manufacturer side', () => {
  it('gives a device its GUID, where to look, and the key it was asked for', async () => {
    const { reply } = await start(five())
    const { header } = bodyOf(SetCredentials, reply!.bytes)
    expect(header.value).toMatchObject({ protVer: 101, guid: GUID, deviceInfo: '12345' })
    expect(header.value.rvInfo.bytes).toEqual(parts.header.rvInfo.bytes)
    expect(header.value.publicKey.value).toMatchObject({ type: 10, encoding: 1 })
    const hash = hashOf(SHA256, concat(...parts.chain))
    expect(sameHash(header.value.deviceCertChainHash!, hash)).toBe(true)
  })

  it('shows its policy what the device says, its request verified', async () => {
    const seen: unknown[] = []
    const admit: DiManufacturerContext['admit'] = async (info, request) => {
      seen.push(info.serial, info.keyType, toHex(request.spki))
      return context.admit(info, request)
    }
    await start(five(), { admit })
    expect(seen).toEqual(['abcdef', 10, toHex(device.key.spki)])
  })

  it('refuses whom its policy refuses', async () => {
    const admit = async () => {
      throw new FdoError('INVALID_MESSAGE_ERROR', 'not from this factory')
    }
    await expect(start(five(), { admit })).rejects.toThrow('not from this factory')
  })

  it.each([
    ['a sixth item: MAC addresses', [new Uint8Array(6)]],
    ['nine items: Intel CSE', [new Uint8Array(6), new Uint8Array(), new Uint8Array(), null]],
  ])('takes %s', async (_, tail) => {
    expect((await start(five(...tail))).reply?.number).toBe(11)
  })

  it.each([
    ['[null]', null, 'INVALID_MESSAGE_ERROR', 'no DeviceMfgInfo'],
    ['a null inside the byte string', encode(null), 'INVALID_MESSAGE_ERROR', 'no DeviceMfgInfo'],
    ['an empty byte string', new Uint8Array(), 'MESSAGE_BODY_ERROR', 'truncated'],
    ['the plain text of fdo-rs', encode('fdo-rs'), 'INVALID_MESSAGE_ERROR', 'plain text'],
    ['four items', encode([10, 1, 'a', 'b']), 'MESSAGE_BODY_ERROR', '5'],
    ['ten items', five(1, 2, 3, 4, 5), 'MESSAGE_BODY_ERROR', '5 to 9'],
    ['a key type of 1.0', encode([13, 1, 'a', 'b', csr]), 'MESSAGE_BODY_ERROR', 'one of'],
    ['the encoding Crypto', encode([10, 0, 'a', 'b', csr]), 'MESSAGE_BODY_ERROR', 'one of'],
    ['no device info', encode([10, 1, 'a', '', csr]), 'INVALID_MESSAGE_ERROR', 'device info'],
    ['OnDie', encode([10, 1, 'a', 'b', new Uint8Array()]), 'INVALID_MESSAGE_ERROR', 'OnDie'],
    ['no request', encode([10, 1, 'a', 'b', GUID]), 'MESSAGE_BODY_ERROR', 'DER'],
  ])('refuses %s', async (_, content, code, message) => {
    const refusal = start(content)
    await expect(refusal).rejects.toMatchObject({ code })
    await expect(refusal).rejects.toThrow(message)
  })

  it('refuses a request that its key did not sign', async () => {
    const forged = csr.with(-1, csr.at(-1)! ^ 1)
    const content = encode([10, 1, 'a', 'b', forged])
    await expect(start(content)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('makes a voucher of the device’s HMAC', async () => {
    const { next, reply, effects } = await finish()
    expect(next).toBeNull()
    expect(reply).toEqual({ number: 13, bytes: encode([]) })
    const [made] = effects
    expect(made).toMatchObject({ type: 'device-made', serial: 'abcdef', deviceInfo: '12345' })
    expect(made?.guid).toEqual(GUID)
    expect(toHex(made!.deviceKey)).toBe(toHex(device.key.spki))
    const voucher = parseVoucher(made!.voucher)
    expect(voucher.entries).toHaveLength(0)
    expect(await findVoucherFlaw(voucher)).toBeUndefined()
  })

  it('sells the device to its first owner at once', async () => {
    const sale = { signer: parts.signers[0]!, nextOwner: parts.publicKeys[1]! }
    const { effects } = await finish({ findFirstOwner: async () => sale })
    const voucher = parseVoucher(effects[0]!.voucher)
    expect(await findVoucherFlaw(voucher)).toBeUndefined()
    expect(ownerKeyOf(voucher).value.key.spki).toEqual(parts.publicKeys[1]!.key.spki)
  })

  it.each([
    ['of no known type', [7, new Uint8Array(32)]],
    ['of the wrong length', [5, new Uint8Array(48)]],
  ])('refuses an HMAC %s', async (_, hmac) => {
    const { next } = await start(five())
    const message = { number: 12, bytes: encode([hmac]) }
    await expect(receive(diManufacturer, next!, message, context)).rejects.toMatchObject({
      code: 'MESSAGE_BODY_ERROR',
    })
  })

  it('refuses a message out of turn', async () => {
    const { next } = await start(five())
    await expect(receive(diManufacturer, next!, appStart(five()), context)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE_ERROR',
    })
  })

  it('has states that survive packing', async () => {
    const { next } = await start(five())
    const packed = packState(diManufacturerStates, next!)
    expect(unpackState(diManufacturerStates, packed)).toEqual(next)
  })

  it.each<[KeyKind, KeyKind, number]>([
    ['p256', 'p256', SHA256],
    ['p256', 'rsa2048', SHA256],
    ['p256', 'rsa3072', SHA256],
    ['p256', 'p384', SHA384],
    ['p384', 'p256', SHA384],
    ['p384', 'p384', SHA384],
    ['p384', 'rsa2048', SHA384],
    ['p384', 'rsa3072', SHA384],
    ['rsa2048', 'rsa2048', SHA256],
    ['rsa3072', 'rsa3072', SHA384],
    ['rsa3072', 'p256', SHA256],
  ])('hashes for a %s device of a %s manufacturer with %i', (ofDevice, ofOwner, type) => {
    expect(hashTypeFor(ofDevice, ofOwner)).toBe(type)
  })
})

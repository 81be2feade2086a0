/** Whose vouchers a party takes in, and why not others. */
import { hash } from 'node:crypto'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { type VoucherWorld, openVoucherWorld } from '../../../support/voucher-world.ts'
import { CA_CERTIFICATE } from '../../../support/test-issuer.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const TESTER = { id: 'tok_1', party: HOME_PARTY }
const voucher = await makeVoucher(partsOf())
const maker = voucher.header.value.publicKey.value.key.spki
const deviceCa = voucher.deviceCertChain?.at(-1) ?? new Uint8Array(0)
const otherCa = CA_CERTIFICATE
const otherKey = toPem('PUBLIC KEY', partsOf().signers[1]!.key.spki)

let world: VoucherWorld
beforeEach(async () => {
  world = await openVoucherWorld({ anchors: [] })
})
afterEach(() => world.database.close())

const put = (body: object) =>
  world.call('/trust-policy', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
const checkOf = async (bytes = voucher.bytes, actor = TESTER) => {
  const [result] = await world.desk.import([bytes], actor)
  return result?.ok ? 'ok' : result?.check
}

describe('a trust policy', () => {
  it('is the installation’s until the party has one of its own', async () => {
    expect((await world.call('/trust-policy')).json).toEqual({
      ...{ device_cas: 'default', manufacturer_keys: 'any', rsa2048: true, is_default: true },
    })
    expect(await checkOf()).toBe('device-ca-not-trusted')
  })

  it('is named where it stands in the way', async () => {
    const [result] = await world.desk.import([voucher.bytes], TESTER)
    expect(result?.detail).toMatch('no trusted certificate: firstlight voucher trust')
  })

  it.each([
    ['device_cas', 'x', 'default, any, or a list'],
    ['device_cas', 5, 'default, any, or a list'],
    ['manufacturer_keys', 'x', 'any, or a list'],
  ])('says what may stand for %s where %j does', async (name, value, why) => {
    expect((await put({ [name]: value })).json).toMatchObject({
      status: 400,
      detail: expect.stringContaining(why),
    })
  })

  it('accepts anybody’s devices, or those of listed authorities', async () => {
    await put({ device_cas: [toPem('CERTIFICATE', otherCa)] })
    expect(await checkOf()).toBe('device-ca-not-trusted')
    await put({ device_cas: [toPem('CERTIFICATE', deviceCa)] })
    expect(await checkOf()).toBe('ok')
    await world.desk.delete(Buffer.from(voucher.header.value.guid).toString('hex'), TESTER)
    await put({ device_cas: 'any' })
    expect(await checkOf()).toBe('ok')
  })

  it('is of one party, and not of the others', async () => {
    await put({ device_cas: 'any' })
    expect(await checkOf(voucher.bytes, { id: 'x', party: 'fdop_other' })).toBe(
      'device-ca-not-trusted',
    )
  })

  it('accepts listed manufacturers only, by key or by its hash', async () => {
    await put({ device_cas: 'any', manufacturer_keys: [otherKey] })
    expect(await checkOf()).toBe('manufacturer-key-not-trusted')
    await put({ device_cas: 'any', manufacturer_keys: [otherKey, hash('sha256', maker, 'hex')] })
    expect(await checkOf()).toBe('ok')
    await put({ device_cas: 'any', manufacturer_keys: [toPem('PUBLIC KEY', maker)] })
    expect(await checkOf()).toBe('ok')
  })

  it('refuses RSA 2048 where it says so', async () => {
    const rsa = await makeVoucher(partsOf('rsa2048restr-x509-devP256'))
    await put({ device_cas: 'any', rsa2048: false })
    expect(await checkOf(rsa.bytes)).toBe('rsa2048-not-allowed')
    await put({ device_cas: 'any' })
    expect(await checkOf(rsa.bytes)).not.toBe('rsa2048-not-allowed')
  })

  it.each([
    { device_cas: ['no certificate'] },
    { device_cas: [] },
    { device_cas: 'all' },
    { device_cas: [otherKey] },
    { manufacturer_keys: ['abc'] },
    { manufacturer_keys: [toPem('CERTIFICATE', deviceCa)] },
    { rsa2048: 'no' },
    { other: 1 },
  ])('is refused as %j, and stays what it was', async (body) => {
    expect((await put(body)).status).toBe(400)
    expect((await world.call('/trust-policy')).json).toMatchObject({ is_default: true })
  })
})

import { describe, expect, it } from 'vitest'
import { decodeAs, encodeAs, keep } from '../../../../protocol/cbor/schema.ts'
import {
  DeviceCredential,
  credentialFrom,
  findHeaderFlaw,
  withOwner,
} from '../../../../protocol/credential/device-credential.ts'
import { hmacOf } from '../../../../protocol/crypto/hash.ts'
import { PublicKey } from '../../../../protocol/crypto/public-key.ts'
import { buildHeader } from '../../../../protocol/voucher/voucher.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const voucher = await makeVoucher(parts)
const credential = credentialFrom(voucher.header.value, parts.hmacSecret, -16)

describe('a device credential', () => {
  it('is written and read again', () => {
    const encoded = encodeAs(DeviceCredential, credential)
    const read = decodeAs(DeviceCredential, encoded, 'DeviceCredential')
    expect(read).toMatchObject({ active: true, deviceInfo: 'vector-model-1' })
    expect(encodeAs(DeviceCredential, read)).toEqual(encoded)
  })

  it('accepts the header it was made from, whichever HMAC the voucher has', () => {
    const { header } = voucher
    for (const type of [5, 6] as const) {
      const hmac = hmacOf(type, parts.hmacSecret, header.bytes)
      expect(findHeaderFlaw(credential, header, hmac)).toBeUndefined()
    }
  })

  it('refuses a header under another secret', () => {
    const hmac = hmacOf(5, new Uint8Array(32), voucher.header.bytes)
    expect(findHeaderFlaw(credential, voucher.header, hmac)).toBe('header-hmac')
  })

  it('refuses the header of an earlier life', () => {
    const moved = { ...credential, guid: new Uint8Array(16) }
    expect(findHeaderFlaw(moved, voucher.header, voucher.headerHMac.value)).toBe('guid')
  })

  it('refuses a header with another first owner', () => {
    const publicKey = keep(PublicKey, parts.publicKeys[1] ?? expect.fail())
    const header = buildHeader({ ...parts.header, publicKey })
    const hmac = hmacOf(5, parts.hmacSecret, header.bytes)
    expect(findHeaderFlaw(credential, header, hmac)).toBe('manufacturer-key-hash')
  })

  it('belongs to the new owner after TO2, and rests', () => {
    const owner2Key = keep(PublicKey, parts.publicKeys[2] ?? expect.fail())
    const guid = new Uint8Array(16).fill(7)
    const { rvInfo } = parts.header
    const onboarded = withOwner(credential, { guid, rvInfo, owner2Key })
    expect(onboarded).toMatchObject({ active: false, guid, hmacSecret: credential.hmacSecret })
    const header = buildHeader({ ...parts.header, guid, publicKey: owner2Key })
    const hmac = hmacOf(5, parts.hmacSecret, header.bytes)
    expect(findHeaderFlaw(onboarded, header, hmac)).toBeUndefined()
    expect(findHeaderFlaw(credential, header, hmac)).toBe('guid')
  })
})

/** Devices that come with a certificate of their maker's own CA, and keep it. */
import { describe, expect, it } from 'vitest'
import {
  chainsOf,
  ownChain,
  spkiHashOf,
} from '../../../../src/manufacturing/orders/own-certificate.ts'
import { CA_USAGE, certificateOf, ecKey, spkiOf } from '../../../support/certificates.ts'

const ca = (subject: string, issuer?: { key: ReturnType<typeof ecKey>; subject: string }) => {
  const key = ecKey()
  const order = { key, subject, isCa: true, keyUsage: CA_USAGE, ...(issuer && { issuer }) }
  return { key, subject, certificate: certificateOf(order) }
}
const root = ca('root')
const issuing = ca('issuing', root)
const deviceKey = ecKey()
const leaf = certificateOf({ key: deviceKey, subject: 'device', issuer: issuing })
const stranger = certificateOf({ key: deviceKey, subject: 'device', issuer: ca('other') })
const anchors = [root.certificate, issuing.certificate]
const query = {
  spki: spkiOf(deviceKey),
  anchors,
  now: new Date('2026-06-01T00:00:00Z'),
  toldOf: undefined,
  shown: undefined,
}
const whole = [leaf, issuing.certificate, root.certificate]

describe('a device’s own certificate', () => {
  it('is one told of before, completed by its issuers', async () => {
    expect(await ownChain({ ...query, toldOf: [leaf] })).toEqual(whole)
    expect(await ownChain({ ...query, toldOf: [leaf, issuing.certificate] })).toEqual(whole)
  })

  it('is one shown over TLS, if its key is the one the request proves', async () => {
    expect(await ownChain({ ...query, shown: leaf })).toEqual(whole)
    const spki = spkiOf(ecKey())
    expect(await ownChain({ ...query, shown: leaf, spki })).toBeUndefined()
  })

  it('is not one of somebody else’s CA', async () => {
    expect(await ownChain({ ...query, shown: stranger })).toBeUndefined()
    expect(await ownChain(query)).toBeUndefined()
  })

  it('stops the device once it is no longer good', async () => {
    const late = { ...query, toldOf: [leaf], now: new Date('2057-01-01T00:00:00Z') }
    await expect(ownChain(late)).rejects.toThrow('expired')
    await expect(ownChain({ ...query, toldOf: [stranger] })).rejects.toThrow('no trusted')
  })
})

describe('a file of certificates', () => {
  it('holds chains one after the other', () => {
    const second = certificateOf({ key: ecKey(), subject: 'second', issuer: issuing })
    expect(chainsOf([leaf, second, issuing.certificate, leaf])).toEqual([
      [leaf],
      [second, issuing.certificate],
      [leaf],
    ])
  })

  it('is searched by the key', () => {
    expect(spkiHashOf(spkiOf(deviceKey))).toMatch(/^[0-9a-f]{64}$/)
    expect(spkiHashOf(spkiOf(ecKey()))).not.toBe(spkiHashOf(spkiOf(deviceKey)))
  })
})

import { describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { encodeAs } from '../../../../protocol/cbor/schema.ts'
import { HMAC_SHA384, SHA384, hashOf, hmacOf, sameHash } from '../../../../protocol/crypto/hash.ts'
import { beginDi, diDevice } from '../../../../protocol/di/device.ts'
import { AppStart, SetHMAC } from '../../../../protocol/di/messages.ts'
import { bodyOf } from '../../../../protocol/message.ts'
import { receive } from '../../../../protocol/role.ts'
import { parseMfgInfo } from '../../../../protocol/types/device-mfg-info.ts'
import { keepRendezvousInfo } from '../../../../protocol/types/rendezvous-info.ts'
import { OVHeader } from '../../../../protocol/voucher/voucher.ts'
import { partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const info = {
  keyType: 10,
  keyEncoding: 1,
  serial: 'abcdef',
  deviceInfo: '12345',
  csr: Uint8Array.of(1),
} as const
const context = { info, hmacSecret: parts.hmacSecret }

/** DI.SetCredentials with the header changed. */
const credentials = (changed: Partial<OVHeader> = {}) => ({
  number: 11,
  bytes: encode([encodeAs(OVHeader, { ...parts.header, ...changed })]),
})
const set = (changed: Partial<OVHeader> = {}) =>
  receive(diDevice, { expects: 'DI.SetCredentials' }, credentials(changed), context)

describe('DI, Device side', () => {
  it('says what it wants to be', () => {
    const { reply } = beginDi(context)
    const { deviceMfgInfo } = bodyOf(AppStart, reply!.bytes)
    expect(parseMfgInfo(deviceMfgInfo)).toEqual({ form: 'csr', ...info })
  })

  it('makes an HMAC as strong as the manufacturer’s hash', async () => {
    const deviceCertChainHash = hashOf(SHA384, parts.hmacSecret)
    const { reply } = await set({ deviceCertChainHash })
    const header = encodeAs(OVHeader, { ...parts.header, deviceCertChainHash })
    const { hmac } = bodyOf(SetHMAC, reply!.bytes)
    expect(sameHash(hmac, hmacOf(HMAC_SHA384, parts.hmacSecret, header))).toBe(true)
  })

  it('has a credential only once the manufacturer has the voucher', async () => {
    const { next, effects } = await set()
    expect(effects).toEqual([])
    const done = await receive(diDevice, next!, { number: 13, bytes: encode([]) }, context)
    expect(done).toMatchObject({ next: null, reply: null })
    expect(done.effects).toMatchObject([
      { type: 'credential-made', credential: { active: true, hmacSecret: parts.hmacSecret } },
    ])
  })

  it.each<[string, Partial<OVHeader>]>([
    ['another version', { protVer: 100 }],
    ['nowhere to look for an owner', { rvInfo: keepRendezvousInfo([[]]) }],
    ['no device certificate', { deviceCertChainHash: null }],
    ['another type of key', { publicKey: partsOf('p384-x509-devP384').header.publicKey }],
    ['another encoding', { publicKey: partsOf('p256-cosekey-devP256').header.publicKey }],
  ])('refuses %s', async (_, changed) => {
    await expect(set(changed)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('refuses an answer out of turn', async () => {
    await expect(
      receive(
        diDevice,
        { expects: 'DI.SetCredentials' },
        { number: 13, bytes: encode([]) },
        context,
      ),
    ).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })
})

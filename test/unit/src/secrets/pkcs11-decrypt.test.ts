/** An owner whose RSA key is in a token, where the device encrypts to it. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { verifySignature } from '../../../../protocol/crypto/verify-key.ts'
import type { ExternalKeys } from '../../../../src/secrets/external-keys.ts'
import { openTokenKeys } from '../../../../src/secrets/pkcs11/keys.ts'
import { HAS_NSS, NssToken } from '../../../support/nss-token.ts'
import { to2WorldOf, walk } from '../../../support/to2-world.ts'
import { voucherVectors } from '../../../support/vouchers.ts'

const NAME = 'rsa2048restr-x509-devP256'
const vector = voucherVectors.find(({ name }) => name === NAME)

describe.skipIf(!HAS_NSS)('an RSA key in a token', () => {
  let token: NssToken
  let keys: ExternalKeys
  beforeAll(async () => {
    token = new NssToken(vector?.ownerKeysPkcs8[1] ?? '')
    keys = await openTokenKeys(token.config, { log: { warn: () => {} } })
  }, 60_000)
  afterAll(async () => {
    await keys.stop()
    token.remove()
  })
  const signer = () => keys.signer(keys.list()[0]?.id ?? '')

  it('opens what the device encrypts to it in TO2', async () => {
    const world = await to2WorldOf(NAME, { kex: 'ASYMKEX2048' })
    expect(toHex(signer().key.spki)).toBe(toHex(world.owner.key.spki))
    const { voucher } = world
    const held = { voucher, signer: signer(), deviceId: 'one', revision: 'first' }
    const ownerContext = { ...world.ownerContext, findVoucher: async () => held }
    const { messages } = await walk({ ...world, ownerContext })
    expect(messages.has(71)).toBe(true)
  })

  it('refuses what was not encrypted to it', async () => {
    await expect(signer().decrypt?.(new Uint8Array(256).fill(1))).rejects.toThrow(
      'the token NSS Certificate DB did not decrypt: CKR_ENCRYPTED_DATA_INVALID',
    )
  })

  it('signs with PSS in this module too', async () => {
    const pss = keys.signer(keys.list()[0]?.id ?? '', PS256)
    const data = new Uint8Array(3)
    expect(await verifySignature(pss.key, PS256, data, await pss.sign(data))).toBe(true)
  })
})

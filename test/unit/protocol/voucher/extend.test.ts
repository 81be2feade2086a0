import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { X509, X5CHAIN } from '../../../../protocol/crypto/public-key.ts'
import { signerFromPkcs8 } from '../../../../protocol/crypto/signer.ts'
import { extendVoucher } from '../../../../protocol/voucher/extend.ts'
import {
  entryStyleOf,
  findVoucherFlaw,
  verifyVoucher,
} from '../../../../protocol/voucher/verify.ts'
import { VoucherError, ownerKeyOf, parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { makeVoucher, partsOf, sell, voucherVectors } from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

describe('extending a voucher', () => {
  it.each(voucherVectors.map(({ name }) => name))('verifies after each sale: %s', async (name) => {
    const voucher = await makeVoucher(partsOf(name), { sales: 3 })
    expect(voucher.entries).toHaveLength(3)
    expect(await findVoucherFlaw(voucher)).toBeUndefined()
    const { encoding } = voucher.header.value.publicKey.value
    expect(ownerKeyOf(voucher).value.encoding).toBe(encoding)
  })

  it('leaves every byte before the new entry as it was', async () => {
    const { voucher: hex } = voucherVectors[0]?.good[2] ?? expect.fail()
    const before = parseVoucher(fromHex(hex))
    const after = await sell(partsOf(), before, 3)
    expect(toHex(after.header.bytes)).toBe(toHex(before.header.bytes))
    expect(after.entries.slice(0, 2).map((one) => toHex(one.bytes))).toEqual(
      before.entries.map((one) => toHex(one.bytes)),
    )
    expect(await findVoucherFlaw(after)).toBeUndefined()
  })

  it('writes the next owner’s key in the encoding of the header', async () => {
    const parts = partsOf('p256-x509-devP256')
    const [, withChain] = partsOf('p256-x5chain-devP256').publicKeys
    const voucher = await makeVoucher(parts, { sales: 0 })
    const [signer] = parts.signers
    const extended = await extendVoucher(
      voucher,
      signer ?? expect.fail(),
      withChain ?? expect.fail(),
    )
    const { encoding, key } = ownerKeyOf(parseVoucher(extended)).value
    expect(encoding).toBe(X509)
    expect(key.spki).toEqual(withChain?.key.spki)
  })

  it('falls back to X509 where the next owner has no certificates', async () => {
    const parts = partsOf('p256-x5chain-devP256')
    const [, bare] = partsOf('p256-x509-devP256').publicKeys
    const voucher = await makeVoucher(parts, { sales: 0 })
    expect(voucher.header.value.publicKey.value.encoding).toBe(X5CHAIN)
    const [signer] = parts.signers
    const extended = await extendVoucher(voucher, signer ?? expect.fail(), bare ?? expect.fail())
    expect(ownerKeyOf(parseVoucher(extended)).value.encoding).toBe(X509)
  })

  it('hashes as strongly as the device’s HMAC, whatever the keys are', async () => {
    const parts = { ...partsOf(), hmacType: 6 as const }
    const [entry] = (await makeVoucher(parts)).entries
    expect(entry?.payload.hashPrevEntry.type).toBe(-43)
    expect(entry?.payload.hashHdrInfo.type).toBe(-43)
  })

  it('carries what the owners have to tell each other', async () => {
    const parts = partsOf()
    const [signer] = parts.signers
    const [, next] = parts.publicKeys
    const unsold = await makeVoucher(parts, { sales: 0 })
    const extra = fromHex('a139ffff4101')
    const extended = await extendVoucher(unsold, signer ?? expect.fail(), next ?? expect.fail(), {
      extra,
    })
    expect(parseVoucher(extended).entries[0]?.payload.extra).toEqual(extra)
  })
})

describe('refuses to extend a voucher', () => {
  const parts = partsOf()
  const [manufacturer, owner1] = parts.signers
  const [, next] = parts.publicKeys

  async function checkOf(work: Promise<unknown>): Promise<string> {
    const error = await work.then(
      () => expect.fail('it was extended'),
      (reason: unknown) => reason,
    )
    return error instanceof VoucherError ? error.check : expect.fail(String(error))
  }

  it('with the key of somebody who does not own it', async () => {
    const voucher = await makeVoucher(parts)
    const work = extendVoucher(voucher, manufacturer ?? expect.fail(), next ?? expect.fail())
    expect(await checkOf(work)).toBe('owner-key')
  })

  it('with PSS where the key is of the PKCS#1 type', async () => {
    const vector = voucherVectors.find(({ keyType }) => keyType === 1) ?? expect.fail()
    const voucher = await makeVoucher(partsOf(vector.name), { sales: 0 })
    const pss = signerFromPkcs8(fromHex(vector.ownerKeysPkcs8[0] ?? ''), PS256)
    expect(await checkOf(extendVoucher(voucher, pss, next ?? expect.fail()))).toBe('owner-key')
  })

  it('to a key of another kind', async () => {
    const voucher = await makeVoucher(parts)
    const [other] = partsOf('p384-x509-devP384').publicKeys
    const work = extendVoucher(voucher, owner1 ?? expect.fail(), other ?? expect.fail())
    expect(await checkOf(work)).toBe('next-owner-key-type')
  })

  it('a 256th time', async () => {
    const sold = await makeVoucher(parts)
    const [entry] = sold.entries
    const full = { ...sold, entries: new Array(255).fill(entry ?? expect.fail()) }
    const work = extendVoucher(full, owner1 ?? expect.fail(), next ?? expect.fail())
    expect(await checkOf(work)).toBe('too-many-entries')
  })

  it('beyond what a message holds', async () => {
    const voucher = await makeVoucher(parts)
    const extra = new Uint8Array(65_000)
    const work = extendVoucher(voucher, owner1 ?? expect.fail(), next ?? expect.fail(), { extra })
    expect(await checkOf(work)).toBe('too-large')
  })
})

describe('entries that are signed with a tag', () => {
  const tagged = { entryStyle: 'tagged' } as const

  async function sold(styles: readonly ('fdo-1.1' | 'tagged')[]) {
    const parts = partsOf()
    let voucher = await makeVoucher(parts, { sales: 0 })
    for (const [i, entryStyle] of styles.entries()) {
      const [signer, next] = [parts.signers[i], parts.publicKeys[i + 1]]
      const extended = extendVoucher(voucher, signer ?? expect.fail(), next ?? expect.fail(), {
        entryStyle,
      })
      voucher = parseVoucher(await extended)
    }
    return voucher
  }

  it('verify as such, and as nothing else', async () => {
    const voucher = await sold(['tagged', 'tagged'])
    expect(await findVoucherFlaw(voucher, tagged)).toBeUndefined()
    expect((await findVoucherFlaw(voucher))?.check).toBe('entry-signature')
    expect(await entryStyleOf(voucher)).toBe('tagged')
  })

  it('are not mixed with others', async () => {
    for (const styles of [
      ['tagged', 'fdo-1.1'],
      ['fdo-1.1', 'tagged'],
    ] as const) {
      const voucher = await sold(styles)
      expect(await entryStyleOf(voucher)).toBe(styles[0])
      const flaw = await findVoucherFlaw(voucher, { entryStyle: styles[0] })
      expect(flaw).toEqual({ check: 'entry-signature', detail: 'entry 1' })
    }
  })

  it('are taken beside others where both are, and said to be so', async () => {
    const either = { entryStyle: 'either' } as const
    for (const style of ['tagged', 'fdo-1.1'] as const) {
      const voucher = await sold([style, style])
      expect(await verifyVoucher(voucher, either)).toEqual({ entryStyle: style })
      expect(await findVoucherFlaw(voucher, either)).toBeUndefined()
    }
    expect(await verifyVoucher(await sold([]), either)).toEqual({ entryStyle: 'fdo-1.1' })
  })

  it('are not mixed with others where both are taken either, and that is said', async () => {
    const [tagged, plain] = ['tagged', 'fdo-1.1'] as const
    for (const styles of [
      [tagged, plain],
      [plain, tagged],
    ]) {
      const detail = `entry 1 is signed as ${styles[1]}, those before it as ${styles[0]}`
      const flaw = await findVoucherFlaw(await sold(styles), { entryStyle: 'either' })
      expect(flaw).toEqual({ check: 'entry-style', detail })
    }
  })

  it('that nobody signed are good in neither style', async () => {
    for (const style of ['tagged', 'fdo-1.1'] as const) {
      const voucher = await sold([style, style])
      const [first, second] = voucher.entries
      for (const at of [0, 1]) {
        const signature = Uint8Array.from((at === 0 ? first : second)!.sign1.signature)
        signature[5]! ^= 1
        const entries = voucher.entries.map((entry, i) =>
          i === at ? { ...entry, sign1: { ...entry.sign1, signature } } : entry,
        )
        const flaw = await findVoucherFlaw({ ...voucher, entries }, { entryStyle: 'either' })
        expect(flaw).toEqual({ check: 'entry-signature', detail: `entry ${at}` })
      }
    }
  })

  it('are not what an ordinary voucher, or one without entries, has', async () => {
    expect(await entryStyleOf(await sold(['fdo-1.1']))).toBe('fdo-1.1')
    expect(await entryStyleOf(await sold([]))).toBe('fdo-1.1')
    const flaw = await findVoucherFlaw(await sold(['fdo-1.1']), tagged)
    expect(flaw?.check).toBe('entry-signature')
  })
})

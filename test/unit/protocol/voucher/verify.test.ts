import { describe, expect, it } from 'vitest'
import { EMPTY, type Bytes } from '../../../../protocol/bytes.ts'
import { Encoded, Tagged, encode } from '../../../../protocol/cbor/cbor.ts'
import { encodeAs, keep } from '../../../../protocol/cbor/schema.ts'
import { signSign1 } from '../../../../protocol/cose/sign1.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { hashOf } from '../../../../protocol/crypto/hash.ts'
import { PublicKey } from '../../../../protocol/crypto/public-key.ts'
import { signerFromPkcs8 } from '../../../../protocol/crypto/signer.ts'
import { keepRendezvousInfo } from '../../../../protocol/types/rendezvous-info.ts'
import { beforeEntries, findVoucherFlaw } from '../../../../protocol/voucher/verify.ts'
import { headerInfoHash } from '../../../../protocol/voucher/verify.ts'
import {
  type OVEntry,
  OVEntryPayload,
  OVHeader,
  type Voucher,
  appendEntry,
  parseVoucher,
} from '../../../../protocol/voucher/voucher.ts'
import {
  type VoucherParts,
  makeVoucher,
  partsOf,
  voucherVectors,
} from '../../../support/vouchers.ts'
import { fromHex } from '../../../support/wire.ts'

const parts = partsOf()

async function checkOf(voucher: Voucher, options = {}): Promise<string | undefined> {
  return (await findVoucherFlaw(voucher, options))?.check
}

/** An entry for the second owner with something wrong in it, signed as it should be. */
async function withEntry(
  { signers, publicKeys, header }: VoucherParts,
  wrong: Partial<OVEntryPayload>,
  signer = signers[0],
): Promise<Voucher> {
  const unsold = await makeVoucher(parts, { header, sales: 0 })
  const { previous } = beforeEntries(unsold.header, unsold.headerHMac)
  const payload = encodeAs(OVEntryPayload, {
    hashPrevEntry: hashOf(-16, previous),
    hashHdrInfo: headerInfoHash(-16, header),
    extra: null,
    publicKey: keep(PublicKey, publicKeys[1] ?? expect.fail()),
    ...wrong,
  })
  const entry = await signSign1(signer ?? expect.fail(), payload)
  return parseVoucher(appendEntry(unsold, entry))
}

/** The outer array with one item exchanged. */
function withItem(voucher: Voucher, index: number, item: unknown): Voucher {
  const { header, headerHMac, deviceCertChain, entries } = voucher
  const items: unknown[] = [
    101,
    header.bytes,
    new Encoded(headerHMac.bytes),
    deviceCertChain,
    entries.map((entry) => new Encoded(entry.bytes)),
  ]
  items[index] = item
  return parseVoucher(encode(items as Parameters<typeof encode>[0]))
}

describe('verifying a voucher', () => {
  it('accepts one that is whole', async () => {
    expect(await checkOf(await makeVoucher(parts))).toBeUndefined()
    expect(await checkOf(await withEntry(parts, {}))).toBeUndefined()
  })

  it('refuses a version other than 101', async () => {
    expect(await checkOf(withItem(await makeVoucher(parts), 0, 100))).toBe('version')
  })

  it('refuses a header of a version other than 101', async () => {
    const header = encodeAs(OVHeader, { ...parts.header, protVer: 100 })
    expect(await checkOf(withItem(await makeVoucher(parts), 1, header))).toBe('header-version')
  })

  it.each([
    ['no directive', []],
    ['directives that say nothing', [[], []]],
  ])('refuses rendezvous info with %s', async (_, info) => {
    const voucher = await makeVoucher(parts, { header: { rvInfo: keepRendezvousInfo(info) } })
    expect(await checkOf(voucher)).toBe('rendezvous-info-empty')
  })

  it('refuses an empty device info', async () => {
    const voucher = await makeVoucher(parts, { header: { deviceInfo: '' } })
    expect(await checkOf(voucher)).toBe('device-info-empty')
  })

  it('refuses a chain without its hash, and a hash without its chain', async () => {
    const noHash = await makeVoucher(parts, { header: { deviceCertChainHash: null } })
    expect(await checkOf(noHash)).toBe('certificate-chain-hash')
    const noChain = withItem(await makeVoucher(parts), 3, null)
    expect(await checkOf(noChain)).toBe('certificate-chain-missing')
  })

  it('refuses the hash of another chain', async () => {
    const deviceCertChainHash = hashOf(-16, EMPTY)
    const voucher = await makeVoucher(parts, { header: { deviceCertChainHash } })
    expect(await checkOf(voucher)).toBe('certificate-chain-hash')
  })

  it('refuses a chain that does not hold together', async () => {
    const chain = [...parts.chain].reverse()
    expect(await checkOf(await voucherWithChain(chain))).toBe('certificate-chain')
  })

  it('refuses what is no certificate in the place of the device’s', async () => {
    expect(await checkOf(await voucherWithChain([EMPTY]))).toBe('device-key')
  })

  it('tells a chain of a stranger from one that is broken', async () => {
    const stranger = partsOf('p256-cosekey-devP256').chain.slice(-1)
    const voucher = await makeVoucher(parts)
    expect(await checkOf(voucher, { anchors: stranger })).toBe('device-ca-not-trusted')
    expect(await checkOf(voucher, { anchors: [] })).toBe('device-ca-not-trusted')
    expect(await checkOf(voucher, { anchors: parts.chain.slice(-1) })).toBeUndefined()
    const reversed = await voucherWithChain([...parts.chain].reverse())
    expect(await checkOf(reversed, { anchors: stranger })).toBe('certificate-chain')
  })

  it('looks at dates only when told the time', async () => {
    const voucher = await makeVoucher(parts)
    expect(await checkOf(voucher, { now: new Date('2020-01-01') })).toBe('certificate-chain')
    expect(await checkOf(voucher, { now: new Date('2026-01-01') })).toBeUndefined()
  })

  async function voucherWithChain(chain: readonly Bytes[]): Promise<Voucher> {
    const joined = Uint8Array.from(chain.flatMap((der) => [...der]))
    const header = { deviceCertChainHash: hashOf(-16, joined) }
    return makeVoucher({ ...parts, chain }, { header })
  }
})

describe('verifying an entry', () => {
  const stranger = partsOf('p256-x509-devP256').signers[3]

  it('refuses one signed by someone else', async () => {
    expect(await checkOf(await withEntry(parts, {}, stranger))).toBe('entry-signature')
  })

  it('refuses a header info hash of another device', async () => {
    const hashHdrInfo = headerInfoHash(-16, { ...parts.header, deviceInfo: 'another' })
    expect(await checkOf(await withEntry(parts, { hashHdrInfo }))).toBe('entry-header-hash')
  })

  it('refuses a previous hash of something else', async () => {
    const hashPrevEntry = hashOf(-16, parts.hmacSecret)
    expect(await checkOf(await withEntry(parts, { hashPrevEntry }))).toBe('entry-previous-hash')
  })

  it('refuses hashes of two strengths in one entry', async () => {
    const hashHdrInfo = headerInfoHash(-43, parts.header)
    expect(await checkOf(await withEntry(parts, { hashHdrInfo }))).toBe('entry-hash-type')
  })

  it('refuses an entry whose hashes are stronger than those of the first', async () => {
    const first = await makeVoucher(parts)
    const hashPrevEntry = hashOf(-43, first.entries[0]?.bytes ?? EMPTY)
    const payload = encodeAs(OVEntryPayload, {
      hashPrevEntry,
      hashHdrInfo: headerInfoHash(-43, parts.header),
      extra: null,
      publicKey: keep(PublicKey, parts.publicKeys[2] ?? expect.fail()),
    })
    const entry = await signSign1(parts.signers[1] ?? expect.fail(), payload)
    expect(await checkOf(parseVoucher(appendEntry(first, entry)))).toBe('entry-hash-type')
  })

  it('refuses a next owner with another type of key', async () => {
    const [, other] = partsOf('p384-x509-devP384').publicKeys
    const publicKey = keep(PublicKey, other ?? expect.fail())
    expect(await checkOf(await withEntry(parts, { publicKey }))).toBe('entry-key-type')
  })

  it('refuses PSS by a key that is of the PKCS#1 type', async () => {
    const vector = voucherVectors.find(({ keyType }) => keyType === 1) ?? expect.fail()
    const rsa = partsOf(vector.name)
    const unsold = await makeVoucher(rsa, { sales: 0 })
    const { previous } = beforeEntries(unsold.header, unsold.headerHMac)
    const payload = encodeAs(OVEntryPayload, {
      hashPrevEntry: hashOf(-16, previous),
      hashHdrInfo: headerInfoHash(-16, rsa.header),
      extra: null,
      publicKey: keep(PublicKey, rsa.publicKeys[1] ?? expect.fail()),
    })
    const pss = signerFromPkcs8(fromHex(vector.ownerKeysPkcs8[0] ?? ''), PS256)
    const voucher = parseVoucher(appendEntry(unsold, await signSign1(pss, payload)))
    expect(await checkOf(voucher)).toBe('entry-signature')
  })

  it('refuses more than 255 entries before it verifies any', async () => {
    const sold = await makeVoucher(parts)
    const [entry] = sold.entries
    const entries = new Array<OVEntry>(256).fill(entry ?? expect.fail())
    const voucher: Voucher = { ...sold, entries }
    expect(await checkOf(voucher)).toBe('too-many-entries')
  })

  it('refuses a voucher too large for a message', async () => {
    const voucher = { ...(await makeVoucher(parts)), bytes: new Uint8Array(65_536) }
    expect(await checkOf(voucher)).toBe('too-large')
  })

  it('refuses an entry without its tag', async () => {
    const untagged = encode([EMPTY, new Map(), EMPTY, EMPTY])
    const sold = await makeVoucher(parts)
    expect(() => withItem(sold, 4, [new Encoded(untagged)])).toThrow('CBOR tag 18')
    expect(() => withItem(sold, 4, [new Tagged(17, new Encoded(untagged))])).toThrow('tag 18')
  })
})

/** Vouchers made by go-fdo, good and spoilt, in ten key configurations; and other people's. */
import { describe, expect, it } from 'vitest'
import { equalBytes } from '../../protocol/bytes.ts'
import { decode } from '../../protocol/cbor/cbor.ts'
import { credentialFrom, findHeaderFlaw } from '../../protocol/credential/device-credential.ts'
import { hashOf, hmacOf } from '../../protocol/crypto/hash.ts'
import { signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import { sameKey } from '../../protocol/crypto/public-key.ts'
import { isPem, voucherToPem, vouchersFromPem } from '../../protocol/voucher/pem.ts'
import { beforeEntries, findVoucherFlaw, headerInfoHash } from '../../protocol/voucher/verify.ts'
import { type Voucher, VoucherError, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { appendEntry, buildVoucher, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { voucherVectors } from '../support/vouchers.ts'
import { fromHex, sharedFile, toHex } from '../support/wire.ts'

/** What each spoilt voucher fails; the truncated one is genuine, of an earlier owner. */
const CHECK_OF: Record<string, string | undefined> = {
  'header DeviceInfo changed': 'entry-header-hash',
  'header GUID changed': 'entry-header-hash',
  'header HMAC changed': 'entry-previous-hash',
  'middle entry removed': 'entry-signature',
  'entries 1 and 2 swapped': 'entry-signature',
  'last entry truncated (still valid chain: an earlier owner)': undefined,
  'device certificate chain reversed': 'certificate-chain-hash',
  'entry 2 signed by a stranger': 'entry-signature',
  'entry 2 signed by right key but wrong previous hash': 'entry-previous-hash',
  'entry 2 signed by right key but wrong header-info hash': 'entry-header-hash',
}

const CERTIFICATES_VALID = new Date('2026-01-01')

describe.each(voucherVectors)('vouchers of go-fdo, $name', (vector) => {
  const owners = vector.ownerKeysPkcs8.map((pkcs8) => signerFromPkcs8(fromHex(pkcs8)))

  it.each(vector.good)('verifies: $case', async ({ voucher: hex, entries, pem }) => {
    const voucher = parseVoucher(fromHex(hex))
    expect(await findVoucherFlaw(voucher, { now: CERTIFICATES_VALID })).toBeUndefined()
    expect(voucher.entries).toHaveLength(entries)
    const { type, encoding, key } = ownerKeyOf(voucher).value
    expect([type, encoding]).toEqual([vector.keyType, vector.keyEnc])
    expect(sameKey(key, owners[entries]?.key ?? key)).toBe(true)
    expect(toHex(rebuild(voucher))).toBe(hex)
    expect(vouchersFromPem(pem).map(toHex)).toEqual([hex])
    expect(voucherToPem(fromHex(hex))).toBe(pem)
  })

  it.each(vector.bad)('tells what is wrong: $case', async ({ case: name, voucher }) => {
    expect(CHECK_OF).toHaveProperty([name])
    const flaw = await findVoucherFlaw(parseVoucher(fromHex(voucher)))
    expect(flaw?.check).toBe(CHECK_OF[name])
  })

  it('has the header, hashes and HMAC go-fdo computed', () => {
    const [, , , three] = vector.good
    const { header, headerHMac, entries } = parseVoucher(fromHex(three?.voucher ?? ''))
    const { hashAlg } = vector
    expect(toHex(header.bytes)).toBe(vector.headerBytes)
    expect(toHex(header.value.guid)).toBe(vector.guid)
    expect(header.value.deviceInfo).toBe(vector.deviceInfo)
    const hmac = hmacOf(vector.hmacAlg, fromHex(vector.hmacSecret), header.bytes)
    expect(toHex(hmac.value)).toBe(vector.headerHmac)
    expect(headerHMac.value.type).toBe(vector.hmacAlg)
    expect(toHex(headerInfoHash(hashAlg, header.value).value)).toBe(vector.hdrInfoHash)
    const { previous } = beforeEntries(header, headerHMac)
    expect(toHex(previous)).toBe(vector.entry0PrevHashInput)
    expect(toHex(hashOf(hashAlg, previous).value)).toBe(vector.entry0PrevHash)
    expect(toHex(entries[0]?.bytes ?? previous)).toBe(vector.entry1PrevHashInput)
    expect(toHex(entries[1]?.payload.hashPrevEntry.value ?? previous)).toBe(vector.entry1PrevHash)
    const keyHash = hashOf(vector.manufacturerKeyHash.alg, header.value.publicKey.bytes)
    expect(toHex(keyHash.value)).toBe(vector.manufacturerKeyHash.value)
  })
})

/** The voucher put together again from its parts. */
function rebuild(voucher: Voucher): Uint8Array {
  const { header, headerHMac, deviceCertChain, entries } = voucher
  const empty = buildVoucher({
    header: header.bytes,
    hmac: headerHMac.value,
    chain: deviceCertChain,
  })
  return entries.reduce((built, entry) => appendEntry(parseVoucher(built), entry.bytes), empty)
}

interface Expected {
  readonly guid?: string
  readonly entries?: number
  readonly check?: string | undefined
}

/** go-fdo refuses voucher2 and voucher3 too, whose root is marked neither as a CA nor as none. */
const THIRD_PARTY: Record<string, Expected> = {
  'go-fdo/ov.pem': { guid: '66b2146ffec53ca6ad017625990572ce', entries: 0 },
  // Its root signs with SHA-1.
  'go-fdo/ov_extended.pem': {
    guid: 'f1d0fd0066bd4ef392bc1b7c393fbe18',
    entries: 6,
    check: 'certificate-chain',
  },
  'fdo-rs/v100/voucher1': { check: 'malformed' },
  'fdo-rs/v100/voucher2': { check: 'malformed' },
  'fdo-rs/v101/voucher1': {
    guid: '18907279a41d049aae3c4da4ce61c14b',
    entries: 1,
    check: 'certificate-chain-hash',
  },
  'fdo-rs/v101/voucher2': { guid: 'ac00da6107e8405eacc494aef3f68966', entries: 2 },
  'fdo-rs/v101/voucher3': { guid: '89cb17fd95e74de8a36a686926a7f88f', entries: 1 },
  'fdo-rs/testdevice1.ov': {
    guid: '18907279a41d049aae3c4da4ce61c14b',
    entries: 1,
    check: 'certificate-chain-hash',
  },
}

describe.each(Object.entries(THIRD_PARTY))('third-party %s', (path, expected) => {
  const file = sharedFile(`vectors/third-party/${path}`)
  if (!file) console.warn(`SKIPPED: ../shared/vectors/third-party/${path} is not here`)

  it.skipIf(!file)('is read and verified as it should be', async () => {
    const encoded = isPem(file ?? new Uint8Array()) ? vouchersFromPem(String(file))[0] : file
    const voucher = tryToParse(new Uint8Array(encoded ?? []))
    if (voucher instanceof VoucherError) {
      expect(voucher.check).toBe(expected.check)
      return
    }
    expect(toHex(voucher.header.value.guid)).toBe(expected.guid)
    expect(voucher.entries).toHaveLength(expected.entries ?? -1)
    expect(equalBytes(rebuild(voucher), voucher.bytes)).toBe(true)
    expect((await findVoucherFlaw(voucher))?.check).toBe(expected.check)
  })
})

function tryToParse(encoded: Uint8Array): Voucher | VoucherError {
  try {
    return parseVoucher(encoded)
  } catch (error) {
    if (error instanceof VoucherError) return error
    throw error
  }
}

describe('the credential that go-fdo keeps beside its sample voucher', () => {
  const dc = sharedFile('vectors/third-party/go-fdo/dc.bin')
  const pem = sharedFile('vectors/third-party/go-fdo/ov.pem')
  if (!dc || !pem) console.warn('SKIPPED: ../shared/vectors/third-party/go-fdo is not here')

  it.skipIf(!dc || !pem)('accepts the header of that voucher', () => {
    const [voucher] = vouchersFromPem(String(pem)).map(parseVoucher)
    const { header, headerHMac } = voucher ?? expect.fail('no voucher')
    const hmacSecret = secretOfBlob(new Uint8Array(dc ?? []))
    const credential = credentialFrom(header.value, hmacSecret, -43)
    expect(findHeaderFlaw(credential, header, headerHMac.value)).toBeUndefined()
  })
})

/** The last of its seven elements is `{"Plain": {"hmac_secret": [* int], …}}`. */
function secretOfBlob(blob: Uint8Array): Uint8Array {
  const items = decode(blob)
  const secrets = Array.isArray(items) ? items.at(-1) : undefined
  const plain = secrets instanceof Map ? secrets.get('Plain') : undefined
  const secret = plain instanceof Map ? plain.get('hmac_secret') : undefined
  return Uint8Array.from(Array.isArray(secret) ? secret.map(Number) : [])
}

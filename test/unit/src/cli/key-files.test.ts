/** Keys and certificates as people keep them. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { X5CHAIN, X509 } from '../../../../protocol/crypto/public-key.ts'
import { parseVoucher } from '../../../../protocol/voucher/voucher.ts'
import { readCertificates, readPrivateKey, readPublicKey } from '../../../../src/cli/key-files.ts'
import { voucherPage, voucherText } from '../../../../src/cli/voucher-text.ts'
import { fixture, fromHex } from '../../../support/wire.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-keys-'))
afterAll(() => rmSync(folder, { recursive: true }))

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const spki = publicKey.export({ type: 'spki', format: 'der' })

interface VoucherVector {
  readonly name: string
  readonly guid: string
  readonly deviceInfo: string
  readonly good: readonly { readonly case: string; readonly voucher: string }[]
}
const [vector] = fixture<{ vectors: readonly VoucherVector[] }>('vectors/vouchers.json').vectors
const voucher = parseVoucher(fromHex(vector?.good.at(-1)?.voucher ?? ''))
const [certificate] = voucher.deviceCertChain ?? []

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name)
  writeFileSync(path, content)
  return path
}

function pem(der: Uint8Array): string {
  const base64 = Buffer.from(der).toString('base64')
  return `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`
}

describe('a private key', () => {
  it.each([
    ['PKCS#8 PEM', privateKey.export({ type: 'pkcs8', format: 'pem' })],
    ['SEC 1 PEM', privateKey.export({ type: 'sec1', format: 'pem' })],
    ['PKCS#8 DER', privateKey.export({ type: 'pkcs8', format: 'der' })],
  ])('is read from %s', (name, content) => {
    const signer = readPrivateKey(file(name.replaceAll(/\W/g, ''), content))
    expect(toHex(signer.key.spki)).toBe(toHex(spki))
  })

  it('of a kind FDO does not use is refused, as is anything else', () => {
    const odd = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' })
    expect(() => readPrivateKey(file('odd', odd))).toThrow('is not a private key')
    expect(() => readPrivateKey(file('text', 'hello'))).toThrow('is not a private key')
  })
})

describe('the next owner', () => {
  it.each([
    ['a PEM public key', publicKey.export({ type: 'spki', format: 'pem' })],
    ['a DER public key', spki],
  ])('is read from %s', (name, content) => {
    const key = readPublicKey(file(name.replaceAll(/\W/g, ''), content))
    expect(key).toMatchObject({ encoding: X509, type: 10 })
  })

  it('is read from certificates, with its whole chain', () => {
    const leaf = certificate ?? spki
    const bundle = file('chain.pem', pem(leaf) + pem(leaf))
    const { encoding, chain = [] } = readPublicKey(bundle)
    expect({ encoding, chain: chain.map(toHex) }).toEqual({
      encoding: X5CHAIN,
      chain: [toHex(leaf), toHex(leaf)],
    })
    expect(readPublicKey(file('cert.der', leaf))).toMatchObject({ encoding: X5CHAIN })
  })

  it('is not read from a file with no key in it', () => {
    expect(() => readPublicKey(file('none', 'hello'))).toThrow('is not a public key')
    expect(() => readCertificates(file('none', 'hello'))).toThrow('is not certificates')
  })
})

describe('a voucher in text', () => {
  it('names the device, everyone it was sold to, and where the device looks for them', () => {
    const text = voucherText(voucher)
    expect(text).toMatchObject({ guid: vector?.guid, device_info: vector?.deviceInfo })
    expect(text.entries).toHaveLength(voucher.entries.length)
    expect(text.owner_key).toEqual(text.entries.at(-1))
    const page = voucherPage(text)
    expect(page).toContain(vector?.guid)
    expect(page).toContain('rv.example')
  })
})

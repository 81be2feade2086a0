/** Private keys as other programs write them: what is read, and why the rest is not. */
import { execFileSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { type Bytes, toHex, utf8 } from '../../../../protocol/bytes.ts'
import { fromPem } from '../../../../protocol/x509/pem.ts'
import { berToDer } from '../../../../src/secrets/key-files/ber.ts'
import { parsePrivateKeys } from '../../../../src/secrets/key-files/read.ts'
import { KeyRefused } from '../../../../src/secrets/key-files/refused.ts'
import { PASSPHRASE, makeKeyFiles } from '../../../support/key-files.ts'

const files = makeKeyFiles()
afterAll(() => files.remove())
const passphrase = PASSPHRASE
const [leaf, ca] = ['leaf.pem', 'ca.pem'].map((name) => {
  const [der = utf8('')] = fromPem(readFileSync(join(files.folder, name), 'utf8')) ?? []
  return toHex(der)
})

async function read(file: Bytes, secret?: string) {
  const { key, certificates } = await parsePrivateKeys(file, { passphrase: secret })
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  return { spki: toHex(spki), certificates: certificates.map(toHex) }
}
const refused = async (file: Bytes, secret?: string) => {
  const error = await parsePrivateKeys(file, { passphrase: secret }).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(KeyRefused)
  return (error as KeyRefused).message
}
const pem = (name: string) => readFileSync(join(files.folder, name))

describe('a key without a passphrase', () => {
  const pkcs8 = ['pkcs8', '-topk8', '-nocrypt', '-in', 'key.pem']
  it.each([
    ['PKCS#8 PEM', pkcs8],
    ['PKCS#8 DER', [...pkcs8, '-outform', 'DER']],
    ['SEC 1 PEM', ['ec', '-in', 'key.pem']],
    ['SEC 1 DER', ['ec', '-in', 'key.pem', '-outform', 'DER']],
  ])('is read from %s', async (_, command) => {
    expect(await read(files.openssl(...command))).toEqual({ spki: files.spki, certificates: [] })
  })

  it.each(['PEM', 'DER'])('is read from PKCS#1 %s', async (format) => {
    const file = files.openssl('genpkey', '-algorithm', 'RSA')
    const same = files.openssl('rsa', '-traditional', '-in', 'out', '-outform', format)
    expect(await read(same)).toEqual(await read(file))
  })

  it('comes with the certificates in the same PEM file, its own first', async () => {
    const file = Buffer.concat([pem('ca.pem'), pem('key.pem'), pem('leaf.pem')])
    expect(await read(file)).toEqual({ spki: files.spki, certificates: [leaf, ca] })
  })

  it('comes without certificates where none is its own', async () => {
    const file = Buffer.concat([pem('key.pem'), pem('ca.pem')])
    expect(await read(file)).toEqual({ spki: files.spki, certificates: [] })
  })

  it('must be one', async () => {
    const two = Buffer.concat([pem('key.pem'), pem('ca.key')])
    expect(await refused(two)).toMatch(/2 private keys/)
    expect(await refused(pem('ca.pem'))).toMatch(/0 private keys/)
  })

  it('must be of a kind that FDO has a use for', async () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-521' })
    const der = privateKey.export({ type: 'pkcs8', format: 'der' })
    expect(await refused(der)).toMatch(/P-256, P-384, RSA 2048 and RSA 3072/)
  })

  it('must not be longer than any key is', async () => {
    expect(await refused(Buffer.alloc(65_537))).toMatch(/65536 bytes/)
  })

  it('must be whole', async () => {
    expect(
      await refused(utf8('-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----')),
    ).toMatch(/not a private key/)
    const certificate = '-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n'
    expect(await refused(Buffer.concat([utf8(certificate), pem('key.pem')]))).toMatch(/base64/)
  })
})

describe('an encrypted key', () => {
  const encrypt = ['pkcs8', '-topk8', '-in', 'key.pem', '-passout', 'file:passphrase']
  const written: [string, string[]][] = [
    ['AES-256', ['-v2', 'aes-256-cbc']],
    ['AES-192 and HMAC-SHA-512', ['-v2', 'aes-192-cbc', '-v2prf', 'hmacWithSHA512']],
    ['AES-128 and HMAC-SHA-1', ['-v2', 'aes-128-cbc', '-v2prf', 'hmacWithSHA1']],
    ['3DES by PBES2', ['-v2', 'des3']],
    ['3DES as PKCS#12 has it', ['-v1', 'PBE-SHA1-3DES']],
    ['DER', ['-outform', 'DER']],
  ]
  it.each(written)('is read: %s', async (_, options) => {
    const file = files.openssl(...encrypt, ...options)
    expect(await read(file, passphrase)).toEqual({ spki: files.spki, certificates: [] })
    expect(await refused(file, 'wrong')).toMatch(/passphrase is wrong/)
    expect(await refused(file)).toMatch(/send its passphrase/)
  })

  it('is read as OpenSSL wrote it before PKCS#8', async () => {
    const file = files.openssl('ec', '-in', 'key.pem', '-aes128', '-passout', 'file:passphrase')
    expect(await read(file, passphrase)).toEqual({ spki: files.spki, certificates: [] })
    expect(await refused(file, 'wrong')).toMatch(/passphrase is wrong/)
    expect(await refused(file)).toMatch(/send its passphrase/)
  })

  it('of one wrong passphrase in 256 that fits is refused all the same', async () => {
    const file = files.openssl(...encrypt, '-v2', 'aes128', '-iter', '1')
    for (let i = 0; i < 1000; i++) expect(await refused(file, `wrong ${i}`)).toMatch(/is wrong/)
  })

  it('is refused where its cipher is not read here', async () => {
    const scrypt = files.openssl(...encrypt, '-scrypt')
    expect(await refused(scrypt, passphrase)).toMatch(/1\.3\.6\.1\.4\.1\.11591\.4\.11.*not read/)
    const camellia = files.openssl(...encrypt, '-v2', 'camellia-256-cbc')
    expect(await refused(camellia, passphrase)).toMatch(/not read here/)
    const prf = files.openssl(...encrypt, '-v2', 'aes128', '-v2prf', 'hmacWithSHA224')
    expect(await refused(prf, passphrase)).toMatch(/1\.2\.840\.113549\.2\.8/)
  })

  it('is refused before it costs more than a moment', async () => {
    const file = files.openssl(...encrypt, '-v2', 'aes128', '-iter', '2000001')
    expect(await refused(file, passphrase)).toMatch(/too many repetitions/)
  })

  it('is not tried with endless passphrases', async () => {
    expect(await refused(files.openssl(...encrypt), 'x'.repeat(1025))).toMatch(/1024 characters/)
  })
})

describe('PKCS#12', () => {
  const des = 'PBE-SHA1-3DES'
  const written: [string, string[]][] = [
    ['as OpenSSL 3 does', []],
    ['as older programs do', ['-certpbe', des, '-keypbe', des, '-macalg', 'sha1']],
    ['with a MAC of SHA-512', ['-macalg', 'sha512']],
    ['with a MAC of SHA-384', ['-macalg', 'sha384']],
    ['in clear under a MAC', ['-certpbe', 'NONE', '-keypbe', 'NONE']],
    ['with a MAC of one hash', ['-nomaciter']],
  ]
  it.each(written)('is read: written %s', async (_, options) => {
    const file = files.pkcs12(...options)
    expect(await read(file, passphrase)).toEqual({ spki: files.spki, certificates: [leaf, ca] })
    expect(await refused(file, 'wrong')).toMatch(/passphrase is wrong/)
    expect(await refused(file)).toMatch(/needs its passphrase/)
  })

  it('is read with an empty passphrase, given or not', async () => {
    const file = files.pkcs12('-passout', 'pass:')
    for (const secret of ['', undefined]) {
      expect(await read(file, secret)).toEqual({ spki: files.spki, certificates: [leaf, ca] })
    }
  })

  it('is read where lengths are left open and bytes come in pieces', async () => {
    const file = inPieces(files.pkcs12())
    expect(await read(file, passphrase)).toEqual({ spki: files.spki, certificates: [leaf, ca] })
  })

  it('is refused under RC2, with the way out', async () => {
    const file = files.pkcs12('-legacy')
    expect(await refused(file, passphrase)).toMatch(/openssl pkcs12 -legacy/)
  })

  it('is refused without a MAC', async () => {
    expect(await refused(files.pkcs12('-nomac'), passphrase)).toMatch(/-nomac/)
  })

  it('is refused with a MAC of MD5', async () => {
    expect(await refused(files.pkcs12('-macalg', 'md5'), passphrase)).toMatch(/-macalg sha256/)
  })

  it('is refused if anything has been changed', async () => {
    const file = files.pkcs12('-certpbe', 'NONE', '-keypbe', 'NONE')
    const at = file.indexOf('test owner')
    file[at] = 0x54
    expect(await refused(file, passphrase)).toMatch(/damaged/)
  })

  it('is refused before it costs more than a moment, its parts together', async () => {
    const file = files.pkcs12('-iter', '700000')
    expect(await refused(file, passphrase)).toMatch(/too many repetitions/)
  })

  it('is refused without a key', async () => {
    expect(await refused(files.pkcs12('-nokeys'), passphrase)).toMatch(/0 private keys/)
  })

  it('leaves the event loop free while it counts', async () => {
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    await refused(files.pkcs12('-iter', '100000'), 'wrong')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(20)
  })

  it('with any byte changed is refused, or gives the same key', async () => {
    const file = files.pkcs12('-iter', '1', '-nomaciter')
    const property = fc.asyncProperty(
      fc.nat(file.length - 1),
      fc.integer({ min: 1, max: 255 }),
      async (at, change) => {
        const changed = Buffer.from(file)
        changed[at] = (changed[at] ?? 0) ^ change
        const found = await read(changed, passphrase).catch((error: unknown) => {
          expect(error).toBeInstanceOf(KeyRefused)
        })
        if (found) expect(found.spki).toBe(files.spki)
      },
    )
    await fc.assert(property, { numRuns: 300 })
  }, 30_000)
})

describe('PKCS#12 of keytool', () => {
  it.skipIf(!hasKeytool())(
    'is read',
    async () => {
      const store = ['-keystore', 'store.p12', '-storepass', 'secret', '-alias', 'owner']
      const key = ['-keyalg', 'EC', '-groupname', 'secp256r1', '-dname', 'CN=owner']
      execFileSync('keytool', ['-genkeypair', ...store, ...key], {
        cwd: files.folder,
        stdio: 'pipe',
      })
      const { certificates } = await read(pem('store.p12'), 'secret')
      expect(certificates).toHaveLength(1)
    },
    30_000,
  )
})

describe('BER', () => {
  it('that is DER stays as it is', () => {
    const file = files.pkcs12()
    expect(toHex(berToDer(file))).toBe(toHex(file))
  })

  it.each([
    ['nothing', ''],
    ['cut short', '3003020100'.slice(0, 8)],
    ['with something behind it', '30030201000500'],
    ['of an open length without an end', '3080020100'],
    ['primitive, of an open length', '04800000'],
    ['of a tag in several bytes', '1f8101020100'],
    ['of pieces that are no byte strings', '2403020100'],
    ['longer than any length', '3085ffffffffff'],
    ['deeper than anything has cause to be', '3080'.repeat(40) + '0000'.repeat(40)],
  ])('%s is refused', (_, hex) => {
    expect(() => berToDer(Buffer.from(hex, 'hex'))).toThrow(KeyRefused)
  })
})

/** The outer layers as browsers write them: open lengths, byte strings in two pieces. */
function inPieces(der: Uint8Array): Buffer {
  const length = Number(der[1]) < 0x80 ? 0 : Number(der[1]) - 0x80
  const content = der.subarray(2 + length)
  const [tag = 0] = der
  const open = (first: number, ...parts: Uint8Array[]) =>
    Buffer.concat([Buffer.from([first, 0x80]), ...parts, Buffer.from([0, 0])])
  if (tag === 0x04) {
    const middle = Math.min(100, content.length)
    const piece = (part: Uint8Array) => {
      const head = Buffer.from([0x04, 0x82, part.length >> 8, part.length & 0xff])
      return Buffer.concat([head, part])
    }
    return open(0x24, piece(content.subarray(0, middle)), piece(content.subarray(middle)))
  }
  if (tag !== 0x30 && tag !== 0xa0) return Buffer.from(der)
  return open(tag, ...elementsOf(content).map(inPieces))
}

function elementsOf(content: Uint8Array): Uint8Array[] {
  const elements: Uint8Array[] = []
  for (let at = 0; at < content.length;) {
    const first = content[at + 1] ?? 0
    const width = first < 0x80 ? 0 : first - 0x80
    let length = width === 0 ? first : 0
    for (let i = 0; i < width; i++) length = length * 256 + (content[at + 2 + i] ?? 0)
    const end = at + 2 + width + length
    elements.push(content.subarray(at, end))
    at = end
  }
  return elements
}

function hasKeytool(): boolean {
  try {
    execFileSync('keytool', ['-help'], { stdio: 'ignore' })
    return true
  } catch {
    // Not where there is no Java.
    return false
  }
}

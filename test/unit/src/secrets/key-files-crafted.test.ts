/** Key files that no honest program writes. */
import { createHmac, generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type Bytes, utf8 } from '../../../../protocol/bytes.ts'
import {
  NULL,
  contextTag,
  der,
  integer,
  octetString,
  oid,
  sequence,
} from '../../../../protocol/x509/der.ts'
import { Effort } from '../../../../src/secrets/key-files/effort.ts'
import { passphraseOf } from '../../../../src/secrets/key-files/passphrase.ts'
import { FOR_MAC, derive } from '../../../../src/secrets/key-files/pkcs12-kdf.ts'
import { parsePrivateKeys } from '../../../../src/secrets/key-files/read.ts'
import { KeyRefused } from '../../../../src/secrets/key-files/refused.ts'

const passphrase = 'x'
const refusal = async (file: Bytes) => {
  const error = await parsePrivateKeys(file, { passphrase }).catch((e: unknown) => e)
  expect(error).toBeInstanceOf(KeyRefused)
  return String(error)
}

interface Pbes2 {
  readonly salt?: number
  readonly iterations?: number
  readonly keyLength?: number
  readonly iv?: number
}

/** PBKDF2 with HMAC-SHA-1, AES-256-CBC. */
function encrypted({ salt = 8, iterations = 1, keyLength = 32, iv = 16 }: Pbes2): Bytes {
  const kdf = sequence(octetString(new Uint8Array(salt)), integer(iterations), integer(keyLength))
  const cipher = sequence(oid('2.16.840.1.101.3.4.1.42'), octetString(new Uint8Array(iv)))
  const parameters = sequence(sequence(oid('1.2.840.113549.1.5.12'), kdf), cipher)
  const algorithm = sequence(oid('1.2.840.113549.1.5.13'), parameters)
  return sequence(algorithm, octetString(new Uint8Array(32)))
}

describe('an encrypted key', () => {
  it('of honest parameters only has a wrong passphrase', async () => {
    expect(await refusal(encrypted({}))).toMatch(/passphrase is wrong/)
  })

  it.each<[string, Pbes2, RegExp]>([
    ['an endless salt', { salt: 1025 }, /too long a salt/],
    ['an IV of another cipher', { iv: 8 }, /a wrong IV/],
    ['a key of another cipher', { keyLength: 16 }, /a key length that is not its cipher’s/],
    ['no repetitions', { iterations: 0 }, /repeated no times/],
    ['repetitions without end', { iterations: 0x7fff_ffff }, /too many repetitions/],
  ])('is refused with %s', async (_, parameters, reason) => {
    expect(await refusal(encrypted(parameters))).toMatch(reason)
  })
})

const explicit = (content: Bytes) => der(contextTag(0), content)
const data = (content: Bytes) =>
  sequence(oid('1.2.840.113549.1.7.1'), explicit(octetString(content)))
const bag = (type: string, value: Bytes) =>
  sequence(oid(`1.2.840.113549.1.12.10.1.${type}`), explicit(value))
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const keyBag = bag('1', privateKey.export({ type: 'pkcs8', format: 'der' }))

/** Under a MAC that is right. */
async function pfx(...safes: readonly Bytes[]): Promise<Bytes> {
  const content = sequence(...safes)
  const salt = utf8('salt')
  const { bmp } = passphraseOf(passphrase)
  const derivation = {
    hash: 'sha1',
    purpose: FOR_MAC,
    passphrase: bmp,
    salt,
    iterations: 1,
  } as const
  const key = await derive(derivation, 20, new Effort())
  const mac = createHmac('sha1', key).update(content).digest()
  const digestInfo = sequence(sequence(oid('1.3.14.3.2.26'), NULL), octetString(mac))
  return sequence(integer(3), data(content), sequence(digestInfo, octetString(salt)))
}

describe('PKCS#12', () => {
  it('may have a key in clear under its MAC', async () => {
    const { key } = await parsePrivateKeys(await pfx(data(sequence(keyBag))), { passphrase })
    expect(key.equals(privateKey)).toBe(true)
  })

  it('may have things in it that are not for us', async () => {
    const sdsi = sequence(oid('1.2.840.113549.1.9.22.2'), explicit(octetString(utf8('x'))))
    const safe = sequence(bag('3', sdsi), bag('5', sequence()), keyBag)
    const { certificates } = await parsePrivateKeys(await pfx(data(safe)), { passphrase })
    expect(certificates).toEqual([])
  })

  it('has one key', async () => {
    expect(await refusal(await pfx(data(sequence(keyBag, keyBag))))).toMatch(/2 private keys/)
    expect(await refusal(await pfx())).toMatch(/0 private keys/)
  })

  it('has certificates that can be read', async () => {
    const junk = sequence(oid('1.2.840.113549.1.9.22.1'), explicit(octetString(utf8('junk'))))
    const file = await pfx(data(sequence(keyBag, bag('3', junk))))
    expect(await refusal(file)).toMatch(/DER/)
  })

  it('is under a passphrase, and not under a certificate', async () => {
    const signed = sequence(oid('1.2.840.113549.1.7.2'), explicit(sequence()))
    expect(await refusal(sequence(integer(3), signed))).toMatch(/export it with a passphrase/)
    const enveloped = sequence(oid('1.2.840.113549.1.7.3'), explicit(sequence()))
    expect(await refusal(await pfx(enveloped))).toMatch(/export it with a passphrase/)
  })

  it('of another version is no key', async () => {
    const other = Buffer.from(await pfx(data(sequence(keyBag))))
    other[other.indexOf(integer(3)) + 2] = 4
    expect(await refusal(other)).toMatch(/not a private key/)
  })
})

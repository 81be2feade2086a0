/** Decrypting with a passphrase: PBES2 (RFC 8018) and its forerunner in PKCS#12 (RFC 7292, C). */
import { type Decipher, createDecipheriv, pbkdf2 } from 'node:crypto'
import { promisify } from 'node:util'
import { type Bytes, utf8 } from '../../../protocol/bytes.ts'
import { Tag } from '../../../protocol/x509/der.ts'
import type { DerReader } from '../../../protocol/x509/der-reader.ts'
import type { Effort } from './effort.ts'
import { FOR_IV, FOR_KEY, derive } from './pkcs12-kdf.ts'
import { KeyRefused } from './refused.ts'

/** One passphrase in the two ways it is written. */
export interface Passphrase {
  readonly utf8: Bytes
  /** UTF-16, big-endian, with its terminating zero. */
  readonly bmp: Bytes
}

export function passphraseOf(text: string): Passphrase {
  return { utf8: utf8(text), bmp: Buffer.from(`${text}\0`, 'utf16le').swap16() }
}

interface Cipher {
  readonly name: string
  readonly keyBytes: number
  readonly ivBytes: number
}

const CIPHERS: Readonly<Record<string, Cipher>> = {
  '2.16.840.1.101.3.4.1.2': { name: 'aes-128-cbc', keyBytes: 16, ivBytes: 16 },
  '2.16.840.1.101.3.4.1.22': { name: 'aes-192-cbc', keyBytes: 24, ivBytes: 16 },
  '2.16.840.1.101.3.4.1.42': { name: 'aes-256-cbc', keyBytes: 32, ivBytes: 16 },
  '1.2.840.113549.3.7': { name: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8 },
}

/** The functions of PBKDF2, with how many bytes each gives. */
const PRFS: Readonly<Record<string, { readonly hash: string; readonly bytes: number }>> = {
  '1.2.840.113549.2.7': { hash: 'sha1', bytes: 20 },
  '1.2.840.113549.2.9': { hash: 'sha256', bytes: 32 },
  '1.2.840.113549.2.10': { hash: 'sha384', bytes: 48 },
  '1.2.840.113549.2.11': { hash: 'sha512', bytes: 64 },
}
const DEFAULT_PRF = '1.2.840.113549.2.7'

const PBES2 = '1.2.840.113549.1.5.13'
const PBKDF2 = '1.2.840.113549.1.5.12'
const PKCS12_3DES = '1.2.840.113549.1.12.1.3'
/** RC4 and RC2: ciphers that OpenSSL no longer has either, unless asked. */
const PKCS12_OTHERS = '1.2.840.113549.1.12.1.'

const LONGEST_SALT = 1024

const derivePbkdf2 = promisify(pbkdf2)

interface CipherKey {
  readonly cipher: Cipher
  readonly key: Bytes
  readonly iv: Bytes
}

/**
 * `algorithm` is what is inside an AlgorithmIdentifier. Throws KeyRefused, and FdoError for what is
 * no DER. The caller wipes what it gets.
 */
export async function decrypt(
  algorithm: DerReader,
  ciphertext: Bytes,
  passphrase: Passphrase,
  effort: Effort,
): Promise<Bytes> {
  const oid = algorithm.oid()
  if (oid !== PBES2 && oid !== PKCS12_3DES) throw unknown(oid)
  const parameters = algorithm.enter(Tag.SEQUENCE)
  algorithm.end()
  const keyOf = oid === PBES2 ? pbes2Key : pkcs12Key
  const { cipher, key, iv } = await keyOf(parameters, passphrase, effort)
  try {
    return decryptWith(createDecipheriv(cipher.name, key, iv), ciphertext)
  } catch (cause) {
    throw new KeyRefused('the passphrase is wrong', { cause })
  } finally {
    key.fill(0)
  }
}

function decryptWith(decipher: Decipher, ciphertext: Bytes): Bytes {
  const start = decipher.update(ciphertext)
  try {
    return Buffer.concat([start, decipher.final()])
  } finally {
    start.fill(0)
  }
}

async function pbes2Key(parameters: DerReader, { utf8 }: Passphrase, effort: Effort) {
  const derivation = parameters.enter(Tag.SEQUENCE)
  const encryption = parameters.enter(Tag.SEQUENCE)
  parameters.end()
  const cipherOid = encryption.oid()
  const cipher = CIPHERS[cipherOid] ?? fail(unknown(cipherOid))
  const iv = encryption.content(Tag.OCTET_STRING)
  encryption.end()
  if (iv.length !== cipher.ivBytes) throw new KeyRefused('the file is damaged: a wrong IV')
  return { cipher, key: await pbkdf2Key(derivation, cipher.keyBytes, utf8, effort), iv }
}

/** `derivation` is what is inside the AlgorithmIdentifier. */
async function pbkdf2Key(
  derivation: DerReader,
  keyBytes: number,
  passphrase: Bytes,
  effort: Effort,
): Promise<Bytes> {
  const oid = derivation.oid()
  if (oid !== PBKDF2) throw unknown(oid)
  const parameters = derivation.enter(Tag.SEQUENCE)
  derivation.end()
  const salt = saltOf(parameters)
  const iterations = parameters.smallInteger()
  if (parameters.next(Tag.INTEGER) && parameters.smallInteger() !== keyBytes) {
    throw new KeyRefused('the file is damaged: a key length that is not its cipher’s')
  }
  const prfOid = parameters.atEnd ? DEFAULT_PRF : parameters.enter(Tag.SEQUENCE).oid()
  const prf = PRFS[prfOid] ?? fail(unknown(prfOid))
  parameters.end()
  effort.spend(iterations * Math.ceil(keyBytes / prf.bytes))
  return derivePbkdf2(passphrase, salt, iterations, keyBytes, prf.hash)
}

async function pkcs12Key(
  parameters: DerReader,
  { bmp }: Passphrase,
  effort: Effort,
): Promise<CipherKey> {
  const salt = saltOf(parameters)
  const iterations = parameters.smallInteger()
  parameters.end()
  const cipher = { name: 'des-ede3-cbc', keyBytes: 24, ivBytes: 8 }
  const common = { hash: 'sha1', passphrase: bmp, salt, iterations } as const
  const key = await derive({ ...common, purpose: FOR_KEY }, cipher.keyBytes, effort)
  return { cipher, key, iv: await derive({ ...common, purpose: FOR_IV }, cipher.ivBytes, effort) }
}

export function saltOf(parameters: DerReader): Bytes {
  const salt = parameters.content(Tag.OCTET_STRING)
  if (salt.length > LONGEST_SALT) throw new KeyRefused('the file is damaged: too long a salt')
  return salt
}

function unknown(oid: string): KeyRefused {
  if (oid.startsWith(PKCS12_OTHERS)) {
    return new KeyRefused(
      'the file is encrypted with RC2, RC4 or the like, which is not read here: openssl pkcs12 ' +
        '-legacy -in OLD -noenc | openssl pkcs12 -export -out NEW writes it anew',
    )
  }
  return new KeyRefused(
    `the file is encrypted in a way (${oid}) that is not read here: AES or 3DES by PBES2 is; ` +
      'openssl pkcs8 -topk8 -v2 aes-256-cbc, or openssl pkcs12 -export, writes it so',
  )
}

function fail(error: KeyRefused): never {
  throw error
}

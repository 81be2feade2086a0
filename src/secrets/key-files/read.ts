/**
 * A private key made elsewhere, in any of the forms people have one in: PKCS#8 (plain or under a
 * passphrase), SEC 1, PKCS#1 and PKCS#12; PEM or DER.
 */
import { type KeyObject, createPrivateKey, createPublicKey } from 'node:crypto'
import { type Bytes, equalBytes, fromBase64 } from '../../../protocol/bytes.ts'
import { kindOf } from '../../../protocol/crypto/verify-key.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { type Certificate, parseCertificate } from '../../../protocol/x509/certificate.ts'
import { Tag } from '../../../protocol/x509/der.ts'
import { DerReader, derReader } from '../../../protocol/x509/der-reader.ts'
import { OPEN_LENGTH, berToDer } from './ber.ts'
import { Effort } from './effort.ts'
import { passphraseOf } from './passphrase.ts'
import { decryptInfo, readPkcs12 } from './pkcs12.ts'
import { KeyRefused } from './refused.ts'

const MOST_BYTES = 65_536
const LONGEST_PASSPHRASE = 1024

export interface PrivateKeyFile {
  readonly key: KeyObject
  /** DER: the key's own first, each by the next; none where none is the key's. */
  readonly certificates: readonly Bytes[]
}

interface Found {
  readonly keys: readonly KeyObject[]
  readonly certificates: readonly Bytes[]
}

/** Exactly one key, of a kind FDO uses. Throws KeyRefused. */
export async function parsePrivateKeys(
  file: Bytes,
  { passphrase }: { readonly passphrase?: string | undefined } = {},
): Promise<PrivateKeyFile> {
  if (file.length > MOST_BYTES) throw new KeyRefused(`a key file has ${MOST_BYTES} bytes at most`)
  if (passphrase !== undefined && passphrase.length > LONGEST_PASSPHRASE) {
    throw new KeyRefused(`a passphrase has ${LONGEST_PASSPHRASE} characters at most`)
  }
  try {
    const text = Buffer.from(file).toString('latin1')
    const isPem = text.includes('-----BEGIN ')
    const { keys, certificates } = await (isPem
      ? readPem(text, passphrase)
      : readDer(file, passphrase))
    const [key] = keys
    if (!key || keys.length > 1) {
      throw new KeyRefused(`the file has ${keys.length} private keys in it; send one with one`)
    }
    kindOf(key)
    return { key, certificates: chainOf(key, certificates) }
  } catch (cause) {
    if (cause instanceof KeyRefused) throw cause
    const reason = cause instanceof FdoError ? cause.message : 'not a private key'
    throw new KeyRefused(`${reason}; P-256, P-384, RSA 2048 and RSA 3072 are taken`, { cause })
  }
}

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----([^-]*(?:-(?!----)[^-]*)*)-----END \1-----/g

async function readPem(text: string, passphrase: string | undefined): Promise<Found> {
  const keys: KeyObject[] = []
  const certificates: Bytes[] = []
  for (const [block, label = '', content = ''] of text.matchAll(BLOCK)) {
    if (label === 'CERTIFICATE') certificates.push(derOf(content))
    else if (label === 'ENCRYPTED PRIVATE KEY') {
      keys.push(await decryptPkcs8(derOf(content), passphrase))
    } else if (label.endsWith('PRIVATE KEY')) keys.push(plainPem(block, passphrase))
  }
  return { keys, certificates }
}

/** SEC 1 and PKCS#1 may be encrypted as OpenSSL once did it, which takes no time to speak of. */
function plainPem(block: string, passphrase: string | undefined): KeyObject {
  if (!block.includes('Proc-Type: 4,ENCRYPTED')) return createPrivateKey(block)
  if (passphrase === undefined) throw passphraseMissing()
  try {
    return createPrivateKey({ key: block, format: 'pem', passphrase })
  } catch (cause) {
    throw new KeyRefused(
      'the passphrase is wrong, or the cipher is too old to be read here: openssl pkcs8 -topk8 ' +
        'writes the key anew',
      { cause },
    )
  }
}

function derOf(content: string): Bytes {
  const der = fromBase64(content.replaceAll(/\s+/g, ''))
  if (!der) throw new KeyRefused('the PEM file is damaged: not base64')
  return der
}

/** What a DER file is shows in its first elements. Only PKCS#12 comes as BER. */
async function readDer(file: Bytes, passphrase: string | undefined): Promise<Found> {
  const inside = derReader(file[1] === OPEN_LENGTH ? berToDer(file) : file)
  if (inside.next(Tag.SEQUENCE)) {
    return { keys: [await decryptPkcs8(file, passphrase)], certificates: [] }
  }
  const version = inside.smallInteger()
  if (version === 3) return readP12(berToDer(file), passphrase)
  const type = inside.next(Tag.SEQUENCE) ? 'pkcs8' : inside.next(Tag.INTEGER) ? 'pkcs1' : 'sec1'
  return { keys: [createPrivateKey({ key: file, format: 'der', type })], certificates: [] }
}

async function readP12(der: Bytes, passphrase: string | undefined): Promise<Found> {
  const { keys, certificates } = await readPkcs12(der, passphrase)
  return { keys: keys.map(wipedIntoKey), certificates }
}

async function decryptPkcs8(der: Bytes, passphrase: string | undefined): Promise<KeyObject> {
  if (passphrase === undefined) throw passphraseMissing()
  const reader = new DerReader(der)
  const pkcs8 = await decryptInfo(reader, passphraseOf(passphrase), new Effort())
  reader.end()
  try {
    return wipedIntoKey(pkcs8)
  } catch (cause) {
    // Of 256 wrong passphrases one gives padding that looks right.
    throw new KeyRefused('the passphrase is wrong, or the file is damaged', { cause })
  }
}

function wipedIntoKey(pkcs8: Bytes): KeyObject {
  try {
    return createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
  } finally {
    pkcs8.fill(0)
  }
}

/** From the key's own certificate up, as far as the file goes. */
function chainOf(key: KeyObject, certificates: readonly Bytes[]): readonly Bytes[] {
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const left = new Set(certificates.map(parseCertificate))
  const find = (is: (one: Certificate) => boolean) => [...left].find(is)
  const chain: Bytes[] = []
  let next = find((one) => equalBytes(one.spki, spki))
  while (next) {
    const { issuer, der } = next
    chain.push(der)
    left.delete(next)
    next = find(({ subject }) => equalBytes(subject, issuer))
  }
  return chain
}

function passphraseMissing(): KeyRefused {
  return new KeyRefused(
    'the key is encrypted: send its passphrase with it, or write it plain (openssl pkcs8 -in FILE)',
  )
}

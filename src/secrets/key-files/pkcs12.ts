/**
 * PKCS#12 (.p12, .pfx): a private key and its certificates under a passphrase. RFC 7292. Nothing
 * inside is looked at before the MAC over all of it is found right.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Bytes } from '../../../protocol/bytes.ts'
import { Tag, contextTag, primitiveContextTag } from '../../../protocol/x509/der.ts'
import { type DerReader, derReader } from '../../../protocol/x509/der-reader.ts'
import { berToDer } from './ber.ts'
import { Effort } from './effort.ts'
import { type Passphrase, decrypt, passphraseOf, saltOf } from './passphrase.ts'
import { FOR_MAC, type HashName, derive } from './pkcs12-kdf.ts'
import { KeyRefused } from './refused.ts'

const DATA = '1.2.840.113549.1.7.1'
const ENCRYPTED_DATA = '1.2.840.113549.1.7.6'
const KEY_BAG = '1.2.840.113549.1.12.10.1.1'
const SHROUDED_KEY_BAG = '1.2.840.113549.1.12.10.1.2'
const CERTIFICATE_BAG = '1.2.840.113549.1.12.10.1.3'
const X509 = '1.2.840.113549.1.9.22.1'

const MAC_HASHES: Readonly<Record<string, HashName>> = {
  '1.3.14.3.2.26': 'sha1',
  '2.16.840.1.101.3.4.2.1': 'sha256',
  '2.16.840.1.101.3.4.2.2': 'sha384',
  '2.16.840.1.101.3.4.2.3': 'sha512',
}

interface Pkcs12 {
  /** PKCS#8, to be wiped. */
  readonly keys: readonly Bytes[]
  readonly certificates: readonly Bytes[]
}

/**
 * `file` is DER, of version 3. Without a passphrase it is opened as one whose passphrase is empty. Throws
 * KeyRefused, and FdoError for what is no DER.
 */
export async function readPkcs12(file: Bytes, text: string | undefined): Promise<Pkcs12> {
  const effort = new Effort()
  const pfx = derReader(file)
  pfx.smallInteger()
  const authSafe = contentOf(pfx.enter(Tag.SEQUENCE))
  if (pfx.atEnd) {
    throw new KeyRefused(
      'the PKCS#12 file has no MAC, so that nothing shows whether it is as it was written: ' +
        'export it without -nomac',
    )
  }
  const mac = pfx.enter(Tag.SEQUENCE)
  pfx.end()
  const passphrase = await passphraseOfMac(mac, authSafe, text, effort)
  return readSafes(authSafe, passphrase, effort)
}

/** The one of the ways to write a passphrase by which the MAC is right. */
async function passphraseOfMac(
  macData: DerReader,
  content: Bytes,
  text: string | undefined,
  effort: Effort,
): Promise<Passphrase> {
  const digestInfo = macData.enter(Tag.SEQUENCE)
  const algorithm = digestInfo.enter(Tag.SEQUENCE).oid()
  const expected = digestInfo.content(Tag.OCTET_STRING)
  digestInfo.end()
  const salt = saltOf(macData)
  const iterations = macData.atEnd ? 1 : macData.smallInteger()
  macData.end()
  const hash = MAC_HASHES[algorithm]
  if (!hash) {
    throw new KeyRefused(
      `the MAC of the PKCS#12 file (${algorithm}) is not read here: one with SHA-1 or SHA-256 is ` +
        '(openssl pkcs12 -export -macalg sha256)',
    )
  }
  for (const candidate of waysToWrite(text ?? '')) {
    const derivation = { hash, purpose: FOR_MAC, passphrase: candidate.bmp, salt, iterations }
    const key = await derive(derivation, expected.length, effort)
    const mac = createHmac(hash, key).update(content).digest()
    if (mac.length === expected.length && timingSafeEqual(mac, expected)) return candidate
  }
  throw new KeyRefused(
    text === undefined
      ? 'the PKCS#12 file needs its passphrase'
      : 'the passphrase is wrong, or the PKCS#12 file is damaged',
  )
}

/** An empty passphrase is a lone zero for some, and nothing at all for others. */
function waysToWrite(text: string): readonly Passphrase[] {
  const usual = passphraseOf(text)
  return text === '' ? [usual, { ...usual, bmp: new Uint8Array(0) }] : [usual]
}

async function readSafes(authSafe: Bytes, passphrase: Passphrase, effort: Effort) {
  const keys: Bytes[] = []
  const certificates: Bytes[] = []
  const safes = derReader(berToDer(authSafe))
  while (!safes.atEnd) {
    const content = await openSafe(safes.enter(Tag.SEQUENCE), passphrase, effort)
    const bags = derReader(berToDer(content))
    while (!bags.atEnd) {
      const bag = bags.enter(Tag.SEQUENCE)
      const type = bag.oid()
      const value = bag.enter(contextTag(0))
      if (type === KEY_BAG) keys.push(Uint8Array.from(value.element(Tag.SEQUENCE)))
      if (type === SHROUDED_KEY_BAG) keys.push(await decryptInfo(value, passphrase, effort))
      if (type === CERTIFICATE_BAG) certificates.push(...certificateOf(value))
    }
  }
  return { keys, certificates }
}

/** What is inside a ContentInfo, which may be encrypted as a whole. */
async function openSafe(info: DerReader, passphrase: Passphrase, effort: Effort): Promise<Bytes> {
  const type = info.oid()
  const content = info.enter(contextTag(0))
  if (type === DATA) return content.content(Tag.OCTET_STRING)
  if (type !== ENCRYPTED_DATA) throw sealedOtherwise()
  const encrypted = content.enter(Tag.SEQUENCE)
  encrypted.smallInteger()
  const inner = encrypted.enter(Tag.SEQUENCE)
  inner.oid()
  const algorithm = inner.enter(Tag.SEQUENCE)
  return decrypt(algorithm, implicitOctets(inner), passphrase, effort)
}

/** `[0] IMPLICIT OCTET STRING`, in one piece or in several. */
function implicitOctets(reader: DerReader): Bytes {
  const whole = primitiveContextTag(0)
  if (reader.next(whole)) return reader.content(whole)
  const pieces = reader.enter(contextTag(0))
  const parts: Bytes[] = []
  while (!pieces.atEnd) parts.push(pieces.content(Tag.OCTET_STRING))
  return Buffer.concat(parts)
}

/** PKCS#8 out of an EncryptedPrivateKeyInfo, which comes next. */
export async function decryptInfo(
  reader: DerReader,
  passphrase: Passphrase,
  effort: Effort,
): Promise<Bytes> {
  const info = reader.enter(Tag.SEQUENCE)
  const algorithm = info.enter(Tag.SEQUENCE)
  const ciphertext = info.content(Tag.OCTET_STRING)
  info.end()
  return decrypt(algorithm, ciphertext, passphrase, effort)
}

function certificateOf(value: DerReader): readonly Bytes[] {
  const bag = value.enter(Tag.SEQUENCE)
  if (bag.oid() !== X509) return []
  return [Uint8Array.from(bag.enter(contextTag(0)).content(Tag.OCTET_STRING))]
}

/** The bytes inside a ContentInfo that is not encrypted. */
function contentOf(info: DerReader): Bytes {
  if (info.oid() !== DATA) throw sealedOtherwise()
  return info.enter(contextTag(0)).content(Tag.OCTET_STRING)
}

function sealedOtherwise(): KeyRefused {
  return new KeyRefused(
    'the PKCS#12 file is signed with or encrypted to a certificate: export it with a passphrase',
  )
}

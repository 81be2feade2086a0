/**
 * Who signs in a caller's place: the holder of one certificate, issued by the caller's own key and
 * marked for claiming vouchers. Longer chains are refused: implementations disagree on their order,
 * to the point of accepting a signature by the wrong certificate.
 */
import type { Bytes } from '../bytes.ts'
import { importIssuerKey, verifyCertificateSignature } from '../crypto/certificate-signature.ts'
import { type VerifyKey, importSpki } from '../crypto/verify-key.ts'
import { type Certificate, KEY_USAGE, parseCertificate } from '../x509/certificate.ts'
import { findChainFlaw } from '../x509/chain.ts'
import { derReader } from '../x509/der-reader.ts'
import { KeyAuthError } from './messages.ts'

const EXTENDED_KEY_USAGE = '2.5.29.37'
/** Permission to claim vouchers, of the delegate permissions. */
const VOUCHER_CLAIM = '1.3.6.1.4.1.45724.3.1.5'
const DIGITAL_SIGNATURE = 1 << 0

/** The delegate's key; throws a KeyAuthError where it may not sign for `owner`. */
export async function delegateKeyOf(
  chain: readonly Bytes[],
  owner: VerifyKey,
  now: Date,
): Promise<VerifyKey> {
  const [der, more] = chain
  if (!der || more) throw refused(`${chain.length} certificates, where one is taken`)
  const flaw = await findChainFlaw([der], { now })
  if (flaw) throw refused(flaw)
  const certificate = parseCertificate(der)
  const usageFlaw = findUsageFlaw(certificate)
  if (usageFlaw) throw refused(usageFlaw)
  const { signatureAlgorithm, tbs, signature } = certificate
  const issuer = importIssuerKey(owner.spki)
  if (!(await verifyCertificateSignature(issuer, signatureAlgorithm, tbs, signature))) {
    throw refused('not issued by the caller’s key')
  }
  return importSpki(certificate.spki)
}

function findUsageFlaw({ isCa, keyUsage, extensions }: Certificate): string | undefined {
  if (isCa) return 'a CA, which is no delegate'
  if (keyUsage === undefined || !(keyUsage & DIGITAL_SIGNATURE)) {
    return `${KEY_USAGE}: not for signatures`
  }
  const usage = extensions.get(EXTENDED_KEY_USAGE)
  if (!usage || !purposesOf(usage.value).includes(VOUCHER_CLAIM)) {
    return 'without permission to claim vouchers'
  }
  return undefined
}

/** `SEQUENCE SIZE (1..MAX) OF KeyPurposeId`. RFC 5280, 4.2.1.12. */
function purposesOf(extension: Bytes): string[] {
  const list = derReader(extension)
  const purposes: string[] = []
  while (!list.atEnd) purposes.push(list.oid())
  return purposes
}

function refused(detail: string): KeyAuthError {
  return new KeyAuthError('delegate', detail)
}

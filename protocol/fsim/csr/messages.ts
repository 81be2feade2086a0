/**
 * fdo.csr: certificates for keys of the device's own, on the model of EST (RFC 7030). The device
 * asks; everything but codes is text.
 */
import { type Bytes, fromBase64, fromUtf8, toBase64 } from '../../bytes.ts'
import { type Item, Major, contentOf } from '../../cbor/scan.ts'
import { type Schema, text, uint } from '../../cbor/schema.ts'
import { FdoError } from '../../errors.ts'
import { fromPem } from '../../x509/pem.ts'

export const CSR = 'fdo.csr'

/** device → owner `cacerts-req: uint`: CoAP's numbers for application/pkcs7-mime; certs-only … */
export const CERTS_ONLY = 281
/** … and application/pkix-cert, for a single certificate. */
export const SINGLE_CERTIFICATE = 287
export const CaCertsRequest = uint()
/** device → owner `csrattrs-req: uint`; the number means nothing. */
export const CsrAttrsRequest = uint()
/** owner → device `error: uint`, see CsrError. */
export const ErrorCode = uint()

/** The separator that the text of FSIM gives for `serverkeygen-res`. */
const BOUNDARY = 'fdo'

/**
 * `tstr` holding DER. Divergence: the FSIM's text does not say how. Sent as base64 in one line;
 * read with line breaks, as PEM and in a byte string too.
 */
export const DerText: Schema<Bytes> = {
  parse(item, path) {
    const read = textOrBytes(item, path)
    const [first, second] = fromPem(read) ?? [fromBase64(read.replace(/\s+/g, ''))]
    if (!first || first.length === 0 || second) throw malformed(path, 'DER in base64')
    return first
  },
  build: (der) => toBase64(der),
}

/** Text, which some write as a byte string. */
export const LooseText: Schema<string> = { parse: textOrBytes, build: (value) => value }

function textOrBytes(item: Item, path: string): string {
  if (item.major !== Major.BYTES) return text.parse(item, path)
  try {
    return fromUtf8(contentOf(item))
  } catch (cause) {
    throw new FdoError('MESSAGE_BODY_ERROR', `${path}: expected text`, { cause })
  }
}

/** `multipart/mixed`: the key (application/pkcs8) and its certificates (certs-only PKCS#7). */
export function buildKeyAndCertificates(pkcs8: Bytes, certsOnly: Bytes): string {
  const part = (type: string, der: Bytes) =>
    [
      `--${BOUNDARY}`,
      `Content-Type: ${type}`,
      'Content-Transfer-Encoding: base64',
      '',
      toBase64(der),
      '',
    ].join('\r\n')
  const key = part('application/pkcs8', pkcs8)
  const certificates = part('application/pkcs7-mime; smime-type=certs-only', certsOnly)
  return `${key}${certificates}--${BOUNDARY}--\r\n`
}

/** Reads it as it is, or in base64 as a whole, as the Go modules write it. */
export function parseKeyAndCertificates(
  body: string,
  path: string,
): { readonly pkcs8: Bytes; readonly certificates: Bytes } {
  const unwrapped = body.trimStart().startsWith('--') ? body : decodeText(body)
  const boundary = /^--([^\r\n]+?)-*\r?\n/.exec(unwrapped?.trimStart() ?? '')?.[1]
  const parts = boundary === undefined ? [] : (unwrapped ?? '').split(`--${boundary}`).slice(1)
  const content = (type: RegExp) => {
    const part = parts.find((one) => type.test(one.split(/\r?\n\r?\n/)[0] ?? ''))
    const encoded = part
      ?.split(/\r?\n\r?\n/)
      .slice(1)
      .join('')
    const der = encoded === undefined ? undefined : fromBase64(encoded.replace(/\s+/g, ''))
    if (!der || der.length === 0) throw malformed(path, 'a key and its certificates')
    return der
  }
  return {
    pkcs8: content(/application\/pkcs8/i),
    certificates: content(/application\/pkcs7-mime|application\/pkix-cert/i),
  }
}

function decodeText(encoded: string): string | undefined {
  const decoded = fromBase64(encoded.replace(/\s+/g, ''))
  try {
    return decoded && fromUtf8(decoded)
  } catch {
    // Base64 of something else: it has no parts.
    return undefined
  }
}

function malformed(path: string, wanted: string): FdoError {
  return new FdoError('MESSAGE_BODY_ERROR', `${path}: expected ${wanted}`)
}

/** A client's certificate as a TLS-terminating proxy hands it on. */
import { X509Certificate } from 'node:crypto'

/** A byte sequence of RFC 8941, which RFC 9440 makes of the DER. */
const BYTE_SEQUENCE = /^:([A-Za-z0-9+/]+={0,2}):$/
const PEM = /^-----BEGIN CERTIFICATE-----\s[^-]+-----END CERTIFICATE-----\s*$/

/** DER, as it was shown; undefined for what is no single certificate. */
export function certificateFrom(header: string): Uint8Array | undefined {
  const [, base64] = BYTE_SEQUENCE.exec(header) ?? []
  const encoded = base64 === undefined ? unescaped(header) : Buffer.from(base64, 'base64')
  if (encoded === undefined) return undefined
  try {
    return new X509Certificate(encoded).raw
  } catch {
    // Not said by a proxy that knows what it does: as if there were none.
    return undefined
  }
}

/** As nginx's $ssl_client_escaped_cert has it. */
function unescaped(header: string): string | undefined {
  try {
    const text = decodeURIComponent(header)
    return PEM.test(text) ? text : undefined
  } catch {
    return undefined
  }
}

/** DER as text, and back. RFC 7468. */
import { type Bytes, fromBase64, toBase64 } from '../bytes.ts'

const LINE = /.{1,64}/g

export function toPem(label: string, der: Bytes): string {
  const lines = toBase64(der).match(LINE) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}

export function certificatesToPem(certificates: readonly Bytes[]): string {
  return certificates.map((der) => toPem('CERTIFICATE', der)).join('')
}

/**
 * The content of every block, whatever its label; what stands between blocks is passed over.
 * Undefined where there is none, or one is malformed.
 */
export function fromPem(pem: string): readonly Bytes[] | undefined {
  // Most of what is asked about is DER in base64, and long.
  if (!pem.includes('-----BEGIN ')) return undefined
  const blocks = pem.split(/-----BEGIN ([A-Z0-9 ]+)-----/)
  const contents: Bytes[] = []
  for (let i = 1; i + 1 < blocks.length; i += 2) {
    const [content, rest] = (blocks[i + 1] ?? '').split(`-----END ${blocks[i]}-----`)
    const der = fromBase64((content ?? '').replace(/\s+/g, ''))
    if (rest === undefined || !der || der.length === 0) return undefined
    contents.push(der)
  }
  return contents.length > 0 ? contents : undefined
}

/** Vouchers as text: PEM (RFC 7468) under the label OWNERSHIP VOUCHER. */
import { type Bytes, fromBase64 } from '../bytes.ts'
import { toPem } from '../x509/pem.ts'
import { VoucherError } from './voucher.ts'

const LABEL = 'OWNERSHIP VOUCHER'

export function voucherToPem(voucher: Bytes): string {
  return toPem(LABEL, voucher)
}

/** Whether the bytes look like text rather than CBOR: a voucher's first byte is 0x84 or 0x85. */
export function isPem(encoded: Bytes): boolean {
  return encoded.length > 0 && (encoded[0] ?? 0) < 0x80
}

/**
 * The CBOR of every voucher in a file of one or many. What stands between them is passed over, as
 * are line ends of any kind; throws a VoucherError where there is none, or one is cut off.
 */
export function vouchersFromPem(pem: string): Bytes[] {
  const blocks = pem.split(`-----BEGIN ${LABEL}-----`).slice(1)
  if (blocks.length === 0) throw malformed('no PEM block OWNERSHIP VOUCHER')
  return blocks.map((block, i) => {
    const end = block.indexOf(`-----END ${LABEL}-----`)
    const content = end < 0 ? undefined : fromBase64(block.slice(0, end).replace(/\s+/g, ''))
    if (!content) throw malformed(`PEM block ${i} is not base64, or has no end`)
    return content
  })
}

function malformed(detail: string): VoucherError {
  return new VoucherError({ check: 'malformed', detail })
}

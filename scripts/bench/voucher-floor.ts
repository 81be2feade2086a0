/** The cryptography that taking in a voucher, or moving one, cannot do without. */
import { type Operation, signatures } from './floor.ts'

/**
 * A voucher of one entry. Who made it is known from one to the next, and so is the certificate of
 * the authority above its device: what is signed by those is verified, they themselves need not be.
 */
export function importing(): readonly Operation[] {
  const { verify, hash } = signatures()
  return [
    { name: 'P-256 verify', count: 2, where: 'device certificate, entry', run: verify },
    { name: 'SHA-256', count: 3, where: 'certificate chain, entry (2)', run: hash },
  ]
}

/** Sold, fetched or pushed, verified with its two entries, and signed for. */
export function transferring(): Record<'seller' | 'buyer', readonly Operation[]> {
  const { sign, verify, hash } = signatures()
  return {
    seller: [
      { name: 'P-256 sign', count: 1, where: 'entry', run: sign },
      { name: 'P-256 verify', count: 1, where: 'receipt', run: verify },
      { name: 'SHA-256', count: 3, where: 'entry (2), receipt', run: hash },
    ],
    buyer: [
      { name: 'P-256 verify', count: 3, where: 'device certificate, entries (2)', run: verify },
      { name: 'P-256 sign', count: 1, where: 'receipt', run: sign },
      { name: 'SHA-256', count: 5, where: 'certificate chain, entries (3), receipt', run: hash },
    ],
  }
}

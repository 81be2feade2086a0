/** Files told apart by their first bytes. */
import { isGzip } from './gzip.ts'
import { BLOCK, isZero, tarHeaderOf } from './tar-header.ts'

const MAGIC: readonly (readonly [what: string, start: string])[] = [
  ['a zip file', '504b0304'],
  ['a zip file', '504b0506'],
  ['an xz file', 'fd377a585a00'],
  ['a bzip2 file', '425a68'],
  ['a Zstandard file', '28b52ffd'],
  ['a 7z file', '377abcaf271c'],
]

export function isTar(start: Buffer): boolean {
  const block = start.subarray(0, BLOCK)
  return block.length === BLOCK && (tarHeaderOf(block) !== undefined || isZero(block))
}

/** The name of an archive that is not read as it is. */
export function findForeign(start: Buffer): string | undefined {
  const digits = start.toString('hex', 0, 8)
  return MAGIC.find(([, magic]) => digits.startsWith(magic))?.[0]
}

/** The name of anything that is no plain file of vouchers. */
export function findUnreadable(start: Buffer): string | undefined {
  if (isGzip(start)) return 'a gzip file'
  return isTar(start) ? 'a tar archive' : findForeign(start)
}

/** One 512-byte block that heads a file in a tar archive: POSIX ustar, GNU's and older ones. */

export const BLOCK = 512

export interface TarHeader {
  readonly name: string
  /** NaN where it is none. */
  readonly size: number
  /** The type flag, as a letter. */
  readonly type: string
}

/** Undefined where the block's checksum is wrong: it heads nothing. */
export function tarHeaderOf(block: Buffer): TarHeader | undefined {
  if (block.length < BLOCK || numberAt(block, 148, 8) !== checksumOf(block)) return undefined
  const prefix = block.toString('latin1', 257, 262) === 'ustar' ? textAt(block, 345, 155) : ''
  const name = textAt(block, 0, 100)
  return {
    // GNU has other things where POSIX has a prefix; shown it does no harm.
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: numberAt(block, 124, 12),
    type: String.fromCharCode(block[156] || 0x30),
  }
}

/** As if the checksum's own field held spaces. */
export function checksumOf(block: Buffer): number {
  let sum = 8 * 0x20
  for (let i = 0; i < BLOCK; i++) if (i < 148 || i >= 156) sum += block[i] ?? 0
  return sum
}

export function isZero(block: Buffer): boolean {
  return block.every((byte) => byte === 0)
}

function textAt(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start)
  const most = start + length
  return block.toString('utf8', start, end < 0 ? most : Math.min(end, most))
}

/** Octal digits; or, where they do not suffice, GNU's binary numbers. */
function numberAt(block: Buffer, start: number, length: number): number {
  if (block[start] === 0x80) {
    const low = block.subarray(start + length - 6, start + length)
    const isSmall = block.subarray(start + 1, start + length - 6).every((byte) => byte === 0)
    return isSmall ? low.readUIntBE(0, 6) : Number.NaN
  }
  const digits = textAt(block, start, length).trim()
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN
}

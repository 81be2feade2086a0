/** Object identifiers, in dotted form and as the content of an OBJECT IDENTIFIER. */
import { type Bytes, concat, toHex } from '../bytes.ts'

/** The identifiers this program knows: a closed list, filled as they are written down. */
const knownTexts = new Map<string, string>()
const knownContents = new Map<string, Bytes>()

export function oidContent(text: string): Bytes {
  const known = knownContents.get(text)
  if (known) return known
  const [root = 0, second = 0, ...rest] = text.split('.').map(Number)
  const content = concat(...[40 * root + second, ...rest].map(base128))
  knownContents.set(text, content)
  knownTexts.set(toHex(content), text)
  return content
}

/** Undefined where the content is malformed. */
export function oidText(content: Bytes): string | undefined {
  return knownTexts.get(toHex(content)) ?? dotted(content)
}

function dotted(content: Bytes): string | undefined {
  const arcs: number[] = []
  let arc = 0
  let fresh = true
  for (const byte of content) {
    if ((fresh && byte === 0x80) || arc > 0xff_ffff_ffff) return undefined
    arc = arc * 128 + (byte & 0x7f)
    fresh = byte < 0x80
    if (!fresh) continue
    arcs.push(arc)
    arc = 0
  }
  const [first] = arcs
  if (!fresh || first === undefined) return undefined
  const root = Math.min(Math.floor(first / 40), 2)
  return [root, first - 40 * root, ...arcs.slice(1)].join('.')
}

function base128(arc: number): Bytes {
  const digits = [arc % 128]
  for (let rest = Math.floor(arc / 128); rest > 0; rest = Math.floor(rest / 128)) {
    digits.unshift((rest % 128) | 0x80)
  }
  return Uint8Array.from(digits)
}

/** `IPAddress = bstr .size 4 / bstr .size 16`, and its text form. FDO 1.1, "Base Protocol Types". */
import type { Bytes } from '../bytes.ts'
import { type Schema, bytes } from '../cbor/schema.ts'
import { FdoError } from '../errors.ts'

const MAPPED_PREFIX = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff)

/** Read in either length, given and written in the shorter: a C device reads 4 bytes only. */
export const IpAddress: Schema<Bytes> = {
  parse(item, path) {
    const address = bytes().parse(item, path)
    if (address.length !== 4 && address.length !== 16) {
      throw new FdoError('INVALID_IP_ADDRESS', `${path}: ${address.length} bytes of IP address`)
    }
    return unmapped(address)
  },
  build: (address) => unmapped(address),
}

/** Some go programs write IPv4 as ::ffff:a.b.c.d. */
function unmapped(address: Bytes): Bytes {
  const isMapped = address.length === 16 && MAPPED_PREFIX.every((byte, i) => address[i] === byte)
  return isMapped ? address.subarray(12) : address
}

/** As RFC 5952 writes it, without brackets. */
export function formatIp(address: Bytes): string {
  const short = unmapped(address)
  if (short.length === 4) return short.join('.')
  const groups: string[] = []
  for (let i = 0; i < 16; i += 2) {
    groups.push((((short[i] ?? 0) << 8) | (short[i + 1] ?? 0)).toString(16))
  }
  const zeros = longestRunOfZeros(groups)
  if (zeros.length < 2) return groups.join(':')
  const end = zeros.start + zeros.length
  return `${groups.slice(0, zeros.start).join(':')}::${groups.slice(end).join(':')}`
}

function longestRunOfZeros(groups: readonly string[]): { start: number; length: number } {
  let best = { start: 0, length: 0 }
  for (let start = 0; start < groups.length; start++) {
    let length = 0
    while (groups[start + length] === '0') length++
    if (length > best.length) best = { start, length }
  }
  return best
}

/** Reads an IPv4 or IPv6 address as people write them; undefined if the text is none. */
export function parseIp(text: string): Bytes | undefined {
  if (!text.includes(':')) return parseIpv4(text)
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const [head, tail] = halves.map((half, i) => parseGroups(half, i === halves.length - 1))
  if (!head || (halves.length === 2 && !tail)) return undefined
  const missing = 16 - head.length - (tail?.length ?? 0)
  if (halves.length === 2 ? missing < 2 : missing !== 0) return undefined
  return unmapped(
    Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...(tail ?? [])]),
  )
}

function parseIpv4(text: string): Bytes | undefined {
  const parts = text.split('.')
  const isIpv4 = parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))
  return isIpv4 && parts.every((part) => Number(part) < 256)
    ? Uint8Array.from(parts.map(Number))
    : undefined
}

/** The bytes of `a:b:c`; at the very end an IPv4 address may stand. Undefined if malformed. */
function parseGroups(text: string, isEnd: boolean): number[] | undefined {
  if (text === '') return []
  const bytesOfGroups: number[] = []
  const groups = text.split(':')
  for (const [i, group] of groups.entries()) {
    const ipv4 = isEnd && i === groups.length - 1 ? parseIpv4(group) : undefined
    if (ipv4) bytesOfGroups.push(...ipv4)
    else if (!/^[0-9a-f]{1,4}$/i.test(group)) return undefined
    else {
      const value = Number.parseInt(group, 16)
      bytesOfGroups.push(value >> 8, value & 0xff)
    }
  }
  return bytesOfGroups
}

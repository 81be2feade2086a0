/** IP addresses and ranges of them. */
import ipaddr from 'ipaddr.js'

/** Addresses and ranges in CIDR notation. */
export type Ranges = readonly string[]

export function isAddress(text: string): boolean {
  return ipaddr.isValid(text)
}

/** Whether an address is in one of these ranges. */
export function isWithin(address: string, ranges: Ranges): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  return ranges.some((range) => {
    const [base, bits] = known(range)
    return base.kind() === parsed.kind() && parsed.match(base, bits)
  })
}

const parsedRanges = new Map<string, ReturnType<typeof parseRange>>()

/** The ranges asked about are those of the configuration: few, and the same again and again. */
function known(range: string): ReturnType<typeof parseRange> {
  const parsed = parsedRanges.get(range) ?? parseRange(range)
  parsedRanges.set(range, parsed)
  return parsed
}

/** Throws an Error for what is neither an address nor a range. */
export function parseRange(range: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (range.includes('/')) return ipaddr.parseCIDR(range)
  const address = ipaddr.process(range)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** As it is compared and shown: an IPv4-mapped address counts as IPv4. */
export function plainAddress(address: string): string {
  const trimmed = address.trim()
  return ipaddr.isValid(trimmed) ? ipaddr.process(trimmed).toString() : trimmed
}

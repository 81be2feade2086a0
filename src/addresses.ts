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

export function isRange(text: string): boolean {
  try {
    parseRange(text)
    return true
  } catch {
    // What ipaddr.js throws says no more than that.
    return false
  }
}

/** Throws an Error for what is neither an address nor a range. */
function parseRange(range: string): [ipaddr.IPv4 | ipaddr.IPv6, number] {
  if (range.includes('/')) return ipaddr.parseCIDR(range)
  const address = ipaddr.process(range)
  return [address, address.kind() === 'ipv4' ? 32 : 128]
}

/** Whose an address may be. Of `special` ones nobody in particular is there, or they hide another. */
export type AddressKind = 'public' | 'loopback' | 'private' | 'link-local' | 'special'

const KINDS: Readonly<Record<string, AddressKind>> = {
  loopback: 'loopback',
  private: 'private',
  carrierGradeNat: 'private',
  uniqueLocal: 'private',
  linkLocal: 'link-local',
}

/** All that is in use on the Internet so far. */
const GLOBAL_IPV6 = '2000::/3'
/** RFC 6052: the last four bytes are an IPv4 address, which a gateway connects to. */
const NAT64 = '64:ff9b::/96'

export function kindOf(address: string): AddressKind {
  if (!ipaddr.isValid(address)) return 'special'
  const parsed = ipaddr.process(address)
  const range = parsed.range()
  if (range === 'rfc6052' && isWithin(address, [NAT64])) {
    return kindOf(parsed.toByteArray().slice(-4).join('.'))
  }
  if (range !== 'unicast') return KINDS[range] ?? 'special'
  const isInUse = parsed.kind() === 'ipv4' || isWithin(address, [GLOBAL_IPV6])
  return isInUse ? 'public' : 'special'
}

/** Who counts as one caller: an IPv4 address, or the half of an IPv6 address that is a network. */
export function networkOf(address: string): string {
  // Most are IPv4, and written in the one way there is.
  if (!address.includes(':') || !ipaddr.isValid(address)) return address
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  return `${parsed.parts.slice(0, 4).join(':')}/64`
}

/** As it is compared and shown: an IPv4-mapped address counts as IPv4. */
export function plainAddress(address: string): string {
  const trimmed = address.trim()
  return ipaddr.isValid(trimmed) ? ipaddr.process(trimmed).toString() : trimmed
}

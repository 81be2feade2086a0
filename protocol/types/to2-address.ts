/** RVTO2Addr: where the Owner waits for its Device. FDO 1.1, "RVTO2Addr". */
import {
  type Infer,
  type Schema,
  decodeAs,
  encodeAs,
  listOf,
  mismatch,
  nullable,
  text,
  tuple,
  uint16,
  uint8,
} from '../cbor/schema.ts'
import { IpAddress, formatIp, parseIp } from './ip-address.ts'
import { type Target, isHost, targetsOf } from './rendezvous-plan.ts'

/** `TransportProtocol`. The numbers are not those of the rendezvous variable RVProtocol. */
const TransportProtocol = { tcp: 1, tls: 2, http: 3, coap: 4, https: 5, coaps: 6 } as const
export type TransportProtocol = keyof typeof TransportProtocol

/** `RVTO2AddrEntry = [RVIP / null, RVDNS / null, RVPort: uint16, RVProtocol]`. */
const To2Address = tuple({
  ip: nullable(IpAddress),
  dns: nullable(text),
  port: uint16,
  protocol: uint8,
})
export type To2Address = Infer<typeof To2Address>

/** `RVTO2Addr = [+ RVTO2AddrEntry]`, tried in order. */
export const To2Addresses: Schema<readonly To2Address[]> = listOf(To2Address, 1)
export type To2Addresses = Infer<typeof To2Addresses>

/** Why a rendezvous server must not hand these addresses on; undefined if it may. */
export function findAddressFlaw(addresses: To2Addresses): string | undefined {
  for (const [i, { ip, dns, port, protocol }] of addresses.entries()) {
    if (!ip && !dns) return `address ${i} has neither IP nor DNS`
    if (port === 0) return `address ${i} has port 0`
    if (!protocolName(protocol)) return `address ${i} has the unknown protocol ${protocol}`
  }
  return undefined
}

/** What a Device that speaks HTTP tries, in order; what it cannot follow is left out. */
export function planTo2(addresses: To2Addresses): readonly Target[] {
  return addresses.flatMap(({ ip, dns, port, protocol }) => {
    const scheme = protocolName(protocol)
    if ((scheme !== 'http' && scheme !== 'https') || port === 0) return []
    return targetsOf(dns && isHost(dns) ? dns : undefined, ip ?? undefined, [{ scheme, port }])
  })
}

function protocolName(protocol: number): TransportProtocol | undefined {
  const names = Object.keys(TransportProtocol) as TransportProtocol[]
  return names.find((name) => TransportProtocol[name] === protocol)
}

/** As people, configuration files and the management API write one. */
export interface To2AddressText {
  readonly dns?: string
  readonly ip?: string
  readonly port: number
  /** A name, or the number of a protocol that has none. */
  readonly protocol: TransportProtocol | number
}

/** For showing. */
export function describeTo2Addresses(addresses: To2Addresses): readonly To2AddressText[] {
  return addresses.map(({ ip, dns, port, protocol }) => ({
    ...(dns && { dns }),
    ...(ip && { ip: formatIp(ip) }),
    port,
    protocol: protocolName(protocol) ?? protocol,
  }))
}

/** From parsed JSON; throws MESSAGE_BODY_ERROR naming what is wrong with it. */
export function to2AddressesFromText(json: unknown): To2Addresses {
  if (!Array.isArray(json) || json.length === 0) {
    return mismatch('owner addresses', 'a list of at least one address')
  }
  const addresses = json.map((one, i) => addressFrom(one, `owner addresses [${i}]`))
  const flaw = findAddressFlaw(addresses)
  if (flaw) mismatch('owner addresses', `usable ones: ${flaw}`)
  // Read again: the schema checks ranges when it reads.
  return decodeAs(To2Addresses, encodeAs(To2Addresses, addresses), 'owner addresses')
}

const NAMES = ['dns', 'ip', 'port', 'protocol']

function addressFrom(json: unknown, path: string): To2Address {
  if (typeof json !== 'object' || json === null) return mismatch(path, 'an object')
  for (const name of Object.keys(json)) {
    if (!NAMES.includes(name)) mismatch(`${path}.${name}`, 'no such name')
  }
  const { dns, ip, port, protocol }: Record<string, unknown> = { ...json }
  const address = ip === undefined ? null : typeof ip === 'string' ? parseIp(ip) : undefined
  if (address === undefined) return mismatch(`${path}.ip`, 'an IP address')
  if (dns !== undefined && !(typeof dns === 'string' && isHost(dns))) {
    return mismatch(`${path}.dns`, 'a DNS name')
  }
  if (!Number.isInteger(port)) return mismatch(`${path}.port`, 'a port number')
  const names: Record<string, number> = TransportProtocol
  const number = typeof protocol === 'string' ? names[protocol] : undefined
  if (number === undefined) return mismatch(`${path}.protocol`, Object.keys(names).join(', '))
  return { ip: address, dns: dns ?? null, port: Number(port), protocol: number }
}

/** The names of a TLS server: what clients may call it by. RFC 6125, section 1.8. */
import type { Bytes } from '../../protocol/bytes.ts'
import { parseIp } from '../../protocol/types/ip-address.ts'
import { type AlternativeName, name } from './der.ts'

const MAX_CHARACTERS = 64

/** `hosts` are DNS names and IP addresses, the latter with or without brackets. */
export function serverName(hosts: readonly string[]): {
  subject: Bytes
  alternativeNames: readonly AlternativeName[]
} {
  const unique = [...new Set(hosts.map((host) => host.replace(/^\[(.*)\]$/, '$1')))]
  const alternativeNames = unique.map((host): AlternativeName => {
    const ip = parseIp(host)
    return ip ? { ip } : { dns: host }
  })
  // A label for people: TLS clients look at the alternative names only.
  const title = unique.find((host) => host.length <= MAX_CHARACTERS) ?? 'firstlight'
  return { subject: name(['commonName', title]), alternativeNames }
}

/**
 * Which addresses may be connected to where somebody else named them: in a voucher, as a push
 * target, as a webhook. Public ones, what the configuration allows, and where we are reached
 * ourselves. Everything else may be a way into the network behind us.
 */
import { type AddressKind, type Ranges, kindOf, isWithin } from '../addresses.ts'
import type { Config } from '../config.ts'

const LOOPBACK: Ranges = ['127.0.0.0/8', '::1/128']
const PRIVATE: Ranges = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
]

type PlaceOfService = Pick<Config, 'publicUrl' | 'hosts' | 'outboundAllow'>

export class OutboundPolicy {
  readonly #allowed: Ranges
  readonly #own = new Set<string>()

  constructor(config: PlaceOfService) {
    this.#allowed = config.outboundAllow ?? defaultRanges(config)
  }

  /** The service is reached at this URL: so may it be by itself, whatever address that is. */
  admitOwn(url: string): void {
    if (!URL.canParse(url)) return
    const { hostname, port, protocol } = new URL(url)
    this.#own.add(endpoint(hostname, Number(port) || (protocol === 'https:' ? 443 : 80)))
  }

  /** `host` as it was named, `address` what it stands for. */
  permits(host: string, port: number, address: string): boolean {
    return (
      kindOf(address) === 'public' ||
      isWithin(address, this.#allowed) ||
      this.#own.has(endpoint(host, port))
    )
  }
}

/** A service that only its own machine or its own network can reach is at home there. */
function defaultRanges({ publicUrl, hosts }: PlaceOfService): Ranges {
  const reachedAt = publicUrl === undefined ? hosts : [new URL(publicUrl).hostname]
  const kinds = reachedAt.map(kindOfHost)
  if (kinds.every((kind) => kind === 'loopback')) return LOOPBACK
  if (kinds.every((kind) => kind === 'loopback' || kind === 'private')) return PRIVATE
  return []
}

/** Of a name nothing is known here: it may well be public. */
function kindOfHost(host: string): AddressKind {
  const name = bare(host)
  return name === 'localhost' ? 'loopback' : kindOf(name)
}

function endpoint(host: string, port: number): string {
  return `${bare(host)} ${port}`
}

function bare(host: string): string {
  return host.replace(/^\[(.*)\]$/, '$1').toLowerCase()
}

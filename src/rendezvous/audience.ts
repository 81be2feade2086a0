/**
 * For which rendezvous a request of an owner elsewhere was signed. By the host alone: vouchers name
 * it with ports and protocols of their own, beside those of the public URL, and whoever listens to
 * another port of this host gains nothing by a request that is good for minutes.
 */
import { kindOf } from '../addresses.ts'

/** Whether it names a host that one of these URLs has. */
export function isMeantFor(audience: string, urls: readonly string[]): boolean {
  const host = hostOf(audience)
  return host !== undefined && urls.some((url) => hostOf(url) === host)
}

/** All names of this very machine are one. */
function hostOf(url: string): string | undefined {
  if (!URL.canParse(url)) return undefined
  const host = new URL(url).hostname.replace(/^\[(.*)\]$/, '$1').replace(/\.$/, '')
  const isHere = host === 'localhost' || kindOf(host) === 'loopback'
  return isHere ? 'localhost' : host || undefined
}

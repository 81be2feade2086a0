/** Where an OpenID provider publishes its keys. OpenID Connect Discovery 1.0; RFC 8414. */
import type { Outgoing } from '../ports.ts'
import { KeysRefused } from '../public-keys.ts'
import { fetchJson, publishedAt } from '../remote-documents.ts'

/** Throws KeysRefused, with what both places said, where neither names the issuer and its keys. */
export async function discoverKeys(outgoing: Outgoing, issuer: string): Promise<string> {
  const reasons: string[] = []
  for (const url of placesOf(issuer)) {
    try {
      return keysIn(await fetchJson(outgoing, url), issuer, url)
    } catch (error) {
      if (!(error instanceof KeysRefused)) throw error
      reasons.push(error.message)
    }
  }
  throw new KeysRefused(reasons.join('; '))
}

/** OpenID Connect appends to the path of the issuer, OAuth puts it before. */
function placesOf(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  return [
    `${origin}${path}/.well-known/openid-configuration`,
    `${origin}/.well-known/oauth-authorization-server${path}`,
  ]
}

function keysIn(document: unknown, issuer: string, url: string): string {
  const metadata = typeof document === 'object' && document !== null ? document : {}
  const named = 'issuer' in metadata ? metadata.issuer : undefined
  if (named !== issuer) {
    throw new KeysRefused(`${url} is of the issuer ${JSON.stringify(named)}, not ${issuer}`)
  }
  const keys = 'jwks_uri' in metadata ? metadata.jwks_uri : undefined
  if (typeof keys === 'string' && publishedAt(keys)) return keys
  throw new KeysRefused(`${url} names no jwks_uri that is an https URL`)
}

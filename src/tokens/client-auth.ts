/** How clients prove themselves to the OAuth server, as far as that is ours to decide. */
import type { Configuration, Provider } from 'oidc-provider'
import type { Bytes } from '../../protocol/bytes.ts'
import type { MachineClients } from '../callers/clients/service.ts'
import { KeysRefused } from '../callers/public-keys.ts'
import type { RemoteKeys } from '../callers/remote-documents.ts'
import type { Clock } from '../clock.ts'
import type { Log } from '../log.ts'
import { deviceUrn } from '../pki/profiles.ts'
import { isSameHash } from '../secrets/hash.ts'
import { machineUrn, tokenRequests } from './clients.ts'
import type { Names } from './names.ts'

type Library = typeof import('oidc-provider')
type Features = NonNullable<Configuration['features']>
type CheckAssertion = NonNullable<Configuration['assertJwtClientAuthClaimsAndHeader']>

/** A device by its certificate in force, a program by one that isShownBy approves of. */
export function mutualTls(): Features['mTLS'] {
  return {
    enabled: true,
    certificateBoundAccessTokens: true,
    tlsClientAuth: true,
    getCertificate() {
      const certificate = certificateOfClient()
      return certificate && Buffer.from(certificate).toString('base64')
    },
    certificateAuthorized: () => certificateOfClient() !== undefined,
    certificateSubjectMatches(_, property, expected) {
      const { device, machine } = tokenRequests.getStore() ?? {}
      if (property !== 'tls_client_auth_san_uri') return false
      if (machine) return machine.isCertified && expected === machineUrn(machine.id)
      return device !== undefined && expected === deviceUrn(device.deviceId)
    },
  }
}

function certificateOfClient(): Bytes | undefined {
  const { certificate, device, machine } = tokenRequests.getStore() ?? {}
  const isIt = machine ? machine.isCertified : device !== undefined
  return isIt ? certificate : undefined
}

const MOST_LIFETIME_SECONDS = 300
/** By which clocks may differ; as the library has it. */
export const SKEW_SECONDS = 15
const MOST_ID_CHARS = 1024

export interface AssertionServices {
  readonly names: Names
  readonly machines: Pick<MachineClients, 'useAssertion'>
  readonly clock: Clock
}

/** An assertion whose signature is right: is it for us alone, short-lived, and new? RFC 7523. */
export function checkAssertion(
  { names, machines, clock }: AssertionServices,
  { errors }: Library,
): CheckAssertion {
  const ours = new Set([names.issuer, names.tokenEndpoint])
  return async (_, { aud, exp, jti }, __, client) => {
    const [audience, ...others] = Array.isArray(aud) ? aud : [aud]
    // What names others, too, could have come from them.
    if (others.length > 0 || typeof audience !== 'string' || !ours.has(audience)) {
      throw new errors.InvalidClientAuth('aud: neither our issuer nor our token endpoint, alone')
    }
    const now = clock.now().getTime() / 1000
    if (typeof exp !== 'number' || exp > now + MOST_LIFETIME_SECONDS + SKEW_SECONDS) {
      throw new errors.InvalidClientAuth(`exp: more than ${MOST_LIFETIME_SECONDS} seconds from now`)
    }
    if (typeof jti !== 'string' || jti.length > MOST_ID_CHARS) {
      throw new errors.InvalidClientAuth(`jti: not a text of at most ${MOST_ID_CHARS} characters`)
    }
    const until = new Date((exp + 2 * SKEW_SECONDS) * 1000)
    if (await machines.useAssertion(client.clientId, jti, until)) return
    throw new errors.InvalidClientAuth('jti: this assertion has been used')
  }
}

/** Its own way takes the audience from the Host header, which whoever replays would choose. */
export function expectOwnAudience(provider: Provider, names: Names): void {
  Object.assign(provider.OIDCContext.prototype, {
    clientJwtAuthExpectedAudience: () => new Set([names.issuer, names.tokenEndpoint]),
  })
}

/** The server's idea of a secret is the hash that we keep of it. */
export function compareSecrets(provider: Provider): void {
  provider.Client.prototype.compareClientSecret = function compare(actual: string) {
    return isSameHash(this.clientSecret, actual)
  }
}

/** The keys that clients publish, which the server asks for when those it knows do not fit. */
export function fetchOfKeys(keys: RemoteKeys, log: Log): NonNullable<Configuration['fetch']> {
  return async (url) => {
    try {
      return Response.json({ keys: await keys.newestAt(String(url)) })
    } catch (error) {
      if (!(error instanceof KeysRefused)) throw error
      log.info({ reason: error.message }, 'the keys of a client could not be had')
      return Response.json({}, { status: 502 })
    }
  }
}

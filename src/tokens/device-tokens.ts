/** Access tokens for devices that are being onboarded: what the token endpoint would give them later. */
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import {
  type DeviceToken,
  TokenRefusal,
  type WantedToken,
} from '../../protocol/service-info/token-issuer.ts'
import type { FindDevice } from './clients.ts'
import { type Addresses, namesOf } from './names.ts'
import type { OAuthServer } from './provider.ts'
import { knownScopes } from './scopes.ts'

export interface DeviceTokensServices {
  readonly addresses: Addresses
  readonly findDevice: FindDevice
  readonly server: () => Promise<OAuthServer>
}

/** What a token would be good for. */
export interface TokenGrant {
  readonly audience: string
  readonly scopes: readonly string[]
}

export class DeviceTokens {
  readonly #services: DeviceTokensServices

  constructor(services: DeviceTokensServices) {
    this.#services = services
  }

  /** What devices' tokens are for; undefined where no device can show its certificate. */
  audience(): string | undefined {
    const { addresses } = this.#services
    return addresses.tlsUrl() === '' ? undefined : namesOf(addresses).deviceApi
  }

  /** Of what is wanted, what the device holds now. Throws TokenRefusal. */
  async grantTo(deviceId: string, wanted: WantedToken): Promise<TokenGrant> {
    const audience = this.audience()
    if (audience === undefined) throw new TokenRefusal('there is no TLS listener to use it at')
    if (wanted.audience !== null && wanted.audience !== audience) {
      throw new TokenRefusal(`devices have tokens for ${audience} only, not for ${wanted.audience}`)
    }
    const device = await this.#services.findDevice(deviceId)
    if (!device) throw new TokenRefusal('the device is not one of ours any more')
    const held = knownScopes(device.scopes)
    const scopes = held.filter((scope) => wanted.scopes?.includes(scope) ?? true)
    if (scopes.length > 0) return { audience, scopes }
    const lacking = wanted.scopes?.join(' ') ?? 'any scope'
    throw new TokenRefusal(`the group of the device does not let its tokens carry ${lacking}`)
  }

  /** Bound to a certificate that need not be in force yet; the token is not before it is. */
  async issue(deviceId: string, certificate: Bytes, wanted: WantedToken): Promise<DeviceToken> {
    const { scopes } = await this.grantTo(deviceId, wanted)
    const server = await this.#services.server()
    const issued = await server.issue({ deviceId, certificate, scopes })
    return { document: utf8(`${JSON.stringify(issued, null, 2)}\n`), scopes }
  }
}

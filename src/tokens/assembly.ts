/** Where devices and programs get their tokens, and use them: joined to what they stand on. */
import { RemoteKeys } from '../callers/remote-documents.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { FindPrincipal, ResourceMetadata } from '../http/authenticate.ts'
import type { Pki } from '../pki/service.ts'
import type { Services } from '../services.ts'
import { findMachine, isOwnToken } from './api-callers.ts'
import type { FindDevice } from './clients.ts'
import { deviceApi } from './device-api/routes.ts'
import { DeviceTokens } from './device-tokens.ts'
import { type Addresses, managementApiAt, metadataUrlOf, namesOf } from './names.ts'
import { loadProvider } from './provider.ts'
import { tokenRoutes } from './routes.ts'
import { TOKEN_KEY_PURPOSE, signingKeyOf } from './signing-key.ts'
import { type NoteStranger, Strangers } from './strangers.ts'

export interface TokensServices extends Services {
  readonly pki: Pki
  readonly findDevice: FindDevice
  readonly noteStranger: NoteStranger
  readonly addresses: Addresses
}

export interface Tokens {
  /** For those that are being onboarded. */
  readonly devices: DeviceTokens
  readonly routers: readonly ReturnType<typeof tokenRoutes>[]
  /** Whether we have issued it, as it says itself; */
  readonly isOwnToken: (token: string) => boolean
  /** then, which program calls with it. */
  readonly findMachine: FindPrincipal
  /** Of the management API. */
  readonly resourceMetadata: ResourceMetadata
}

export async function openTokens(services: TokensServices): Promise<Tokens> {
  const { config, keyStore, machines, clock, outbound, addresses } = services
  const key = signingKeyOf(await keyStore.ring(HOME_PARTY).signer(TOKEN_KEY_PURPOSE, 'p256'))
  const strangers = new Strangers(services)
  const keys = new RemoteKeys(outbound, clock)
  const server = onceAsked(() =>
    loadProvider({ ...services, key, keys, names: namesOf(addresses) }),
  )
  const own = { ...services, key, strangers, server, trustedProxies: config.trustedProxies }
  return {
    devices: new DeviceTokens(own),
    routers: [tokenRoutes(own), ...(config.roles.includes('owner') ? [deviceApi(own)] : [])],
    resourceMetadata: (host) => metadataUrlOf(managementApiAt(namesOf(addresses), host)),
    isOwnToken: (token) => isOwnToken(addresses, token),
    findMachine: findMachine({ addresses, key, machines, now: () => clock.now() }),
  }
}

function onceAsked<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

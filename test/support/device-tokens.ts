/** Access tokens for devices in TO2, and the check that a resource of ours makes of them. */
import type { Bytes } from '../../protocol/bytes.ts'
import { RemoteKeys } from '../../src/callers/remote-documents.ts'
import type { Clock } from '../../src/clock.ts'
import { createEvents } from '../../src/events.ts'
import { silentLog } from '../../src/log.ts'
import type { Pki } from '../../src/pki/service.ts'
import type { FindDevice } from '../../src/tokens/clients.ts'
import { DeviceTokens } from '../../src/tokens/device-tokens.ts'
import { namesOf } from '../../src/tokens/names.ts'
import { type OAuthServer, loadProvider } from '../../src/tokens/provider.ts'
import { signingKeyOf } from '../../src/tokens/signing-key.ts'
import { findCaller } from '../../src/tokens/verify.ts'
import { memoryKeys } from './pki.ts'

const URL = 'https://x.test'

export async function openDeviceTokens({
  findDevice,
  pki,
  clock,
  hasTls = true,
}: {
  readonly findDevice: FindDevice
  readonly pki: Pki
  readonly clock: Clock
  readonly hasTls?: boolean
}) {
  let url = URL
  const addresses = { publicUrl: () => url, tlsUrl: () => (hasTls ? url : '') }
  const key = signingKeyOf(await memoryKeys().signer('token-signing'))
  const names = namesOf(addresses)
  let loaded: Promise<OAuthServer> | undefined
  const server = () =>
    (loaded ??= loadProvider({
      ...{ key, names, findDevice, clock, log: silentLog, events: createEvents(silentLog) },
      machines: { findActive: async () => undefined, useAssertion: async () => false },
      keys: new RemoteKeys({ request: () => Promise.reject(new Error('offline')) }, clock),
    }))
  const { issuer, deviceApi: audience } = names
  return {
    ...{ url: URL, audience },
    /** The service is reached at another address from now on. */
    moveTo: (address: string) => void (url = address),
    deviceTokens: new DeviceTokens({ addresses, findDevice, server }),
    /** As at /device/v1: whoever calls with this token and shows this certificate, if anybody. */
    findCaller: (token: string, certificate: Bytes | undefined) =>
      // The OAuth server goes by the real time.
      findCaller(
        { issuer, audience, key, now: () => new Date(), pki, findDevice },
        token,
        certificate,
      ),
  }
}

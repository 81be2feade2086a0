/** /device/v1, where a device uses its token. */
import { type Context, Hono } from 'hono'
import { certificatesToPem } from '../../../protocol/x509/pem.ts'
import {
  type AppEnv,
  bearerTokenOf,
  notAuthenticated,
  notPermitted,
} from '../../http/authenticate.ts'
import { IncomingSource } from '../../http/source.ts'
import type { Pki } from '../../pki/service.ts'
import { deviceApiMetadata } from '../metadata.ts'
import { DEVICE_API_PATH, RESOURCE_METADATA_PATH, metadataUrlOf, namesOf } from '../names.ts'
import { CACHE_FOR_MINUTES, type TokenServices } from '../routes.ts'
import type { DeviceScope } from '../scopes.ts'
import { type DeviceCaller, findCaller } from '../verify.ts'

export interface DeviceApiServices extends Pick<
  TokenServices,
  'addresses' | 'key' | 'findDevice' | 'clock' | 'trustedProxies'
> {
  readonly pki: Pick<Pki, 'findActiveCertificate' | 'trustBundle'>
}

export function deviceApi(services: DeviceApiServices): Hono<AppEnv> {
  return new Hono<AppEnv>()
    .get(RESOURCE_METADATA_PATH + DEVICE_API_PATH, (c) =>
      c.json(deviceApiMetadata(namesOf(services.addresses)), 200, CACHE_FOR_MINUTES),
    )
    .get(`${DEVICE_API_PATH}/whoami`, async (c) => {
      const { deviceId, guid, granted } = await admit(c, services, 'device:whoami')
      return c.json({ device_id: deviceId, guid, scopes: granted })
    })
    .get(`${DEVICE_API_PATH}/certificate`, async (c) => {
      const caller = await admit(c, services, 'device:certificate')
      return c.json(certificateView(caller, services.pki))
    })
}

function certificateView(
  { serial, notBefore, notAfter, certificate }: DeviceCaller,
  pki: Pick<Pki, 'trustBundle'>,
) {
  const lifetimeMs = notAfter.getTime() - notBefore.getTime()
  return {
    serial,
    not_before: notBefore.toISOString(),
    not_after: notAfter.toISOString(),
    /** When two thirds of its life are over. */
    renew_after: new Date(notBefore.getTime() + (2 * lifetimeMs) / 3).toISOString(),
    certificate: certificatesToPem([certificate]),
    ca: certificatesToPem(pki.trustBundle()),
  }
}

/** The calling device, if its token carries the scope; throws a Problem. */
async function admit(
  c: Context<AppEnv>,
  services: DeviceApiServices,
  scope: DeviceScope,
): Promise<DeviceCaller> {
  const token = bearerTokenOf(c)
  const { issuer, deviceApi: audience } = namesOf(services.addresses)
  const verifying = { ...services, issuer, audience, now: () => services.clock.now() }
  const caller =
    token === undefined ? undefined : await findCaller(verifying, token, certificateOf(c, services))
  const metadata = metadataUrlOf(audience)
  if (!caller) throw notAuthenticated(token, metadata)
  if (!caller.granted.includes(scope)) {
    throw notPermitted(scope, 'scope', metadata)
  }
  return caller
}

function certificateOf(c: Context<AppEnv>, { trustedProxies }: DeviceApiServices) {
  const { incoming } = c.env
  return incoming && new IncomingSource(incoming, trustedProxies).clientCertificate
}

/** /api/v1/rendezvous-info and /api/v1/owner-addresses: what devices are told, changed live. */
import { z } from '@hono/zod-openapi'
import { type Route, route } from '../http/route.ts'
import type { AddressSettings } from './addresses.ts'
import type { Current } from './setting.ts'

const port = z.number().int().min(1).max(65_535)
const certificateHash = z.string().regex(/^(sha256|sha384):[0-9a-f]+$/i)

/** The names of protocol/types/rendezvous-text.ts, which has the last word. */
export const Directive = z
  .strictObject({
    dns: z.string().optional(),
    ip: z.string().optional(),
    dev_port: port.optional(),
    owner_port: port.optional(),
    protocol: z.enum(['rest', 'http', 'https', 'tcp', 'tls', 'coap-tcp', 'coap-udp']).optional(),
    delay_seconds: z.number().int().min(0).max(0xffff_ffff).optional(),
    dev_only: z.boolean().optional(),
    owner_only: z.boolean().optional(),
    bypass: z.boolean().optional(),
    user_input: z.boolean().optional(),
    medium: z.number().int().min(0).max(21).optional(),
    wifi_ssid: z.string().optional(),
    wifi_pw: z.string().optional(),
    sv_cert_hash: certificateHash.optional(),
    cl_cert_hash: certificateHash.optional(),
    ext_rv: z.string().optional(),
  })
  .openapi('RendezvousDirective')

const RendezvousInfoDocument = z.object({ directives: z.array(Directive).min(1).max(32) })

const Address = z
  .strictObject({
    dns: z.string().optional(),
    ip: z.string().optional(),
    port,
    protocol: z.enum(['tcp', 'tls', 'http', 'coap', 'https', 'coaps']),
  })
  .openapi('OwnerAddress')

const OwnerAddressesDocument = z.object({ addresses: z.array(Address).min(1).max(32) })

/** True while nobody has set anything: derived from FIRSTLIGHT_PUBLIC_URL. */
const withDefault = { is_default: z.boolean() }

const RendezvousInfoView = RendezvousInfoDocument.extend({
  ...withDefault,
  hint: z.string().nullable().openapi({ description: 'what is wrong with the default here' }),
})

type Settings = Pick<AddressSettings, 'rendezvousInfo' | 'ownerAddresses' | 'rendezvousHint'>

export function addressRoutes(settings: Settings): Route[] {
  const { rendezvousInfo, ownerAddresses } = settings
  const directives = (current: Current<unknown>) => ({
    directives: z.array(Directive).parse(current.json),
    is_default: current.isDefault,
    hint: settings.rendezvousHint(current),
  })
  const addresses = ({ json, isDefault }: Current<unknown>) => ({
    addresses: z.array(Address).parse(json),
    is_default: isDefault,
  })
  return [
    route({
      method: 'get',
      path: '/rendezvous-info',
      summary: 'Where new devices are told to look for their owner',
      permission: 'rendezvous-info:read',
      result: RendezvousInfoView,
      handle: async ({ principal }) => directives(await rendezvousInfo.current(principal.party)),
    }),
    route({
      method: 'put',
      path: '/rendezvous-info',
      summary: 'Tell new devices, and those that get a new owner, to look elsewhere',
      permission: 'rendezvous-info:write',
      body: RendezvousInfoDocument,
      result: RendezvousInfoView,
      handle: async ({ body, principal }) =>
        directives(await rendezvousInfo.replace(principal, body.directives)),
    }),
    route({
      method: 'get',
      path: '/owner-addresses',
      summary: 'Where the rendezvous sends our devices',
      permission: 'owner-address:read',
      result: OwnerAddressesDocument.extend(withDefault),
      handle: async ({ principal }) => addresses(await ownerAddresses.current(principal.party)),
    }),
    route({
      method: 'put',
      path: '/owner-addresses',
      summary: 'Have the rendezvous send our devices elsewhere',
      permission: 'owner-address:write',
      body: OwnerAddressesDocument,
      result: OwnerAddressesDocument.extend(withDefault),
      handle: async ({ body, principal }) =>
        addresses(await ownerAddresses.replace(principal, body.addresses)),
    }),
  ]
}

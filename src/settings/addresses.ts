/** Where devices are told to look: for the rendezvous, and from there for their owner. */
import type { Kept } from '../../protocol/cbor/schema.ts'
import { parseIp } from '../../protocol/types/ip-address.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import { rendezvousInfoFromText } from '../../protocol/types/rendezvous-text.ts'
import { type To2Addresses, to2AddressesFromText } from '../../protocol/types/to2-address.ts'
import { Setting, type SettingServices } from './setting.ts'

export interface AddressServices extends SettingServices {
  /** Where this service is reached; known once it listens. */
  readonly publicUrl: () => string
}

/** What goes into the vouchers made here, and to devices that get a new owner. */
export function rendezvousInfoSetting(services: AddressServices): Setting<Kept<RendezvousInfo>> {
  return new Setting(services, {
    name: 'rendezvous-info',
    changed: 'rendezvous-info-changed',
    parse: rendezvousInfoFromText,
    fallback() {
      const { host, port, protocol } = endpointOf(services.publicUrl())
      return [{ ...host, dev_port: port, owner_port: port, protocol }]
    },
  })
}

/** Where the rendezvous is told to send our devices. */
export function ownerAddressesSetting(services: AddressServices): Setting<To2Addresses> {
  return new Setting(services, {
    name: 'owner-addresses',
    changed: 'owner-addresses-changed',
    parse: to2AddressesFromText,
    fallback() {
      const { host, port, protocol } = endpointOf(services.publicUrl())
      return [{ ...host, port, protocol }]
    },
  })
}

function endpointOf(publicUrl: string) {
  const { protocol, hostname, port } = new URL(publicUrl)
  const isHttps = protocol === 'https:'
  const name = hostname.replace(/^\[|\]$/g, '')
  return {
    host: parseIp(name) ? { ip: name } : { dns: name },
    port: port === '' ? (isHttps ? 443 : 80) : Number(port),
    protocol: isHttps ? 'https' : 'http',
  }
}

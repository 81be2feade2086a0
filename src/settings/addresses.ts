/** Where devices are told to look: for the rendezvous, and from there for their owner. */
import type { Kept } from '../../protocol/cbor/schema.ts'
import { parseIp } from '../../protocol/types/ip-address.ts'
import type { RendezvousInfo } from '../../protocol/types/rendezvous-info.ts'
import { rendezvousInfoFromText } from '../../protocol/types/rendezvous-text.ts'
import { type To2Addresses, to2AddressesFromText } from '../../protocol/types/to2-address.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { Log } from '../log.ts'
import { type Current, Setting, type SettingServices } from './setting.ts'

export interface AddressServices extends SettingServices {
  /** Where this service is reached; known once it listens. */
  readonly publicUrl: () => string
}

export interface AddressSettings {
  readonly rendezvousInfo: Setting<Kept<RendezvousInfo>>
  readonly ownerAddresses: Setting<To2Addresses>
  /** What devices get that are onboarded here; undefined where they keep what they came with. */
  readonly rendezvousInfoOfOwned: {
    value(party: string): Promise<Kept<RendezvousInfo> | undefined>
  }
  /** What its administrators should know of rendezvous info that they have not set. */
  rendezvousHint(current: Pick<Current<unknown>, 'isDefault'>): string | null
}

const NOBODY_THERE =
  'no rendezvous answers at this service: devices that are onboarded keep the rendezvous info they ' +
  'came with, and those made here would ask in vain; set where they are to look'

/** `hasRendezvous`: whether our own address answers who looks for a rendezvous. */
export function addressSettings(
  services: AddressServices & { readonly hasRendezvous: boolean },
): AddressSettings {
  const rendezvousInfo = rendezvousInfoSetting(services)
  const isInVain = ({ isDefault }: Pick<Current<unknown>, 'isDefault'>) =>
    isDefault && !services.hasRendezvous
  return {
    rendezvousInfo,
    ownerAddresses: ownerAddressesSetting(services),
    rendezvousInfoOfOwned: {
      async value(party) {
        const current = await rendezvousInfo.current(party)
        return isInVain(current) ? undefined : current.value
      },
    },
    rendezvousHint: (current) => (isInVain(current) ? NOBODY_THERE : null),
  }
}

/** At the start: who never looks at the setting would hear of it from devices that are lost. */
export async function warnOfDefaults(
  { rendezvousInfo, rendezvousHint }: AddressSettings,
  log: Log,
): Promise<void> {
  try {
    const hint = rendezvousHint(await rendezvousInfo.current(HOME_PARTY))
    if (hint !== null) log.warn({ setting: 'rendezvous-info' }, hint)
  } catch (err) {
    log.error({ err }, 'the rendezvous info could not be read')
  }
}

/** What goes into the vouchers made here, and to devices that get a new owner. */
function rendezvousInfoSetting(services: AddressServices): Setting<Kept<RendezvousInfo>> {
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
function ownerAddressesSetting(services: AddressServices): Setting<To2Addresses> {
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

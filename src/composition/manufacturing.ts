/** DI, and the orders behind it, joined to the other domains. Part of the composition root. */
import { toHex } from '../../protocol/bytes.ts'
import { HOME_PARTY } from '../database/tables.ts'
import type { ListenerName } from '../http/source.ts'
import {
  type Manufacturing,
  type ManufacturingServices,
  openManufacturing,
} from '../manufacturing/assembly.ts'
import type { Services } from '../services.ts'
import type { Transfer } from '../transfer/assembly.ts'
import { BroughtVouchers } from '../vouchers/brought.ts'
import { firstOwnerOf } from './first-owner.ts'
import type { Ground } from './ground.ts'
import { readAuthorities } from './trust.ts'

export function manufacturingOf(
  services: Services,
  { pki, devices, vouchers, ledger, settings }: Ground,
  { rules }: Transfer,
  outward: Pick<ManufacturingServices, 'publicUrl' | 'tlsUrl' | 'connect'>,
): Manufacturing {
  const { config, keyStore } = services
  const { diAllow: allow, diClientCaFile, uniqueSerials } = config
  const clientAnchors =
    diClientCaFile === undefined
      ? undefined
      : readAuthorities('FIRSTLIGHT_DI_CLIENT_CA', diClientCaFile)
  return openManufacturing({
    ...services,
    ...outward,
    ...{ pki, devices, uniqueSerials, rendezvousInfo: settings.rendezvousInfo },
    vouchers: {
      async voucherMade(tx, made) {
        await vouchers.voucherMade(tx, made)
        rules.wakeFor(made.party, toHex(made.guid))
      },
    },
    brought: new BroughtVouchers(ledger),
    listeners: listenersOf(config),
    party: HOME_PARTY,
    door: { allow, clientAnchors },
    firstOwner: firstOwnerOf(services),
    ruledOwner: (...device) => rules.firstOwner(...device),
    ringOf: (party) => keyStore.ring(party),
    certify: (spki) => pki.certifyVoucherKey(spki),
    findSerial: (named, tx) => devices.findIdBySerial(named, tx),
  })
}

function listenersOf({ port, tlsPort }: Services['config']): ReadonlySet<ListenerName> {
  return new Set([
    ...(port === undefined ? [] : (['http'] as const)),
    ...(tlsPort === undefined ? [] : (['https'] as const)),
  ])
}

/** What all roles stand on: keys, devices, vouchers and settings. Part of the composition root. */
import { algorithmFor } from '../../protocol/crypto/public-key.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { DeviceService } from '../devices/service.ts'
import { MANUFACTURER, OWNER } from '../manufacturing/keys.ts'
import { Pki } from '../pki/service.ts'
import type { Services } from '../services.ts'
import { addressSettings } from '../settings/addresses.ts'
import { VoucherDesk } from '../vouchers/desk.ts'
import { VoucherLedger } from '../vouchers/ledger.ts'
import { VoucherService } from '../vouchers/service.ts'
import { trustPolicySetting } from '../vouchers/trust/policy.ts'
import { deviceAuthorities, listenerAuthorities } from './trust.ts'

export type Ground = Awaited<ReturnType<typeof groundOf>>

export async function groundOf(services: Services, publicUrl: () => string) {
  const { config, database, clock, audit, randomBytes, keyStore, parties } = services
  const pki = await Pki.open({
    ...{ database, randomBytes, keys: keyStore.ring(HOME_PARTY) },
    now: () => clock.now(),
  })
  pki.addServerAnchors(listenerAuthorities(config))
  const authorities = deviceAuthorities(config, pki.deviceAnchors())
  const devices = await DeviceService.open({ database, clock, audit })
  parties.opensWith((tx, party) => devices.openFor(tx, party))
  const trustPolicy = trustPolicySetting({ database, clock, audit })
  const ledger = new VoucherLedger({
    ...services,
    devices,
    deviceCas: authorities,
    trustPolicy: (party) => trustPolicy.value(party),
    findManufacturerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(MANUFACTURER, key.spki, algorithmFor(type, key.kind)),
    findHolders: ({ key }) => keyStore.holders(OWNER, key.spki),
    hasOwnerKey: (tx, { party, owner_key: fingerprint }) =>
      keyStore.has(tx, { party, purpose: OWNER, fingerprint }),
    findOwnerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(OWNER, key.spki, algorithmFor(type, key.kind)),
  })
  const hasRendezvous = config.roles.includes('rendezvous')
  const settings = addressSettings({ database, clock, audit, publicUrl, hasRendezvous })
  return {
    pki,
    authorities,
    devices,
    ledger,
    settings,
    trustPolicy,
    vouchers: new VoucherService(ledger),
    desk: new VoucherDesk(ledger),
  }
}

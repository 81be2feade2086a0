/** The domains of the roles this service plays, joined to each other. Part of the composition root. */
import type { Hono } from 'hono'
import { HOME_PARTY } from '../database/tables.ts'
import { deviceRoutes, groupRoutes } from '../devices/routes.ts'
import type { Exchange } from '../fdo/exchange.ts'
import type { MountedRole } from '../fdo/mounted-role.ts'
import type { AppEnv } from '../http/authenticate.ts'
import type { Route } from '../http/route.ts'
import { type Onboarding, openOnboarding } from '../onboarding/assembly.ts'
import { authorityRoutes, certificateRoutes } from '../pki/routes.ts'
import type { Pki } from '../pki/service.ts'
import { openRendezvous } from '../rendezvous/assembly.ts'
import type { Services } from '../services.ts'
import { warnOfDefaults } from '../settings/addresses.ts'
import { addressRoutes } from '../settings/routes.ts'
import { type Tokens, openTokens } from '../tokens/assembly.ts'
import type { DeviceTokens } from '../tokens/device-tokens.ts'
import { voucherRoutes } from '../vouchers/routes.ts'
import { trustRoutes } from '../vouchers/trust/routes.ts'
import { type Ground, groundOf } from './ground.ts'
import { manufacturingOf } from './manufacturing.ts'
import { reachOf, registerOf } from './reach.ts'
import { strangersNoted } from './strangers.ts'
import { knownHolders, transferOf } from './transfer-ports.ts'
import { makeFirstKeys, makeRsaKeys } from './voucher-keys.ts'

export interface Domains {
  readonly pki: Pki
  /** What is spoken at /fdo. */
  readonly roles: readonly MountedRole[]
  /** The management API. */
  readonly routes: readonly Route[]
  /** Routers with ways of their own to know a caller. */
  readonly others: readonly Hono<AppEnv>[]
  readonly tokens: Tokens
  readonly sweeps: {
    /** Of what a process keeps for itself, too. */
    readonly ofProcess: readonly (() => Promise<unknown>)[]
    /** For one of several processes to do. */
    readonly ofDatabase: readonly (() => Promise<unknown>)[]
  }
  /** Without them a party that has come in could be sold nothing. */
  makeFirstKeys(party: string): Promise<void>
  /** Begins what goes on by itself, once the service can be reached. */
  start(signal: AbortSignal, exchange: Exchange): void
  stop(): Promise<void>
}

/** Known once the listeners are open. */
export interface Addresses {
  /** What devices and owners are told. */
  readonly publicUrl: () => string
  /** Where devices show their certificates; empty without HTTPS. */
  readonly tlsUrl: () => string
}

export async function buildDomains(services: Services, addresses: Addresses): Promise<Domains> {
  const { publicUrl, tlsUrl } = addresses
  await makeFirstKeys(services, HOME_PARTY)
  const ground = await groundOf(services, publicUrl)
  const { pki, vouchers, devices, settings } = ground
  const plays = new Set(services.config.roles)
  const reach = reachOf(services, publicUrl)
  const rendezvous = plays.has('rendezvous')
    ? openRendezvous({
        ...services,
        deviceAnchors: () => ground.authorities,
        urls: () => [publicUrl(), tlsUrl()],
      })
    : undefined
  const transfer = transferOf(services, ground, addresses)
  const manufacturing = plays.has('manufacturer')
    ? manufacturingOf(services, ground, transfer, {
        ...{ publicUrl, tlsUrl, connect: reach.connect },
      })
    : undefined
  const findDevice = (id: string) => devices.findScopes(id)
  const noteStranger = strangersNoted(services, devices)
  const tokens = await openTokens({ ...services, pki, findDevice, noteStranger, addresses })
  const onboarding = plays.has('owner')
    ? onboardingOf(services, ground, tokens.devices, tlsUrl)
    : undefined
  await onboarding?.adopt()
  const roles = [
    ...(manufacturing ? [manufacturing.role] : []),
    ...(rendezvous?.roles ?? []),
    ...(onboarding ? [onboarding.role] : []),
  ]
  const register = plays.has('owner')
    ? registerOf(services, ground, { connect: reach.connect, here: reach.here(rendezvous) })
    : undefined
  const making = services.leases?.of('rsa-keys')
  const to0StatusOf = async (party: string, guids: readonly string[]) =>
    (await register?.statusOf(party, guids)) ?? new Map()

  return {
    pki,
    roles,
    routes: [
      ...voucherRoutes(ground.desk, knownHolders(services, transfer)),
      ...trustRoutes(ground.trustPolicy, services.events),
      ...deviceRoutes({ devices, vouchers, desk: ground.desk, to0StatusOf, register }),
      ...groupRoutes(devices),
      ...addressRoutes(settings),
      ...certificateRoutes(services.database),
      ...transfer.routes,
      ...(rendezvous?.routes ?? []),
      ...(manufacturing?.routes ?? []),
      ...(onboarding?.routes ?? []),
    ],
    others: [
      authorityRoutes(pki),
      ...transfer.others,
      ...(rendezvous ? [rendezvous.others] : []),
      ...tokens.routers,
    ],
    tokens,
    sweeps: {
      ofProcess: [() => pki.renewIfDue(), ...(onboarding ? [() => onboarding.sweep()] : [])],
      ofDatabase: [
        () => pki.sweep(),
        ...(rendezvous ? [() => rendezvous.sweep()] : []),
        () => vouchers.retireStale(),
        () => transfer.sweep(),
      ],
    },
    makeFirstKeys: (party) => makeFirstKeys(services, party),
    start(signal, exchange) {
      const make = () => void makeRsaKeys(services, signal)
      // They take seconds of a core each to find: one process looks for them.
      if (making?.isHeld ?? true) make()
      making?.onTaken(make)
      transfer.start()
      onboarding?.start(signal)
      reach.start(exchange)
      void warnOfDefaults(settings, services.log)
      register?.start().catch((err: unknown) => {
        if (!signal.aborted) services.log.error({ err }, 'vouchers are not being registered')
      })
    },
    async stop() {
      await Promise.all([register?.stop(), transfer.stop()])
      await onboarding?.stop()
      reach.stop()
    },
  }
}

/** TO2, and the plans behind it. */
function onboardingOf(
  services: Services,
  ground: Ground,
  deviceTokens: DeviceTokens,
  tlsUrl: () => string,
): Onboarding {
  const { pki, vouchers, devices, settings } = ground
  return openOnboarding({
    ...services,
    ...{ pki, vouchers, devices, deviceTokens },
    rendezvousInfo: settings.rendezvousInfoOfOwned,
    serviceAddresses() {
      const url = tlsUrl()
      return url === '' ? undefined : { token_url: `${url}/oauth/token`, api_url: url }
    },
  })
}

/** The domains of the roles this service plays, joined to each other. Part of the composition root. */
import { readFileSync } from 'node:fs'
import type { Hono } from 'hono'
import { toHex } from '../protocol/bytes.ts'
import { algorithmFor } from '../protocol/crypto/public-key.ts'
import { HOME_PARTY } from './database/tables.ts'
import { ConfigError } from './config.ts'
import { deviceRoutes, groupRoutes } from './devices/routes.ts'
import { DeviceService } from './devices/service.ts'
import { inProcess } from './fdo/client.ts'
import type { Exchange } from './fdo/exchange.ts'
import type { MountedRole } from './fdo/mounted-role.ts'
import type { AppEnv } from './http/authenticate.ts'
import type { Route } from './http/route.ts'
import {
  type FindFirstOwner,
  firstOwnerFromPem,
  firstOwnerHere,
} from './manufacturing/first-owner.ts'
import { MANUFACTURER, ManufacturerKeys, OWNER } from './manufacturing/keys.ts'
import { manufacturerRole } from './manufacturing/role.ts'
import { Connections } from './onboarding/register/connections.ts'
import { Register } from './onboarding/register/register.ts'
import { type Onboarding, openOnboarding } from './onboarding/assembly.ts'
import { authorityRoutes, certificateRoutes } from './pki/routes.ts'
import { Pki } from './pki/service.ts'
import { openRendezvous } from './rendezvous/assembly.ts'
import type { Services } from './services.ts'
import { tokenRoutes } from './tokens/routes.ts'
import { TOKEN_KEY_PURPOSE, signingKeyOf } from './tokens/signing-key.ts'
import { ownerAddressesSetting, rendezvousInfoSetting } from './settings/addresses.ts'
import { addressRoutes } from './settings/routes.ts'
import { deviceAuthorities, listenerAuthorities, readAuthorities } from './trust.ts'
import type { Transfer } from './transfer/assembly.ts'
import { knownHolders, transferOf } from './transfer-ports.ts'
import { VoucherDesk } from './vouchers/desk.ts'
import { deviceIdOf } from './vouchers/device-id.ts'
import { VoucherLedger } from './vouchers/ledger.ts'
import { voucherRoutes } from './vouchers/routes.ts'
import { VoucherService } from './vouchers/service.ts'

export interface Domains {
  readonly pki: Pki
  /** What is spoken at /fdo. */
  readonly roles: readonly MountedRole[]
  /** The management API. */
  readonly routes: readonly Route[]
  /** Routers with ways of their own to know a caller. */
  readonly others: readonly Hono<AppEnv>[]
  readonly sweeps: readonly (() => Promise<unknown>)[]
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
  const keys = services.keyStore.ring(HOME_PARTY)
  await Promise.all(signingPurposes(services).map((one) => keys.ensure(one, ['p256', 'p384'])))
  const ground = await groundOf(services, publicUrl)
  const { pki, vouchers, devices, settings } = ground
  const plays = new Set(services.config.roles)
  const hasDoor = plays.has('owner') && services.config.tlsPort !== undefined
  const rendezvous = plays.has('rendezvous')
    ? openRendezvous({
        ...services,
        deviceAnchors: () => ground.authorities,
        urls: () => [publicUrl(), tlsUrl()],
      })
    : undefined
  const onboarding = plays.has('owner') ? onboardingOf(services, ground, tlsUrl) : undefined
  const transfer = transferOf(services, ground, publicUrl)
  const roles = [
    ...(plays.has('manufacturer') ? [manufacturerOf(services, ground, transfer)] : []),
    ...(rendezvous?.roles ?? []),
    ...(onboarding ? [onboarding.role] : []),
  ]
  const registering = plays.has('owner') ? registerOf(services, ground, publicUrl) : undefined
  const to0StatusOf = async (party: string, guids: readonly string[]) =>
    (await registering?.register.statusOf(party, guids)) ?? new Map()

  return {
    pki,
    roles,
    routes: [
      ...voucherRoutes(ground.desk, knownHolders(services, transfer)),
      ...deviceRoutes({ devices, vouchers, to0StatusOf, register: registering?.register }),
      ...groupRoutes(devices),
      ...addressRoutes(settings),
      ...certificateRoutes(services.database),
      ...transfer.routes,
      ...(rendezvous?.routes ?? []),
      ...(onboarding?.routes ?? []),
    ],
    others: [
      authorityRoutes(pki),
      ...transfer.others,
      ...(rendezvous ? [rendezvous.others] : []),
      ...(hasDoor ? [await tokensOf(services, ground, tlsUrl)] : []),
    ],
    sweeps: [
      ...(rendezvous ? [() => rendezvous.sweep()] : []),
      () => pki.maintain(),
      () => vouchers.retireStale(),
      () => transfer.sweep(),
      ...(onboarding ? [() => onboarding.sweep()] : []),
    ],
    start(signal, exchange) {
      void makeRsaKeys(services, signal)
      transfer.start()
      registering?.start(exchange).catch((err: unknown) => {
        if (!signal.aborted) services.log.error({ err }, 'vouchers are not being registered')
      })
    },
    async stop() {
      await Promise.all([registering?.stop(), transfer.stop()])
      await onboarding?.stop()
    },
  }
}

type Ground = Awaited<ReturnType<typeof groundOf>>

/** What all roles stand on. */
async function groundOf(services: Services, publicUrl: () => string) {
  const { config, database, clock, randomBytes, keyStore, parties } = services
  const pki = await Pki.open({
    ...{ database, randomBytes, keys: keyStore.ring(HOME_PARTY) },
    now: () => clock.now(),
    serverAnchors: listenerAuthorities(config),
  })
  const manufacturerKeys = new ManufacturerKeys(keyStore.ring(HOME_PARTY), (spki) =>
    pki.certifyVoucherKey(spki),
  )
  const authorities = deviceAuthorities(config, pki.deviceAnchors())
  const devices = await DeviceService.open({ database, clock })
  parties.opensWith((tx, party) => devices.openFor(tx, party))
  const ledger = new VoucherLedger({
    ...services,
    devices,
    trustedDeviceCas: async () => authorities,
    findManufacturerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(MANUFACTURER, key.spki, algorithmFor(type, key.kind)),
    findOwnerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(OWNER, key.spki, algorithmFor(type, key.kind)),
  })
  const settings = {
    rendezvousInfo: rendezvousInfoSetting({ database, clock, publicUrl }),
    ownerAddresses: ownerAddressesSetting({ database, clock, publicUrl }),
  }
  return {
    pki,
    manufacturerKeys,
    authorities,
    devices,
    ledger,
    settings,
    vouchers: new VoucherService(ledger),
    desk: new VoucherDesk(ledger),
  }
}

function manufacturerOf(services: Services, ground: Ground, transfer: Transfer): MountedRole {
  const { config, events } = services
  const { pki, devices, vouchers, settings, manufacturerKeys: keys } = ground
  const { diAllow: allow, diClientCaFile, uniqueSerials } = config
  const clientAnchors =
    diClientCaFile === undefined
      ? undefined
      : readAuthorities('FIRSTLIGHT_DI_CLIENT_CA', diClientCaFile)
  return manufacturerRole({
    ...services,
    party: HOME_PARTY,
    keys,
    pki,
    vouchers,
    door: { allow, clientAnchors },
    firstOwner: firstOwnerOf(services),
    rendezvousInfo: settings.rendezvousInfo,
    findSerial: uniqueSerials ? (named, tx) => devices.findIdBySerial(named, tx) : undefined,
    deviceMade({ guid, deviceKey, serial }) {
      const device = deviceIdOf(HOME_PARTY, deviceKey)
      events.deviceManufactured({ guid: toHex(guid), device, serial })
      transfer.rules.wake(HOME_PARTY)
    },
  })
}

/** TO2, and the plans behind it. */
function onboardingOf(services: Services, ground: Ground, tlsUrl: () => string): Onboarding {
  const { pki, vouchers, devices, settings } = ground
  return openOnboarding({
    ...services,
    ...{ pki, vouchers, devices, rendezvousInfo: settings.rendezvousInfo },
    serviceAddresses() {
      const url = tlsUrl()
      return url === '' ? undefined : { token_url: `${url}/oauth/token`, api_url: url }
    },
  })
}

/** Where onboarded devices get their tokens, and use them. */
async function tokensOf(services: Services, { pki, devices }: Ground, tlsUrl: () => string) {
  const { config, keyStore } = services
  return tokenRoutes({
    ...services,
    pki,
    tlsUrl,
    trustedProxies: config.trustedProxies,
    key: signingKeyOf(await keyStore.ring(HOME_PARTY).signer(TOKEN_KEY_PURPOSE, 'p256')),
    findDevice: (id) => devices.findScopes(id),
  })
}

function firstOwnerOf({ config, keyStore }: Services): FindFirstOwner | undefined {
  const { firstOwner } = config
  if (firstOwner === 'none') return undefined
  if (firstOwner === 'self') return firstOwnerHere(keyStore.ring(HOME_PARTY))
  try {
    return firstOwnerFromPem(readFileSync(firstOwner, 'utf8'))
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ConfigError(`FIRSTLIGHT_FIRST_OWNER: ${firstOwner}: ${reason}`, { cause })
  }
}

/** Our own rendezvous, where there is one, is spoken to without a socket. */
function registerOf(services: Services, ground: Ground, publicUrl: () => string) {
  const { vouchers, devices, ledger, settings } = ground
  let exchange: Exchange | undefined
  const transport = () => {
    if (!exchange) throw new Error('the register was used before the service was up')
    return inProcess(exchange)
  }
  const isOwn = services.config.roles.includes('rendezvous')
  const connections = new Connections(
    isOwn ? { url: publicUrl, transport } : undefined,
    services.outbound,
  )
  const register = new Register({
    ...services,
    vouchers,
    devices,
    ownerAddresses: settings.ownerAddresses,
    random: Math.random,
    askedSeconds: services.config.to0Seconds,
    connect: (target) => connections.to(target),
  })
  ledger.watch(register)
  return {
    register,
    start(started: Exchange): Promise<void> {
      exchange = started
      return register.start()
    },
    async stop(): Promise<void> {
      await register.stop()
      connections.close()
    },
  }
}

/** Signs vouchers. */
function signingPurposes({ config }: Services): readonly string[] {
  return config.roles.includes('manufacturer') ? [MANUFACTURER, OWNER] : [OWNER]
}

/**
 * Made ahead: a device should not have to wait until an RSA key is found. One after the other, since
 * the threads that look for them are those that bring commits to the disk.
 */
async function makeRsaKeys(services: Services, signal: AbortSignal): Promise<void> {
  const { keyStore, log } = services
  const keys = keyStore.ring(HOME_PARTY)
  for (const kind of ['rsa2048', 'rsa3072'] as const) {
    for (const purpose of signingPurposes(services)) {
      if (signal.aborted) return
      await keys.ensure(purpose, [kind]).catch((err: unknown) => {
        if (!signal.aborted) log.error({ err, purpose, kind }, 'a key could not be made')
      })
    }
  }
}

/** The domains of the roles this service plays, joined to each other. Part of the composition root. */
import { readFileSync } from 'node:fs'
import type { Hono } from 'hono'
import { algorithmFor } from '../protocol/crypto/public-key.ts'
import type { Target } from '../protocol/types/rendezvous-plan.ts'
import { afterCommit } from './database/connection.ts'
import { HOME_PARTY } from './database/tables.ts'
import { ConfigError } from './config.ts'
import { deviceRoutes, groupRoutes } from './devices/routes.ts'
import { DeviceService } from './devices/service.ts'
import { type FdoTransport, inProcess } from './fdo/client.ts'
import type { Exchange } from './fdo/exchange.ts'
import type { MountedRole } from './fdo/mounted-role.ts'
import type { AppEnv } from './http/authenticate.ts'
import type { Route } from './http/route.ts'
import {
  type Manufacturing,
  type ManufacturingServices,
  openManufacturing,
} from './manufacturing/assembly.ts'
import {
  type FindFirstOwner,
  firstOwnerFromPem,
  firstOwnerHere,
} from './manufacturing/first-owner.ts'
import { MANUFACTURER, OWNER } from './manufacturing/keys.ts'
import { makeFirstKeys, makeRsaKeys } from './voucher-keys.ts'
import { Connections } from './onboarding/register/connections.ts'
import { Register } from './onboarding/register/register.ts'
import { type Onboarding, openOnboarding } from './onboarding/assembly.ts'
import { authorityRoutes, certificateRoutes } from './pki/routes.ts'
import { Pki } from './pki/service.ts'
import { openRendezvous } from './rendezvous/assembly.ts'
import type { Services } from './services.ts'
import { type Tokens, openTokens } from './tokens/assembly.ts'
import { ownerAddressesSetting, rendezvousInfoSetting } from './settings/addresses.ts'
import { addressRoutes } from './settings/routes.ts'
import { deviceAuthorities, listenerAuthorities, readAuthorities } from './trust.ts'
import type { Transfer } from './transfer/assembly.ts'
import { knownHolders, transferOf } from './transfer-ports.ts'
import { VoucherDesk } from './vouchers/desk.ts'
import { VoucherLedger } from './vouchers/ledger.ts'
import { trustRoutes } from './vouchers/trust/routes.ts'
import { trustPolicySetting } from './vouchers/trust/policy.ts'
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
  readonly tokens: Tokens
  readonly sweeps: readonly (() => Promise<unknown>)[]
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
  const transfer = transferOf(services, ground, publicUrl)
  const manufacturing = plays.has('manufacturer')
    ? manufacturingOf(services, ground, transfer, { publicUrl, connect: reach.connect })
    : undefined
  const onboarding = plays.has('owner') ? onboardingOf(services, ground, tlsUrl) : undefined
  const roles = [
    ...(manufacturing ? [manufacturing.role] : []),
    ...(rendezvous?.roles ?? []),
    ...(onboarding ? [onboarding.role] : []),
  ]
  const findDevice = (id: string) => devices.findScopes(id)
  const tokens = await openTokens({ ...services, pki, findDevice, addresses })
  const register = plays.has('owner') ? registerOf(services, ground, reach.connect) : undefined
  const to0StatusOf = async (party: string, guids: readonly string[]) =>
    (await register?.statusOf(party, guids)) ?? new Map()

  return {
    pki,
    roles,
    routes: [
      ...voucherRoutes(ground.desk, knownHolders(services, transfer)),
      ...trustRoutes(ground.trustPolicy, services.events),
      ...deviceRoutes({ devices, vouchers, to0StatusOf, register }),
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
    sweeps: [
      ...(rendezvous ? [() => rendezvous.sweep()] : []),
      () => pki.maintain(),
      () => vouchers.retireStale(),
      () => transfer.sweep(),
      ...(onboarding ? [() => onboarding.sweep()] : []),
    ],
    makeFirstKeys: (party) => makeFirstKeys(services, party),
    start(signal, exchange) {
      void makeRsaKeys(services, signal)
      transfer.start()
      reach.start(exchange)
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

type Ground = Awaited<ReturnType<typeof groundOf>>

/** What all roles stand on. */
async function groundOf(services: Services, publicUrl: () => string) {
  const { config, database, clock, randomBytes, keyStore, parties } = services
  const pki = await Pki.open({
    ...{ database, randomBytes, keys: keyStore.ring(HOME_PARTY) },
    now: () => clock.now(),
    serverAnchors: listenerAuthorities(config),
  })
  const authorities = deviceAuthorities(config, pki.deviceAnchors())
  const devices = await DeviceService.open({ database, clock })
  parties.opensWith((tx, party) => devices.openFor(tx, party))
  const trustPolicy = trustPolicySetting({ database, clock })
  const ledger = new VoucherLedger({
    ...services,
    devices,
    deviceCas: authorities,
    trustPolicy: (party) => trustPolicy.value(party),
    findManufacturerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(MANUFACTURER, key.spki, algorithmFor(type, key.kind)),
    findHolders: ({ key }) => keyStore.holders(OWNER, key.spki),
    findOwnerSigner: (party, { type, key }) =>
      keyStore.ring(party).findSigner(OWNER, key.spki, algorithmFor(type, key.kind)),
  })
  const settings = {
    rendezvousInfo: rendezvousInfoSetting({ database, clock, publicUrl }),
    ownerAddresses: ownerAddressesSetting({ database, clock, publicUrl }),
  }
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

/** DI, and the orders behind it. */
function manufacturingOf(
  services: Services,
  { pki, devices, vouchers, settings }: Ground,
  { rules }: Transfer,
  outward: Pick<ManufacturingServices, 'publicUrl' | 'connect'>,
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
        afterCommit(tx, () => rules.wake(made.party))
      },
    },
    party: HOME_PARTY,
    door: { allow, clientAnchors },
    firstOwner: firstOwnerOf(services),
    ruledOwner: (...device) => rules.firstOwner(...device),
    ringOf: (party) => keyStore.ring(party),
    certify: (spki) => pki.certifyVoucherKey(spki),
    findSerial: (named, tx) => devices.findIdBySerial(named, tx),
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

type Connect = (target: Target) => FdoTransport

/** How a rendezvous is reached: our own, where there is one, is spoken to without a socket. */
function reachOf(services: Services, publicUrl: () => string) {
  let exchange: Exchange | undefined
  const transport = () => {
    if (!exchange) throw new Error('a rendezvous was called before the service was up')
    return inProcess(exchange)
  }
  const isOwn = services.config.roles.includes('rendezvous')
  const connections = new Connections(
    isOwn ? { url: publicUrl, transport } : undefined,
    services.outbound,
  )
  return {
    connect: (target: Target) => connections.to(target),
    start(started: Exchange) {
      exchange = started
    },
    stop: () => connections.close(),
  }
}

function registerOf(services: Services, ground: Ground, connect: Connect): Register {
  const { vouchers, devices, ledger, settings } = ground
  const register = new Register({
    ...services,
    vouchers,
    devices,
    ownerAddresses: settings.ownerAddresses,
    random: Math.random,
    askedSeconds: services.config.to0Seconds,
    connect,
  })
  ledger.watch(register)
  return register
}

/** An owner that onboards devices, over a database in memory, and devices to try it with. */
import { HOME_PARTY } from '../../src/database/tables.ts'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import {
  type DeviceCredential,
  credentialFrom,
} from '../../protocol/credential/device-credential.ts'
import { hashTypeOf } from '../../protocol/crypto/hash.ts'
import { type Signer, signerFromPkcs8 } from '../../protocol/crypto/signer.ts'
import type { AboutDevice } from '../../protocol/fsim/devmod/device.ts'
import { deviceModulesFor } from '../../protocol/fsim/device-modules.ts'
import { DeviceSession } from '../../protocol/service-info/device-session.ts'
import type { DeviceModules } from '../../protocol/service-info/registry.ts'
import { beginTo2 } from '../../protocol/to2/device/prove-voucher.ts'
import { to2Device } from '../../protocol/to2/device/role.ts'
import type { To2DeviceEffect } from '../../protocol/to2/device/state.ts'
import { keyExchange } from '../../protocol/to2/key-exchange.ts'
import { rendezvousInfoFromText } from '../../protocol/types/rendezvous-text.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { createEvents } from '../../src/events.ts'
import { inProcess } from '../../src/fdo/client.ts'
import { Exchange } from '../../src/fdo/exchange.ts'
import { SealingKeys } from '../../src/fdo/sealing-keys.ts'
import { createApp } from '../../src/http/app.ts'
import { permissionsOf } from '../../src/http/permissions.ts'
import { silentLog } from '../../src/log.ts'
import { openOnboarding } from '../../src/onboarding/assembly.ts'
import { type PlanDocument, digestOf, runsPrograms } from '../../src/onboarding/plans/document.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { openDeviceTokens } from './device-tokens.ts'
import { MemoryHost } from './memory-host.ts'
import { openTestPki } from './pki.ts'
import { ABOUT } from './service-info-world.ts'
import { guid, openVoucherWorld } from './voucher-world.ts'
import { makeVoucher, partsOf, voucherVectors } from './vouchers.ts'
import { fromHex } from './wire.ts'

const PARTY = { name: 'home', roles: 'owner', created_at: '', suspended_at: null }

export interface OnboardingOptions {
  /** One of go-fdo's configurations. */
  readonly configuration?: string
  /** Nothing is said of where onboarded devices are to look. */
  readonly keepsRendezvous?: boolean
  /** Whether there is a listener to show certificates at. */
  readonly hasTls?: boolean
}

export const NEW_RENDEZVOUS = rendezvousInfoFromText([
  { dns: 'next.example.test', dev_port: 80, protocol: 'http' },
])

/** A device as it comes from the factory, and what happens to it. */
export interface TestDevice {
  readonly voucher: Voucher
  readonly signer: Signer
  readonly host: MemoryHost
  credential: DeviceCredential
}

export interface DeviceChoices {
  readonly kex?: string
  readonly cipher?: number
  readonly modules?: DeviceModules
  /** What else it says of itself. */
  readonly about?: Partial<AboutDevice>
  readonly transport?: FdoTransport
}

export async function openOnboardingWorld(options: OnboardingOptions = {}) {
  const { configuration = 'p256-x509-devP256', keepsRendezvous = false, hasTls = true } = options
  const parts = partsOf(configuration)
  const world = await openVoucherWorld({ owners: parts.signers })
  const { database, clock, audit, devices, vouchers, desk } = world
  const { pki } = await openTestPki({ database, now: () => clock.now() })
  const dataDir = mkdtempSync(join(tmpdir(), 'firstlight-'))
  const noted: [event: string, facts: object][] = []
  /** Those that come by the thousand. */
  const notedOften: [event: string, facts: object][] = []
  const events = createEvents({
    ...silentLog,
    info: (facts: object, event: string) => noted.push([event, facts]),
    debug: (facts: object, event: string) => notedOften.push([event, facts]),
  } as unknown as typeof silentLog)
  const findDevice = (id: string) => devices.findScopes(id)
  const tokens = await openDeviceTokens({ findDevice, pki, clock, hasTls })
  const { deviceTokens } = tokens
  const onboarding = openOnboarding({
    ...{ database, clock, audit, devices, vouchers, pki, events, randomBytes, log: silentLog },
    ...{ config: { dataDir }, deviceTokens },
    audit: new AuditLog({ clock }),
    parties: { find: async (id) => ({ ...PARTY, id }) },
    rendezvousInfo: { value: async () => (keepsRendezvous ? undefined : NEW_RENDEZVOUS) },
    serviceAddresses: () =>
      hasTls ? { token_url: `${tokens.url}/oauth/token`, api_url: tokens.url } : undefined,
  })
  const sealer = new Sealer(new Uint8Array(32).fill(7))
  const process = async () =>
    new Exchange({
      ...{ database, clock, randomBytes, log: silentLog, roles: [onboarding.role] },
      keys: await SealingKeys.load({ database, clock, randomBytes, sealer }),
    })
  const exchange = await process()
  const app = createApp({
    log: silentLog,
    clock,
    trustedProxies: { addresses: [] },
    isReady: async () => true,
    metrics: { text: async () => '' },
    routes: onboarding.routes,
    others: [],
    findPrincipal: async (token) => ({
      // A colon cannot stand in a token.
      id: token === 'x' ? 'tok_1' : token.replaceAll('~', ':'),
      name: 'test',
      kind: 'token',
      party: HOME_PARTY,
      permissions: permissionsOf(['admin']) ?? new Set(),
    }),
  })
  const vector = voucherVectors.find(({ name }) => name === configuration)
  const signer = signerFromPkcs8(fromHex(vector?.devicePrivatePkcs8 ?? ''))

  return {
    ...world,
    ...{ pki, onboarding, noted, notedOften, dataDir, exchange, tokens },
    transport: inProcess(exchange),
    /** Another process over the same database. */
    otherProcess: async () => inProcess(await process()),
    /** Made elsewhere, sold to us, and imported. */
    async addDevice(byte = 0xa1, model?: string): Promise<TestDevice> {
      const header = { guid: guid(byte), ...(model !== undefined && { deviceInfo: model }) }
      const voucher = await makeVoucher(parts, { header })
      const [imported] = await desk.import([voucher.bytes], { id: 'tok_1', party: HOME_PARTY })
      if (!imported?.ok) throw new Error(`not imported: ${imported?.detail}`)
      return testDevice(voucher, signer, parts.hmacSecret, parts.hmacType)
    },
    /** Put, and approved by somebody else for every device where it has to be. */
    async putPlan(name: string, document: PlanDocument) {
      const { plans } = onboarding
      const { latest } = await plans.put({ party: HOME_PARTY, name, document, by: 'author' })
      if (!latest || !runsPrograms(document)) return
      const { version } = latest
      const digest = digestOf(latest.document)
      const approval = { party: HOME_PARTY, name, version, digest, share: 100, by: 'approver' }
      await plans.approve(approval)
    },
    removePlan: (name: string) =>
      onboarding.plans.remove({ party: HOME_PARTY, name, by: 'author' }),
    onboard: (device: TestDevice, choices: DeviceChoices = {}) =>
      runTo2(device, { transport: inProcess(exchange), ...choices }),
    /** `as` another principal than usual. */
    async api(method: string, path: string, body?: unknown, as = 'x') {
      const isBytes = body instanceof Uint8Array
      const response = await app.request(`/api/v1${path}`, {
        method,
        headers: {
          authorization: `Bearer ${as}`,
          'content-type': isBytes ? 'application/octet-stream' : 'application/json',
        },
        ...(body !== undefined && { body: isBytes ? body : JSON.stringify(body) }),
      })
      const bytes = new Uint8Array(await response.arrayBuffer())
      const type = response.headers.get('content-type') ?? ''
      const json = /json/.test(type) ? JSON.parse(Buffer.from(bytes).toString()) : undefined
      return { status: response.status, bytes, json }
    },
    async device() {
      const [device] = await devices.list({ party: HOME_PARTY, limit: 10 })
      if (!device) throw new Error('there is no device')
      return device
    },
    async close() {
      await database.close()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

export type OnboardingWorld = Awaited<ReturnType<typeof openOnboardingWorld>>

function testDevice(voucher: Voucher, signer: Signer, secret: Bytes, hmacType: 5 | 6): TestDevice {
  const credential = credentialFrom(voucher.header.value, secret, hashTypeOf(hmacType))
  return { voucher, signer, host: new MemoryHost(), credential }
}

/** TO2 as the device does it; the credential is kept for the next time. */
export async function runTo2(
  device: TestDevice,
  {
    transport,
    kex = 'ECDH256',
    cipher = 1,
    modules,
    about,
  }: DeviceChoices & { transport: FdoTransport },
): Promise<To2DeviceEffect> {
  const serviceInfo = new DeviceSession(
    { ...ABOUT, device: device.voucher.header.value.deviceInfo, ...about },
    modules ?? deviceModulesFor(device.host),
  )
  const context = {
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    credential: device.credential,
    signer: device.signer,
    keyExchange,
    ...{ kex, cipher },
    maxDeviceMessageSize: 0,
    maxOwnerServiceInfoSz: null,
    acceptsReuse: true,
    serviceInfo,
  }
  const [effect] = await converse({
    role: to2Device,
    first: beginTo2(context),
    context,
    transport,
    now: () => new Date(0),
  })
  if (!effect) throw new Error('TO2 ended without a credential')
  await serviceInfo.finish()
  if (effect.type === 'onboarded') device.credential = effect.credential
  return effect
}

/** Hands messages on until one of this number comes, which is lost; its answer may be lost alone. */
export function cutOff(
  transport: FdoTransport,
  number: number,
  lost: 'request' | 'answer' = 'request',
): FdoTransport {
  return async (message, authorization) => {
    if (message.number === number && lost === 'request') throw new Error('cut off')
    const answer = await transport(message, authorization)
    if (message.number === number) throw new Error('cut off')
    return answer
  }
}

export const guidOf = (credential: DeviceCredential): string => toHex(credential.guid)

/** Vouchers and devices on a database in memory, with their routes behind a token of all powers. */
import { hash } from 'node:crypto'
import { trustPolicySetting } from '../../src/vouchers/trust/policy.ts'
import { trustRoutes } from '../../src/vouchers/trust/routes.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import type { Bytes } from '../../protocol/bytes.ts'
import { type PublicKey, sameKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { spkiOfCertificate } from '../../protocol/x509/certificate.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { FakeClock } from '../../src/clock.ts'
import { openDatabase } from './database.ts'
import { deviceRoutes, groupRoutes } from '../../src/devices/routes.ts'
import { DeviceService } from '../../src/devices/service.ts'
import type { To0Status } from '../../src/devices/view.ts'
import { createEvents } from '../../src/events.ts'
import { createApp } from '../../src/http/app.ts'
import { type Permission, permissionsOf } from '../../src/http/permissions.ts'
import { silentLog } from '../../src/log.ts'
import { VoucherDesk } from '../../src/vouchers/desk.ts'
import { VoucherLedger } from '../../src/vouchers/ledger.ts'
import { voucherRoutes } from '../../src/vouchers/routes.ts'
import { type MadeVoucher, VoucherService } from '../../src/vouchers/service.ts'
import { partsOf } from './vouchers.ts'

export interface WorldOptions {
  /** The parties that have whatever key is asked about. */
  readonly holders?: readonly string[]
  /** Whose vouchers are ours; by default the owners that entries 0 and 2 name. */
  readonly owners?: readonly Signer[]
  readonly manufacturers?: readonly Signer[]
  readonly anchors?: readonly Bytes[]
}

export async function openVoucherWorld(options: WorldOptions = {}) {
  const { signers } = partsOf()
  const { manufacturers = [], anchors } = options
  const owners = [...(options.owners ?? signers.filter((_, i) => i % 2 === 1))]
  const findOwner = ({ key }: PublicKey) => owners.find((signer) => sameKey(signer.key, key))
  const clock = new FakeClock()
  const database = await openDatabase(':memory:')
  const audit = new AuditLog({ clock })
  const devices = await DeviceService.open({ database, clock, audit })
  const noted: [event: string, facts: object][] = []
  const events = createEvents({
    ...silentLog,
    info: (facts: unknown, event?: string) => noted.push([event ?? '', Object(facts)]),
  } as unknown as typeof silentLog)
  const trustPolicy = trustPolicySetting({ database, clock, audit })
  const ledger = new VoucherLedger({
    database,
    clock,
    devices,
    events,
    findOwnerSigner: async (_party, key) => findOwner(key),
    findManufacturerSigner: async (_party, { key }) =>
      manufacturers.find((signer) => sameKey(signer.key, key)),
    findHolders: (key) => options.holders ?? (findOwner(key) ? [HOME_PARTY] : []),
    hasOwnerKey: async (_tx, { party, owner_key }) =>
      options.holders?.includes(party) ||
      owners.some(({ key: { spki } }) => hash('sha256', spki, 'hex') === owner_key),
    audit,
    deviceCas: anchors,
    trustPolicy: (party) => trustPolicy.value(party),
  })
  const watched: string[] = []
  ledger.watch({
    held: async (_tx, { guid, voucher }) => {
      watched.push(`held ${guid.slice(0, 4)} by ${voucher.entries.length}`)
    },
    released: async (_tx, { guid }) => {
      watched.push(`released ${guid.slice(0, 4)}`)
    },
  })
  const vouchers = new VoucherService(ledger)
  const desk = new VoucherDesk(ledger)
  const provenKeys = new Set<string>()
  const to0 = new Map<string, To0Status>()
  let permissions = permissionsOf(['admin']) ?? new Set<Permission>()
  const routes = [
    ...voucherRoutes(desk, async (_party, fingerprint) => provenKeys.has(fingerprint)),
    ...trustRoutes(trustPolicy, events),
    ...deviceRoutes({ devices, vouchers, desk, to0StatusOf: async () => to0, register: undefined }),
    ...groupRoutes(devices),
  ]
  let assembled: ReturnType<typeof createApp> | undefined
  const app = () =>
    (assembled ??= createApp({
      log: silentLog,
      clock,
      trustedProxies: { addresses: [] },
      isReady: async () => true,
      metrics: { text: async () => '' },
      routes,
      others: [],
      findPrincipal: async () => ({
        id: 'tok_1',
        name: 'test',
        kind: 'token',
        party: HOME_PARTY,
        permissions,
      }),
    }))

  return {
    owners,
    audit,
    clock,
    database,
    devices,
    vouchers,
    desk,
    ledger,
    routes,
    watched,
    noted,
    to0,
    /** Fingerprints of keys that may be sold to. */
    provenKeys,
    /** Answers as the API does, JSON read. */
    async call(path: string, init: RequestInit = {}) {
      const headers = { authorization: 'Bearer x', ...init.headers }
      const response = await app().request(`/api/v1${path}`, { ...init, headers })
      const bytes = new Uint8Array(await response.arrayBuffer())
      const type = response.headers.get('content-type') ?? ''
      const json = /\bjson/.test(type) ? JSON.parse(Buffer.from(bytes).toString()) : undefined
      return { status: response.status, type, bytes, json }
    },
    allow(...scopes: string[]) {
      permissions = permissionsOf(scopes) ?? new Set()
    },
    make: (voucher: Voucher, serial = 'SN-1') =>
      database.commit((tx) => vouchers.voucherMade(tx, madeOf(voucher, serial))),
    voucherStates: async () =>
      Object.fromEntries(
        (await desk.list({ party: HOME_PARTY, limit: 100 })).map(({ guid, state }) => [
          guid.slice(0, 4),
          state,
        ]),
      ),
  }
}

export type VoucherWorld = Awaited<ReturnType<typeof openVoucherWorld>>

/** The outcome of DI that leaves this voucher. */
export function madeOf(voucher: Voucher, serial = 'SN-1'): MadeVoucher {
  const { guid, deviceInfo } = voucher.header.value
  const deviceKey = spkiOfCertificate(voucher.deviceCertChain?.[0] ?? new Uint8Array(0))
  return { party: HOME_PARTY, guid, serial, deviceInfo, deviceKey, voucher: voucher.bytes }
}

/** A GUID that is easy to tell from others. */
export function guid(byte: number): Bytes {
  return new Uint8Array(16).fill(byte)
}

export function guidText(byte: number): string {
  return toHex(guid(byte))
}

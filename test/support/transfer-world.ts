/** A party with vouchers, keys and all that moves vouchers, on sockets of its own. */
import { concat, toHex } from '../../protocol/bytes.ts'
import { hashOf } from '../../protocol/crypto/hash.ts'
import { sameKey } from '../../protocol/crypto/public-key.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { createEvents } from '../../src/events.ts'
import { createApp } from '../../src/http/app.ts'
import { permissionsOf } from '../../src/http/permissions.ts'
import { silentLog } from '../../src/log.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { salePort, voucherPort } from '../../src/composition/transfer-ports.ts'
import { type TransferServices, openTransfer } from '../../src/transfer/assembly.ts'
import type { Http, PartyPort, VoucherPort } from '../../src/transfer/ports.ts'
import { certificateOf, ecKey } from './certificates.ts'
import { call, listening } from './listening.ts'
import { quiet } from './quiet.ts'
import { openVoucherWorld } from './voucher-world.ts'
import { makeVoucher, partsOf } from './vouchers.ts'
import { afterCommit } from '../../src/database/connection.ts'

export const PARTY = 'fdop_acme'
export const TESTER = { id: 'test', party: PARTY }

/** Calls whatever it is told to: the guard before it is tested where it is. */
export const plainHttp: Http = {
  async request(url, { method, headers = {}, body = new Uint8Array(0) }) {
    return call(url, method, { ...headers, 'content-length': String(body.length) }, body)
  },
}

/** Nobody else shares this installation. */
const noOtherParties: Omit<PartyPort, 'isActive' | 'isSuspended'> = {
  find: async () => undefined,
  findById: async () => undefined,
  keyOf: async () => undefined,
  holds: async () => false,
}

const PATIENCE_MS = 60_000

export interface TransferWorldOptions {
  readonly owners?: readonly Signer[]
  readonly services?: Partial<TransferServices>
}

export async function openTransferWorld(options: TransferWorldOptions = {}) {
  const world = await openVoucherWorld(options.owners ? { owners: options.owners } : {})
  const { database, clock, audit, desk, owners } = world
  const [signer] = owners
  const noted: [event: string, facts: object][] = []
  const log = {
    ...silentLog,
    info: (facts: unknown, event?: string) => noted.push([event ?? '', Object(facts)]),
  } as unknown as typeof silentLog
  const admitted: string[] = []
  const port = voucherPort(desk, database)
  const vouchers: VoucherPort = {
    ...port,
    async admit(party, voucher, by) {
      admitted.push(`${party} ${by}`)
      return port.admit(party, voucher, by)
    },
  }
  await database.commit((tx) => world.devices.openFor(tx, PARTY))
  let publicUrl = ''
  const suspended = new Set<string>()
  const transfer = openTransfer({
    database,
    clock,
    audit,
    events: createEvents(log),
    log: silentLog,
    trustedProxies: { addresses: [] },
    sealer: new Sealer(new Uint8Array(32).fill(3)),
    random: () => 0.5,
    http: plainHttp,
    forbids: async () => undefined,
    didScheme: 'http',
    publicUrl: () => publicUrl,
    vouchers,
    sales: salePort(desk),
    // What is tried here is tried over plain HTTP.
    didUrl: () => publicUrl,
    parties: {
      ...noOtherParties,
      isActive: async (id) => !suspended.has(id),
      isSuspended: async (id) => suspended.has(id),
    },
    keys: {
      signerOf: async (party) => (party === PARTY ? signer : undefined),
      findOwnerSigner: async (_party, { key }) => owners.find((one) => sameKey(one.key, key)),
      ownerSigners: async () => owners,
      publishedBy: async (party) => ({
        active: party === PARTY && signer ? [signer.key] : [],
        former: [],
      }),
    },
    ...options.services,
  })
  world.ledger.watch({
    held: async (tx, held) => afterCommit(tx, () => transfer.rules.wakeFor(held.party, held.guid)),
    released: async () => {},
  })
  let party: string = PARTY
  const app = createApp({
    log: silentLog,
    clock,
    trustedProxies: { addresses: [] },
    isReady: async () => true,
    metrics: { text: async () => '' },
    routes: [...world.routes, ...transfer.routes],
    others: transfer.others,
    findPrincipal: async () => ({
      id: 'tok_1',
      name: 'test',
      kind: 'token',
      party,
      permissions: permissionsOf(['admin']) ?? new Set(),
    }),
  })
  const server = await listening(app)
  publicUrl = server.url

  return {
    ...world,
    voucherStates: async () => {
      const rows = await desk.list({ party: PARTY, limit: 100 })
      return Object.fromEntries(rows.map(({ guid, state }) => [guid.slice(0, 4), state]))
    },
    transfer,
    suspended,
    noted,
    admitted,
    url: server.url,
    /** Where partners find this party. */
    base: `${server.url}/transfer/${PARTY}`,
    async close() {
      await transfer.stop()
      await server.close()
    },
    /**
     * As an administrator would see it, once `done`: at once mostly, a busy machine takes longer. Who
     * did it goes on a while after that: whoever moves the clock then is to be waited for by all.
     */
    async until<T>(look: () => Promise<T>, done: (seen: T) => boolean): Promise<T> {
      const deadline = performance.now() + PATIENCE_MS
      for (;;) {
        const seen = await look()
        if (done(seen)) {
          await quiet()
          return seen
        }
        if (performance.now() > deadline) throw new Error(`never: ${JSON.stringify(seen)}`)
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    actAs(other: string) {
      party = other
    },
    /** The management API; JSON both ways. */
    async api(method: string, path: string, body?: unknown) {
      const headers = { authorization: 'Bearer x', 'content-type': 'application/json' }
      const sent = body === undefined ? '' : JSON.stringify(body)
      const answer = await call(`${server.url}/api/v1${path}`, method, headers, sent)
      const text = answer.body.toString()
      return { status: answer.status, json: text === '' ? undefined : JSON.parse(text) }
    },
  }
}

export type TransferWorld = Awaited<ReturnType<typeof openTransferWorld>>

/** Vouchers of different devices, all of one buyer: the owner that entry 0 names. */
export async function someVouchers(count: number, sales = 1): Promise<Voucher[]> {
  const parts = partsOf()
  const made: Voucher[] = []
  for (let i = 1; i <= count; i++) {
    const chain = [certificateOf({ key: ecKey(), subject: `device ${i}` })]
    const { type } = parts.header.deviceCertChainHash ?? { type: -16 as const }
    const deviceCertChainHash = hashOf(type, concat(...chain))
    const header = { guid: new Uint8Array(16).fill(i), deviceCertChainHash }
    made.push(await makeVoucher({ ...parts, chain }, { header, sales }))
  }
  return made
}

/** Two parties: one sells to the other. Both have a clock of their own that stands still. */
export async function openTrade(
  options: {
    readonly seller?: Partial<TransferServices>
    readonly buyer?: Partial<TransferServices>
  } = {},
) {
  const parts = partsOf()
  const [, sellersKey, buyersKey] = parts.signers
  const [, , buyer] = parts.publicKeys
  if (!sellersKey || !buyersKey || !buyer) throw new Error('too few owners')
  const seller = await openTransferWorld({ owners: [sellersKey], services: options.seller ?? {} })
  const buyerWorld = await openTransferWorld({ owners: [buyersKey], services: options.buyer ?? {} })
  return {
    seller,
    buyer: buyerWorld,
    sellersKey,
    buyersKey,
    /** Takes it in and sells it on; gives the voucher as the buyer gets it. */
    async sell(voucher: Voucher) {
      await seller.desk.import([voucher.bytes], TESTER)
      const guid = toHex(voucher.header.value.guid)
      return seller.desk.sell(TESTER, { guid, to: buyer })
    },
    async close() {
      await seller.close()
      await buyerWorld.close()
    },
  }
}

/**
 * Two installations that know each other by their keys: one has vouchers, the other buys them. Keys
 * count as unproven: each was read from its holder itself, a moment ago.
 */
import { inParallel } from '../../src/fleet/run.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import { type OwnService, startOwnService } from './service.ts'
import { makeDevices } from './vouchers.ts'

export interface Trade {
  readonly seller: OwnService
  readonly buyer: OwnService
  /** So many more. */
  sell(count: number): Promise<void>
  /** All that was sold, which is to be so many. */
  pull(count: number): Promise<void>
  /** So many more, each pushed as it is sold; until all are there. */
  push(count: number): Promise<void>
  stop(): Promise<void>
}

/** The party every installation has, see src/transfer/public-door.ts for what follows. */
const HOME = '/transfer/fdop_home/api/v1'
const SALES_AT_ONCE = 4
/** As many as one call hands over. */
const MOST_HANDED_OVER = 1_000
const PUSH_DEADLINE_MS = 120_000

/** `count`: how many vouchers the seller has. */
export async function openTrade(count: number): Promise<Trade> {
  const seller = await startOwnService({ FIRSTLIGHT_ROLES: 'manufacturer,owner' })
  await makeDevices(seller, count)
  const buyer = await startOwnService({
    FIRSTLIGHT_ROLES: 'owner',
    FIRSTLIGHT_TRUST: seller.caFile,
  })
  const buyersKey = await ownerKeyOf(buyer)
  const held = await seller.api.list<{ guid: string }>('/api/v1/vouchers?state=held&limit=100')
  const partner = await addPartner(buyer, {
    ...{ name: 'seller', keys: [await ownerKeyOf(seller)] },
    pull_url: `${seller.url}${HOME}/pull/vouchers`,
  })
  const customer = await addPartner(seller, {
    ...{ name: 'buyer', keys: [buyersKey] },
    push_url: `${buyer.url}${HOME}/vouchers`,
  })
  const take = (count: number) => {
    if (held.length < count) throw new Error('the seller has no more vouchers')
    return held.splice(0, count).map(({ guid }) => guid)
  }
  return {
    seller,
    buyer,
    async sell(count) {
      const guids = take(count)
      await inParallel(count, SALES_AT_ONCE, async (i) => {
        const json = { to: buyersKey, unproven: true }
        await seller.api.json(`/api/v1/vouchers/${guids[i]}/sell`, { method: 'POST', json })
      })
    },
    pull: (count) => pullAll(buyer, partner, count),
    async push(count) {
      const guids = take(count)
      while (guids.length > 0) {
        await handOver(seller, customer, guids.splice(0, MOST_HANDED_OVER))
      }
      await untilPushed(seller)
    },
    async stop() {
      await buyer.stop()
      await seller.stop()
    },
  }
}

/** Its P-256 key: what the devices' vouchers are sold with, and to. */
async function ownerKeyOf({ api }: OwnService): Promise<string> {
  const keys = await api.list<{ purpose: string; type: string; public_key: string }>('/api/v1/keys')
  const key = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
  if (!key) throw new Error('the service has no P-256 owner key')
  return toPem('PUBLIC KEY', Buffer.from(key.public_key, 'base64'))
}

async function addPartner({ api }: OwnService, json: object): Promise<string> {
  const { id } = await api.json<{ id: string }>('/api/v1/partners', { method: 'POST', json })
  return id
}

async function pullAll({ api }: OwnService, partner: string, wanted: number): Promise<void> {
  let [taken, isMore] = [0, true]
  while (isMore) {
    const pulled = await api.json<{ taken: number; failed: { reason: string }[]; more: boolean }>(
      `/api/v1/transfer-sources/${partner}/pull`,
      { method: 'POST' },
    )
    const [failure] = pulled.failed
    if (failure) throw new Error(`not pulled: ${failure.reason}`)
    taken += pulled.taken
    isMore = pulled.more
  }
  if (taken !== wanted) throw new Error(`${taken} of ${wanted} pulled`)
}

async function handOver({ api }: OwnService, partner: string, vouchers: readonly string[]) {
  const json = { partner, vouchers, unproven: true }
  const { items } = await api.json<{ items: { ok: boolean; detail: string | null }[] }>(
    '/api/v1/transfers',
    { method: 'POST', json },
  )
  const failure = items.find(({ ok }) => !ok)
  if (failure) throw new Error(`not handed over: ${failure.detail}`)
}

async function untilPushed({ api }: OwnService): Promise<void> {
  const deadline = performance.now() + PUSH_DEADLINE_MS
  const isAny = async (state: string) =>
    (await api.json<{ items: object[] }>(`/api/v1/transfers?state=${state}&limit=1`)).items.length >
    0
  while (await isAny('waiting')) {
    if (performance.now() > deadline) throw new Error('the vouchers are not pushed in time')
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  if (await isAny('failed')) throw new Error('a voucher was refused: see the seller’s log')
}

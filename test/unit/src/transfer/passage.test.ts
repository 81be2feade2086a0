/** What the audit logs of seller and buyer say of a voucher that changed hands. */
import { afterEach, describe, expect, it } from 'vitest'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { settleAll } from '../../../../src/audit/settle.ts'
import { listReceipts } from '../../../../src/transfer/receipts/store.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import {
  PARTY,
  type TransferWorld,
  openTrade,
  someVouchers,
} from '../../../support/transfer-world.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

async function trade() {
  const made = await openTrade()
  open.push(made)
  const [voucher] = await someVouchers(1)
  return { ...made, row: await made.sell(voucher ?? expect.fail()) }
}

type Trade = Awaited<ReturnType<typeof trade>>

/** Pushed, as often as asked for; gives the partner's id and who the buyer knows the sender as. */
async function push({ seller, buyer, row }: Trade) {
  const { json: token } = await buyer.api('POST', '/inbox-tokens', { name: 'Seller' })
  const { json: partner } = await seller.api('POST', '/partners', {
    ...{ name: 'Buyer', push_url: `${buyer.base}/api/v1/vouchers`, token: token.token },
  })
  const job = { party: PARTY, partner: partner.id, guid: row.guid, voucherHash: hashOf(row.cbor) }
  await seller.database.commit((tx) => seller.transfer.pushes.enqueue(tx, job))
  seller.transfer.start()
  await seller.until(
    () => seller.api('GET', '/transfers').then(({ json }) => json.items),
    (items) => items.every(({ state }: { state: string }) => state === 'delivered'),
  )
  return { partner: partner.id as string, sender: token.id as string }
}

/** Whatever is about a voucher, without who made it ours. */
async function told({ database }: TransferWorld, { guid }: { guid: string }) {
  await settleAll(database)
  const rows = await database.db.selectFrom('audit_entry').selectAll().orderBy('seq').execute()
  return rows
    .filter((row) => row.guid === guid && /received|delivered/.test(row.type))
    .map(({ type, by, device_id, detail }) => ({
      ...{ type, by, device: device_id },
      detail: JSON.parse(detail ?? 'null'),
    }))
}

describe('a voucher that is pushed', () => {
  it('is delivered to whom the seller’s log says, and received from whom the buyer’s says', async () => {
    const made = await trade()
    const { seller, buyer, row } = made
    const { partner, sender } = await push(made)
    const [got] = await listReceipts(seller.database.db, PARTY, row.guid)
    const hashes = {
      voucher_hash: hashOf(row.cbor),
      receipt_hash: hashOf(got?.receipt ?? expect.fail()),
    }
    const { device_id: device } = await buyer.desk.find(PARTY, row.guid)
    expect(await told(seller, row)).toEqual([
      { type: 'voucher-delivered', by: 'system', device, detail: { peer: partner, ...hashes } },
    ])
    expect(await told(buyer, row)).toEqual([
      { type: 'voucher-received', by: sender, device, detail: { peer: 'Seller', ...hashes } },
    ])
  })

  it('again is neither delivered nor received twice', async () => {
    const made = await trade()
    await push(made)
    const { seller } = made
    // As if the answer had come, and the seller had died before it wrote it down.
    await seller.database.db.updateTable('push_job').set({ state: 'waiting' }).execute()
    const { items } = (await seller.api('GET', '/transfers')).json
    await seller.api('POST', `/transfers/${items[0].id}/retry`)
    await seller.until(
      () => seller.api('GET', '/transfers').then(({ json }) => json.items[0].state),
      (state) => state === 'delivered',
    )
    expect(await told(seller, made.row)).toHaveLength(1)
    expect(await told(made.buyer, made.row)).toHaveLength(1)
  })
})

describe('a voucher that is pulled', () => {
  it('is signed for, and both logs say so, once', async () => {
    const made = await trade()
    const { seller, buyer, row, sellersKey } = made
    const { json: partner } = await buyer.api('POST', '/partners', {
      name: 'Seller',
      pull_url: `${seller.base}/api/v1/pull/vouchers`,
      keys: [toPem('PUBLIC KEY', sellersKey.key.spki)],
    })
    for (let i = 0; i < 2; i++) await buyer.api('POST', `/transfer-sources/${partner.id}/pull`)
    const peer = `key ${row.owner_key}`
    expect(await told(seller, row)).toMatchObject([
      { type: 'receipt-received', by: peer, detail: { peer, voucher_hash: hashOf(row.cbor) } },
    ])
    expect(await told(buyer, row)).toMatchObject([
      { type: 'voucher-received', by: partner.id, detail: { peer: 'Seller' } },
    ])
  })
})

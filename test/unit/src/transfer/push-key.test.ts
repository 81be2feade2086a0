/** Pushes for which a key of ours is proven, which has been rotated since the partner was told it. */
import { afterEach, expect, it } from 'vitest'
import { sameKey } from '../../../../protocol/crypto/public-key.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { ecKey } from '../../../support/certificates.ts'
import { PARTY, openTrade, someVouchers } from '../../../support/transfer-world.ts'
import { partsOf } from '../../../support/vouchers.ts'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

/** One voucher, pushed by a seller whose keys are these, the one in use first. */
async function pushedBy(...signers: readonly Signer[]) {
  const trade = await openTrade({
    seller: {
      keys: {
        signerOf: async () => signers[0],
        ownerSigners: async () => signers,
        findOwnerSigner: async (_party, { key }) => signers.find((one) => sameKey(one.key, key)),
        publishedBy: async () => ({ active: [], former: [] }),
      },
    },
  })
  open.push(trade)
  const { seller, buyer, sellersKey, buyersKey } = trade
  const pemOf = ({ key }: Signer) => [toPem('PUBLIC KEY', key.spki)]
  await buyer.api('POST', '/partners', { name: 'Seller', keys: pemOf(sellersKey) })
  const push_url = `${buyer.base}/api/v1/vouchers`
  const known = { name: 'Buyer', push_url, keys: pemOf(buyersKey) }
  const { json: partner } = await seller.api('POST', '/partners', known)
  const [voucher = expect.fail()] = await someVouchers(1)
  const { guid, cbor } = await trade.sell(voucher)
  const job = { party: PARTY, partner: partner.id, guid, voucherHash: hashOf(cbor) }
  await seller.database.commit((tx) => seller.transfer.pushes.enqueue(tx, job))
  seller.transfer.start()
  const items = await seller.until(
    async () => (await seller.api('GET', '/transfers')).json.items,
    ([item]) => item !== undefined && item.state !== 'waiting',
  )
  return items[0]
}

const newKey = () => signerOf(ecKey())
const [, known = expect.fail()] = partsOf().signers

it('are taken by the key that the partner knows still', async () => {
  expect(await pushedBy(newKey(), newKey(), known)).toMatchObject({ state: 'delivered' })
})

it('are refused where it knows none, and no more than a few are tried', async () => {
  expect(await pushedBy(newKey())).toMatchObject({
    state: 'failed',
    last_error: expect.stringContaining('no partner'),
  })
  const many = [newKey(), newKey(), newKey(), newKey()]
  expect(await pushedBy(...many, known)).toMatchObject({ state: 'failed' })
})

/** Organisations with an installation each, and what they do at their desks. */
import { X509Certificate } from 'node:crypto'
import { toBase64, toHex, utf8 } from '../../protocol/bytes.ts'
import { type Voucher, ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { hashOf } from '../../src/transfer/secret.ts'
import { addParty } from './callers.ts'
import { officeOf } from './factory.ts'
import { until } from './programs.ts'
import { type TestService, startTestService } from './service.ts'

interface KeyJson {
  readonly purpose: string
  readonly type: string
  readonly public_key: string
}

interface ImportResult {
  readonly guid: string | null
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
}

interface DeviceDetails {
  readonly id: string
  readonly to0: { readonly state: string }
}

interface ReceiptJson {
  readonly direction: string
  readonly voucher_hash: string
  readonly receipt: string
}

/** One party at its installation: the one that it belongs to, or another by its token. */
function deskOf(service: TestService, token?: string) {
  const office = officeOf(service, token)
  const device = (guid: string) => office.must<DeviceDetails>('GET', `/devices/${guid}`)
  return {
    ...office,
    device,
    url: service.service.http ?? '',
    service,
    /** PEM of the key that devices are sold to. */
    async ownerKey(): Promise<string> {
      const { items } = await office.must<{ items: KeyJson[] }>('GET', '/keys?limit=100')
      const key = items.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
      if (!key) throw new Error('this party has no owner key')
      return toPem('PUBLIC KEY', Buffer.from(key.public_key, 'base64'))
    },
    async voucher(guid: string): Promise<Voucher> {
      const who = token === undefined ? {} : { token }
      const { body } = await service.api('GET', `/api/v1/vouchers/${guid}?format=cbor`, who)
      return parseVoucher(new Uint8Array(body))
    },
    /** What comes of taking one in. */
    async take({ bytes }: Pick<Voucher, 'bytes'>): Promise<ImportResult> {
      const headers = { 'content-type': 'application/cbor' }
      const sent = { body: bytes, headers }
      const { json } = await office.call<{ items: ImportResult[] }>('POST', '/vouchers', sent)
      const [result] = json.items
      if (!result) throw new Error('no result')
      return result
    },
    sell: (guid: string, to: string) =>
      office.call<{ code?: string }>('POST', `/vouchers/${guid}/sell`, { json: { to } }),
    async untilRegistered(...guids: string[]): Promise<void> {
      for (const guid of guids) {
        await until(`${guid} is registered`, async () => {
          return (await device(guid)).to0.state === 'registered'
        })
      }
    },
    /** How many vouchers of each state there are. */
    async states(): Promise<Record<string, number>> {
      const counts: Record<string, number> = {}
      for (const { state } of await office.vouchers()) counts[state] = (counts[state] ?? 0) + 1
      return counts
    },
    /** The one kept for this very voucher, base64. */
    async receipt(direction: 'given' | 'got', voucher: Voucher): Promise<string | undefined> {
      const path = `/transfer-receipts?guid=${toHex(voucher.header.value.guid)}`
      const { items } = await office.must<{ items: ReceiptJson[] }>('GET', path)
      const hash = hashOf(voucher.bytes)
      return items.find((one) => one.direction === direction && one.voucher_hash === hash)?.receipt
    },
    /** What the log says of a device through all its vouchers, oldest first; not where it waits. */
    async told(guid: string): Promise<string[]> {
      const path = `/audit?device=${(await device(guid)).id}`
      const { items } = await office.must<{ items: { type: string }[] }>('GET', path)
      const types = items.map(({ type }) => type).reverse()
      return types.filter((type) => type !== 'registered')
    },
    /** The fingerprint of what its certificates lead to. */
    async root(): Promise<string> {
      const { body } = await service.api('GET', '/.well-known/firstlight/ca.pem', { token: null })
      return new X509Certificate(body).fingerprint256
    },
    ownerSigner: () => service.service.services.keyStore.ring(HOME_PARTY).signer('owner', 'p256'),
    /** Signs as the owner this voucher names: what a thief of its database could. */
    async signerOf(voucher: Voucher) {
      const { spki } = ownerKeyOf(voucher).value.key
      const ring = service.service.services.keyStore.ring(HOME_PARTY)
      const signer = await ring.findSigner('owner', spki)
      if (!signer) throw new Error('not its key')
      return signer
    },
  }
}

export type Desk = ReturnType<typeof deskOf>

/** Another party of the same installation. */
export async function joinedParty({ service }: Desk, name: string): Promise<Desk> {
  return deskOf(service, (await addParty(service, name)).token)
}

export async function install(variables: Record<string, string>): Promise<Desk> {
  return deskOf(await startTestService(variables))
}

interface PartnerJson {
  readonly id: string
  readonly name: string
  readonly keys: readonly { readonly fingerprint: string }[]
}

/** The other as this one's partner, with its address to pull from and its key; added if need be. */
async function partnerAt(desk: Desk, other: Desk): Promise<PartnerJson> {
  const { items } = await desk.must<{ items: PartnerJson[] }>('GET', '/partners')
  const known = items.find(({ name }) => name === other.url)
  if (known) return known
  const { pull_url } = await other.must<{ pull_url: string }>('GET', '/transfer-profile')
  const partner = { name: other.url, pull_url, keys: [await other.ownerKey()] }
  return desk.must<PartnerJson>('POST', '/partners', partner)
}

/** The buyer proves to the seller that it holds its key: what is sold to it is not lost. */
export async function introduce(buyer: Desk, seller: Desk): Promise<void> {
  const { id, keys } = await partnerAt(seller, buyer)
  const path = `/partners/${id}/keys/${keys[0]?.fingerprint}`
  const { challenge } = await seller.must<{ challenge: string }>('POST', `${path}/challenge`)
  const signature = toBase64(await (await buyer.ownerSigner()).sign(utf8(challenge)))
  await seller.must('POST', `${path}/proof`, { challenge, signature })
}

/** Fetches what the seller has sold to this buyer. */
export async function pull(buyer: Desk, seller: Desk): Promise<unknown> {
  const { id } = await partnerAt(buyer, seller)
  return buyer.must('POST', `/transfer-sources/${id}/pull`)
}

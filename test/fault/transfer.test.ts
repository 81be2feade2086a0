/**
 * Seller and buyer are killed while vouchers change hands, at each line that matters: nothing is
 * lost, nothing is doubled, and both logs say with whom.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { toPem } from '../../protocol/x509/pem.ts'
import { call } from '../support/listening.ts'
import { manyVouchers } from '../support/many-vouchers.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'

const PATIENCE_MS = 300_000

/** When, on its way between them, a message meets its fate, and who goes down with it. */
interface Fault {
  readonly path: RegExp
  /** `asked`: it never arrives. `amid`: it arrives, as the process dies. `answered`: the answer is lost. */
  readonly at: 'asked' | 'amid' | 'answered'
  readonly victim: ServeProcess
}

const folder = mkdtempSync(join(tmpdir(), 'firstlight-transfer-'))
let seller: ServeProcess
let buyer: ServeProcess
let between: Server
let fault: Fault | undefined
/** Resolves with whoever was killed. */
let struck: (victim: ServeProcess) => void = () => {}
let buyersKey: { pem: string; fingerprint: string }
let partner: string
let source: string
let guids: string[]

async function api<T>(at: ServeProcess, method: string, path: string, json?: unknown): Promise<T> {
  const token = readFileSync(join(at.folder, 'admin.token'), 'utf8').trim()
  const headers = {
    ...{ authorization: `Bearer ${token}`, connection: 'close' },
    ...(json !== undefined && { 'content-type': 'application/json' }),
  }
  const body = json === undefined ? '' : JSON.stringify(json)
  const answer = await call(`${at.url}/api/v1${path}`, method, headers, body)
  if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${String(answer.body)}`)
  return (answer.body.length > 0 ? JSON.parse(String(answer.body)) : undefined) as T
}

/** Carries a message between the two, unless the fault is its. */
async function carry(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const { method = 'GET', url = '/', headers } = incoming
  const mine = fault?.path.test(`${method} ${url}`) ? fault : undefined
  if (mine) fault = undefined
  if (mine?.at === 'asked') return strike(mine, outgoing)
  const target = /\/pull\//.test(url) ? seller : buyer
  const { host: _, connection: __, ...kept } = headers
  const asked = call(
    `${target.url}${url}`,
    method,
    kept as Record<string, string>,
    Buffer.concat(parts),
  )
  if (mine?.at === 'amid') {
    asked.catch(() => {})
    return strike(mine, outgoing)
  }
  try {
    const answer = await asked
    if (mine) return await strike(mine, outgoing)
    const { 'transfer-encoding': ___, ...answered } = answer.headers
    outgoing.writeHead(answer.status, answered).end(answer.body)
  } catch {
    // Whoever should have answered is down.
    outgoing.destroy()
  }
}

async function strike({ victim }: Fault, outgoing: ServerResponse): Promise<void> {
  await victim.kill()
  outgoing.destroy()
  struck(victim)
}

/** Resolves when the fault has come about and its victim is up again. */
async function recovered(next: Fault): Promise<void> {
  const hit = new Promise<ServeProcess>((resolve) => (struck = resolve))
  fault = next
  await (await hit).start()
}

interface KeyJson {
  readonly purpose: string
  readonly type: string
  readonly public_key: string
  readonly fingerprint: string
}

async function ownerKeyOf(at: ServeProcess): Promise<KeyJson> {
  const keys = await at.list<KeyJson>('/keys')
  return keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256') ?? expect.fail()
}

const pemOf = ({ public_key }: KeyJson) => toPem('PUBLIC KEY', Buffer.from(public_key, 'base64'))

beforeAll(async () => {
  between = createServer((incoming, outgoing) => void carry(incoming, outgoing))
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  const through = `http://127.0.0.1:${(between.address() as AddressInfo).port}`
  const variables = { FIRSTLIGHT_TRUST: 'any', FIRSTLIGHT_ROLES: 'owner' }
  seller = new ServeProcess(join(folder, 'seller'), await freePort(), variables)
  buyer = new ServeProcess(join(folder, 'buyer'), await freePort(), variables)
  await Promise.all([seller.start(), buyer.start()])

  const profileOf = (at: ServeProcess) =>
    api<{ push_url: string; pull_url: string }>(at, 'GET', '/transfer-profile')
  const moved = (url: string) => `${through}${new URL(url).pathname}`
  const [sellers, buyers] = [await ownerKeyOf(seller), await ownerKeyOf(buyer)]
  buyersKey = { pem: pemOf(buyers), fingerprint: buyers.fingerprint }
  const { token } = await api<{ token: string }>(buyer, 'POST', '/inbox-tokens', { name: 'Seller' })
  const push_url = moved((await profileOf(buyer)).push_url)
  const toBuyer = { name: 'Buyer', push_url, token, keys: [buyersKey.pem] }
  partner = (await api<{ id: string }>(seller, 'POST', '/partners', toBuyer)).id
  const pull_url = moved((await profileOf(seller)).pull_url)
  const toSeller = { name: 'Seller', pull_url, keys: [pemOf(sellers)] }
  source = (await api<{ id: string }>(buyer, 'POST', '/partners', toSeller)).id

  const spki = new Uint8Array(Buffer.from(sellers.public_key, 'base64'))
  const pems = (await manyVouchers(24, spki)).map((one) => voucherToPem(one)).join('')
  const admin = readFileSync(join(seller.folder, 'admin.token'), 'utf8').trim()
  const headers = { authorization: `Bearer ${admin}`, 'content-type': 'application/x-pem-file' }
  await call(`${seller.url}/api/v1/vouchers`, 'POST', headers, pems)
  guids = (await seller.list<{ guid: string }>('/vouchers?limit=100')).map(({ guid }) => guid)
}, PATIENCE_MS)
afterAll(async () => {
  await Promise.all([seller.kill(), buyer.kill()])
  between.closeAllConnections()
  between.close()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

const hand = (vouchers: readonly string[]) =>
  api<{ items: { ok: boolean }[] }>(seller, 'POST', '/transfers', {
    ...{ partner, vouchers, unproven: true },
  })

/** Asks for what waits to be tried at once: who died in the middle of it had claimed it for a while. */
async function delivered(some: readonly string[]): Promise<void> {
  await until('all are delivered', async () => {
    const jobs = await seller.list<{ id: string; guid: string; state: string }>(
      '/transfers?limit=100',
    )
    const mine = jobs.filter(({ guid }) => some.includes(guid))
    const open = mine.filter(({ state }) => state !== 'delivered')
    for (const { id } of open) await api(seller, 'POST', `/transfers/${id}/retry`)
    return mine.length === some.length && open.length === 0
  })
}

interface EntryJson {
  readonly type: string
  readonly detail: { readonly to?: string; readonly peer?: string } | null
}

/** What a party's log says of a voucher since it has had it, with whom. */
async function told(at: ServeProcess, guid: string): Promise<string[]> {
  const entries = await at.list<EntryJson>(`/audit?guid=${guid}&limit=100`)
  return entries
    .map(({ type, detail }) => `${type} ${detail?.to ?? detail?.peer ?? ''}`.trim())
    .filter((line) => !/^(voucher-made|registered)/.test(line))
    .sort()
}

/** Once with the buyer, no more with the seller, and signed for once. */
async function changedHands(some: readonly string[], sellersLast: string): Promise<void> {
  for (const guid of some) {
    const [sold] = await seller
      .list<{ guid: string; state: string }>('/vouchers?limit=100')
      .then((all) => all.filter((one) => one.guid === guid))
    expect(sold?.state).toBe('handed-over')
    const bought = await buyer.list<{ guid: string; state: string }>('/vouchers?limit=100')
    expect(bought.filter((one) => one.guid === guid)).toMatchObject([{ state: 'held' }])
    const out = `voucher-handed-over ${buyersKey.fingerprint}`
    expect(await told(seller, guid)).toEqual([sellersLast, out, 'voucher-imported'].sort())
    expect(await told(buyer, guid)).toEqual(['voucher-imported', 'voucher-received Seller'])
    const [got] = await seller.list<{ receipt: string }>(`/transfer-receipts?guid=${guid}`)
    const given = await buyer.list<{ receipt: string }>(`/transfer-receipts?guid=${guid}`)
    expect(given.map(({ receipt }) => receipt)).toEqual([got?.receipt])
  }
}

describe('vouchers that are handed over', { timeout: PATIENCE_MS }, () => {
  it('are sold once, whenever the seller is killed, and then pushed', async () => {
    const some = guids.splice(0, 8)
    for (const pauseMs of [0, 2, 5, 10, 20, 40]) {
      const sent = hand(some).catch(() => undefined)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
      await seller.kill()
      await sent
      await seller.start()
    }
    expect((await hand(some)).items.every(({ ok }) => ok)).toBe(true)
    await delivered(some)
    await changedHands(some, `voucher-delivered ${partner}`)
  })
})

describe('a push', { timeout: PATIENCE_MS }, () => {
  const PUSH = /^POST .*\/vouchers$/

  it.each([
    ['the seller, before it has left', 'asked', 'seller'],
    ['the seller, before it hears the answer', 'answered', 'seller'],
    ['the buyer, before it arrives', 'asked', 'buyer'],
    ['the buyer, as it arrives', 'amid', 'buyer'],
    ['the buyer, after its commit and before its answer', 'answered', 'buyer'],
  ] as const)('arrives once, whoever is killed: %s', async (_name, at, who) => {
    const some = guids.splice(0, 1)
    const struckDown = recovered({ path: PUSH, at, victim: who === 'seller' ? seller : buyer })
    // Its answer may be lost with the seller; asking again sells nothing twice.
    await hand(some).catch(() => undefined)
    await struckDown
    expect((await hand(some)).items).toMatchObject([{ ok: true }])
    await delivered(some)
    await changedHands(some, `voucher-delivered ${partner}`)
  })

  it('goes on by itself where nobody asks, once who was pushing it has died', async () => {
    const some = guids.splice(0, 1)
    const struckDown = recovered({ path: PUSH, at: 'answered', victim: seller })
    await hand(some).catch(() => undefined)
    await struckDown
    // It is claimed for half a minute still.
    await until('it is delivered', async () => {
      const jobs = await seller.list<{ guid: string; state: string }>('/transfers?limit=100')
      return jobs.some(({ guid, state }) => guid === some[0] && state === 'delivered')
    })
    await changedHands(some, `voucher-delivered ${partner}`)
  })
})

describe('a pull', { timeout: PATIENCE_MS }, () => {
  const [DOWNLOAD, RECEIPT] = [/^GET .*\/download$/, /^POST .*\/receipt$/]

  it.each([
    ['the buyer, while it downloads', DOWNLOAD, 'answered', 'buyer'],
    ['the seller, while it is asked', DOWNLOAD, 'amid', 'seller'],
    ['the buyer, before it has signed', RECEIPT, 'asked', 'buyer'],
    ['the seller, as the receipt arrives', RECEIPT, 'amid', 'seller'],
    ['the seller, after it has kept the receipt', RECEIPT, 'answered', 'seller'],
    ['the buyer, before it hears that', RECEIPT, 'answered', 'buyer'],
  ] as const)('brings each once, whoever is killed: %s', async (_name, path, at, who) => {
    const some = guids.splice(0, 1)
    for (const guid of some) {
      await api(seller, 'POST', `/vouchers/${guid}/sell`, { to: buyersKey.pem, unproven: true })
    }
    const struckDown = recovered({ path, at, victim: who === 'seller' ? seller : buyer })
    const pull = () => api(buyer, 'POST', `/transfer-sources/${source}/pull`)
    await pull().catch(() => undefined)
    await struckDown
    await until('it has been pulled', () =>
      pull().then(
        () => true,
        () => false,
      ),
    )
    await changedHands(some, `receipt-received ${partner}`)
  })
})

describe('the logs of both', { timeout: PATIENCE_MS }, () => {
  it.each(['seller', 'buyer'] as const)('are whole after all that: %s', async (who) => {
    const at = who === 'seller' ? seller : buyer
    const FIRSTLIGHT_TOKEN = readFileSync(join(at.folder, 'admin.token'), 'utf8').trim()
    const caller = { FIRSTLIGHT_URL: at.url, FIRSTLIGHT_TOKEN }
    expect(await firstlight(['audit', 'verify'], caller)).toMatchObject({ status: 0 })
  })
})

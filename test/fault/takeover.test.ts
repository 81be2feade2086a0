/**
 * Vouchers change hands between two services of two instances each. Whoever is at work is killed and
 * stays away: the other instance goes on, nothing is lost, and nothing is doubled.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { pidAt } from '../support/connected.ts'
import { isOnPostgres, withDatabase } from '../support/database.ts'
import { call } from '../support/listening.ts'
import { manyVouchers } from '../support/many-vouchers.ts'
import { ServeProcess, firstlight, freePort, until } from '../support/programs.ts'
import { api, callAt, listAt, ownerKeyOf } from '../support/served.ts'

/** Starts of real processes, on a machine that may be busy, and claims that have to lapse. */
const PATIENCE_MS = 300_000

/** Two instances, and which of them lives. */
class Side {
  readonly instances: readonly ServeProcess[]
  readonly #pids = new Map<ServeProcess, number>()

  constructor(instances: readonly ServeProcess[]) {
    this.instances = instances
  }

  static async open(name: string): Promise<Side> {
    const FIRSTLIGHT_DATA = join(folder, name)
    await withDatabase({ FIRSTLIGHT_DATA })
    const ports = [await freePort(), await freePort()]
    const variables = {
      ...{ FIRSTLIGHT_TRUST: 'any', FIRSTLIGHT_ROLES: 'owner' },
      FIRSTLIGHT_PUBLIC_URL: `http://127.0.0.1:${ports[0]}`,
    }
    const side = new Side(ports.map((port) => new ServeProcess(FIRSTLIGHT_DATA, port, variables)))
    await side.start()
    return side
  }

  /** Those that are not there. */
  async start(): Promise<void> {
    for (const one of this.instances) {
      if (!this.#pids.has(one)) this.#pids.set(one, (await one.start()).pid)
    }
  }

  async kill(victim: ServeProcess): Promise<void> {
    this.#pids.delete(victim)
    await victim.kill()
  }

  /** Any that lives. */
  get living(): ServeProcess {
    return this.instances.find((one) => this.#pids.has(one)) ?? expect.fail('nobody lives')
  }

  /** The one that has this end of a connection. */
  at({ remotePort = 0, localPort = 0 }: Socket): ServeProcess {
    const pid = pidAt(remotePort, localPort, [...this.#pids.values()])
    return this.instances.find((one) => this.#pids.get(one) === pid) ?? expect.fail('none of ours')
  }
}

interface Fault {
  readonly path: RegExp
  /** `asked`: the message never arrives. `answered`: its answer is lost. */
  readonly at: 'asked' | 'answered'
  /** Who is killed: who sent it, or who answers. */
  readonly who: 'asking' | 'asked'
}

let folder: string
let seller: Side
let buyer: Side
let between: Server
let fault: Fault | undefined
let struck: () => void = () => {}
let partner: string
let source: string
let buyersKey: { readonly pem: string; readonly fingerprint: string }
let guids: string[]

/** Carries a message from one side to an instance of the other that lives. */
async function carry(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/', headers, socket } = incoming
  const parts: Buffer[] = []
  for await (const part of incoming) parts.push(part as Buffer)
  const mine = fault?.path.test(`${method} ${url}`) ? fault : undefined
  if (mine) fault = undefined
  const [from, to] = /\/pull\//.test(url) ? [buyer, seller] : [seller, buyer]
  const asked = to.living
  const strike = async ({ who }: Fault) => {
    if (who === 'asked') await to.kill(asked)
    else await from.kill(from.at(socket))
    outgoing.destroy()
    struck()
  }
  if (mine?.at === 'asked') return strike(mine)
  const { host: _, connection: __, ...kept } = headers as Record<string, string>
  try {
    const answer = await call(`${asked.url}${url}`, method, kept, Buffer.concat(parts))
    if (mine) return await strike(mine)
    const { 'transfer-encoding': ___, ...answered } = answer.headers
    outgoing.writeHead(answer.status, answered).end(answer.body)
  } catch {
    outgoing.destroy()
  }
}

const strikes = (next: Fault) =>
  new Promise<void>((resolve) => {
    struck = resolve
    fault = next
  })

beforeAll(async () => {
  if (!isOnPostgres) return
  folder = mkdtempSync(join(tmpdir(), 'firstlight-takeover-'))
  between = createServer((incoming, outgoing) => void carry(incoming, outgoing))
  await new Promise<void>((resolve) => between.listen(0, '127.0.0.1', resolve))
  const through = `http://127.0.0.1:${(between.address() as AddressInfo).port}`
  ;[seller, buyer] = await Promise.all([Side.open('seller'), Side.open('buyer')])

  const profileOf = ({ living }: Side) =>
    api<{ push_url: string; pull_url: string }>(living, 'GET', '/transfer-profile')
  const moved = (url: string) => `${through}${new URL(url).pathname}`
  const sellersKey = await ownerKeyOf(seller.living)
  buyersKey = await ownerKeyOf(buyer.living)
  const { token } = await api<{ token: string }>(buyer.living, 'POST', '/inbox-tokens', {
    name: 'Seller',
  })
  const push_url = moved((await profileOf(buyer)).push_url)
  const toBuyer = { name: 'Buyer', push_url, token, keys: [buyersKey.pem] }
  partner = (await api<{ id: string }>(seller.living, 'POST', '/partners', toBuyer)).id
  const pull_url = moved((await profileOf(seller)).pull_url)
  const toSeller = { name: 'Seller', pull_url, keys: [sellersKey.pem] }
  source = (await api<{ id: string }>(buyer.living, 'POST', '/partners', toSeller)).id

  const pems = (await manyVouchers(12, sellersKey.spki)).map((one) => voucherToPem(one)).join('')
  await callAt(seller.living, 'POST', '/vouchers', pems, 'application/x-pem-file')
  const vouchers = await listAt<{ guid: string }>(seller.living, '/vouchers?limit=100')
  guids = vouchers.map(({ guid }) => guid)
}, PATIENCE_MS)
afterEach(async () => {
  if (isOnPostgres) await Promise.all([seller.start(), buyer.start()])
}, PATIENCE_MS)
afterAll(async () => {
  if (!isOnPostgres) return
  const all = [...seller.instances, ...buyer.instances]
  await Promise.all(all.map((one) => one.kill()))
  between.closeAllConnections()
  between.close()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

const hand = (at: ServeProcess, vouchers: readonly string[]) =>
  api<{ items: { ok: boolean }[] }>(at, 'POST', '/transfers', { partner, vouchers, unproven: true })

/** By whoever lives, and without a hand. */
async function delivered(some: readonly string[]): Promise<void> {
  await until('all are delivered', async () => {
    const jobs = await listAt<{ guid: string; state: string }>(
      seller.living,
      '/transfers?limit=100',
    )
    const mine = jobs.filter(({ guid }) => some.includes(guid))
    return mine.length === some.length && mine.every(({ state }) => state === 'delivered')
  })
}

interface EntryJson {
  readonly type: string
  readonly detail: { readonly to?: string; readonly peer?: string } | null
}

/** What a party's log says of a voucher since it has had it, with whom. */
async function told({ living }: Side, guid: string): Promise<string[]> {
  const entries = await listAt<EntryJson>(living, `/audit?guid=${guid}&limit=100`)
  return entries
    .map(({ type, detail }) => `${type} ${detail?.to ?? detail?.peer ?? ''}`.trim())
    .filter((line) => !/^(voucher-made|registered)/.test(line))
    .toSorted()
}

/** Once with the buyer, no more with the seller, and signed for once. */
async function changedHands(some: readonly string[], sellersLast: string): Promise<void> {
  const statesAt = ({ living }: Side) =>
    listAt<{ guid: string; state: string }>(living, '/vouchers?limit=100')
  const receipts = ({ living }: Side, guid: string) =>
    listAt<{ receipt: string }>(living, `/transfer-receipts?guid=${guid}`)
  for (const guid of some) {
    const [sold] = (await statesAt(seller)).filter((one) => one.guid === guid)
    expect(sold?.state).toBe('handed-over')
    const bought = (await statesAt(buyer)).filter((one) => one.guid === guid)
    expect(bought).toMatchObject([{ state: 'held' }])
    const out = `voucher-handed-over ${buyersKey.fingerprint}`
    const all = [`${sellersLast} ${partner}`, out, 'voucher-imported']
    expect(await told(seller, guid)).toEqual(all.toSorted())
    expect(await told(buyer, guid)).toEqual(['voucher-imported', 'voucher-received Seller'])
    const [got] = await receipts(seller, guid)
    expect(got).toBeDefined()
    expect((await receipts(buyer, guid)).map(({ receipt }) => receipt)).toEqual([got?.receipt])
  }
}

describe.runIf(isOnPostgres)('the other instance', { timeout: PATIENCE_MS }, () => {
  it('sells what was being sold once, and pushes it', async () => {
    const some = guids.splice(0, 4)
    for (const pauseMs of [0, 3, 10, 30]) {
      const at = seller.living
      const sent = hand(at, some).catch(() => undefined)
      await sleep(pauseMs)
      await seller.kill(at)
      await sent
      expect((await hand(seller.living, some)).items.every(({ ok }) => ok)).toBe(true)
      await seller.start()
    }
    await delivered(some)
    await changedHands(some, 'voucher-delivered')
  })

  it.each([
    ['before it has left', 'asked', 'asking'],
    ['before its answer is heard', 'answered', 'asking'],
    ['before it arrives', 'asked', 'asked'],
    ['after its commit, and before its answer', 'answered', 'asked'],
  ] as const)('goes on with a push where one is killed %s', async (_name, at, who) => {
    const some = guids.splice(0, 1)
    const struckDown = strikes({ path: /^POST .*\/vouchers$/, at, who })
    await hand(seller.living, some).catch(() => undefined)
    await struckDown
    await delivered(some)
    await changedHands(some, 'voucher-delivered')
  })

  it.each([
    ['while it downloads', /^GET .*\/download$/, 'answered', 'asking'],
    ['while it is asked', /^GET .*\/download$/, 'asked', 'asked'],
    ['before it has signed', /^POST .*\/receipt$/, 'asked', 'asking'],
    ['after it has kept the receipt', /^POST .*\/receipt$/, 'answered', 'asked'],
  ] as const)('brings what is pulled where one is killed %s', async (_name, path, at, who) => {
    const some = guids.splice(0, 1)
    const to = { to: buyersKey.pem, unproven: true }
    await api(seller.living, 'POST', `/vouchers/${some[0]}/sell`, to)
    const struckDown = strikes({ path, at, who })
    const pull = () => api(buyer.living, 'POST', `/transfer-sources/${source}/pull`)
    await pull().catch(() => undefined)
    await struckDown
    await until('it has been pulled', () =>
      pull().then(
        () => true,
        () => false,
      ),
    )
    await changedHands(some, 'receipt-received')
  })

  it('has written both logs whole', async () => {
    for (const { living } of [seller, buyer]) {
      const FIRSTLIGHT_TOKEN = readFileSync(join(living.folder, 'admin.token'), 'utf8').trim()
      const caller = { FIRSTLIGHT_URL: living.url, FIRSTLIGHT_TOKEN }
      expect(await firstlight(['audit', 'verify'], caller)).toMatchObject({ status: 0 })
    }
  })
})

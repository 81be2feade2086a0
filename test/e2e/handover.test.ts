/** Two organisations, each with a service of its own: what is made at one goes to the other. */
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toBase64, utf8 } from '../../protocol/bytes.ts'
import { signerOf } from '../../protocol/crypto/signer.ts'
import { manufactureDevice } from '../../src/simulator/manufacture.ts'
import { fdoTransport } from '../../src/simulator/transport.ts'
import { openDatabase } from '../support/database.ts'
import { freePort, until } from '../support/programs.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

const folder = mkdtempSync(join(tmpdir(), 'handover-'))
const AS_SELLER = { FIRSTLIGHT_ROLES: 'manufacturer,owner', FIRSTLIGHT_FIRST_OWNER: 'none' }
const AS_BUYER = { FIRSTLIGHT_ROLES: 'owner', FIRSTLIGHT_TRUST: 'any' }
let seller: TestService
let buyer: TestService
let partner: string

interface Item {
  readonly guid: string
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
}

async function get<T>(at: TestService, path: string): Promise<T> {
  return (await at.api('GET', `/api/v1${path}`)).json as T
}

async function send<T>(at: TestService, path: string, json: unknown = {}): Promise<T> {
  return (await at.api('POST', `/api/v1${path}`, { json })).json as T
}

const make = (serial: string, model: string) =>
  manufactureDevice({
    transport: fdoTransport(seller.service.http!),
    credentialPath: join(folder, serial),
    ...{ key: 'p256', ownerKey: 'p256', encoding: 'x509' },
    ...{ serial, model },
  })

const heldByBuyer = async (guids: readonly string[]) => {
  const { items } = await get<{ items: { guid: string; state: string }[] }>(buyer, '/vouchers')
  const held = items.filter(({ state }) => state === 'held').map(({ guid }) => guid)
  return guids.every((guid) => held.includes(guid))
}

const key = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = key.publicKey.export({ type: 'spki', format: 'pem' }).toString()

beforeAll(async () => {
  seller = await startTestService(AS_SELLER)
  buyer = await startTestService({ ...AS_BUYER, FIRSTLIGHT_PORT: String(await freePort()) })
  const body = key.privateKey.export({ type: 'pkcs8', format: 'der' })
  const headers = { 'content-type': 'application/octet-stream' }
  await buyer.api('POST', '/api/v1/keys', { body, headers })
  const { token } = await send<{ token: string }>(buyer, '/inbox-tokens', { name: 'Seller' })
  const { push_url } = await get<{ push_url: string }>(buyer, '/transfer-profile')
  const made = { name: 'Buyer', push_url, token, keys: [pem] }
  partner = (await send<{ id: string }>(seller, '/partners', made)).id
}, PATIENCE_MS)
afterAll(async () => {
  await seller.remove()
  await buyer.remove()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

describe('vouchers', { timeout: PATIENCE_MS }, () => {
  const guids: string[] = []

  it('go to a buyer who has proven its key, ten at once, and once', async () => {
    for (let i = 0; i < 10; i++) guids.push(await make(`one-${i}`, 'one'))
    const hand = () =>
      send<{ items: Item[] }>(seller, '/transfers', { partner, vouchers: guids }).then(
        ({ items }) => items,
      )
    expect((await hand()).map(({ check }) => check)).toEqual(Array(10).fill('key-not-proven'))

    const { keys } = await get<{ keys: { fingerprint: string }[] }>(seller, `/partners/${partner}`)
    const path = `/partners/${partner}/keys/${keys[0]?.fingerprint}`
    const { challenge } = await send<{ challenge: string }>(seller, `${path}/challenge`)
    const signer = signerOf(key.privateKey)
    const signature = toBase64(await signer.sign(utf8(challenge)))
    await send(seller, `${path}/proof`, { challenge, signature })

    expect((await hand()).map(({ ok, detail }) => [ok, detail])).toEqual(
      Array(10).fill([true, null]),
    )
    await until('they are with the buyer', () => heldByBuyer(guids))
    expect((await hand()).map(({ ok, detail }) => [ok, detail])).toEqual(
      Array(10).fill([true, 'handed over already']),
    )
  })

  it('of a model go by themselves as they are made', async () => {
    await send(seller, '/transfer-rules', { model: 'two', partner })
    const [made, kept] = [await make('two-1', 'two'), await make('three-1', 'three')]
    await until('it is with the buyer', () => heldByBuyer([made]))
    const { state } = await get<{ state: string }>(seller, `/vouchers/${kept}`)
    expect(state).toBe('held')
  })

  it('that were sold while the buyer was away are pushed by who comes after us', async () => {
    const guid = await make('four-1', 'four')
    const { folder: data } = buyer
    const port = new URL(buyer.service.http!).port
    await buyer.stop()
    const { items } = await send<{ items: Item[] }>(seller, '/transfers', {
      partner,
      vouchers: [guid],
    })
    expect(items).toMatchObject([{ ok: true }])
    await seller.stop()
    buyer = await startTestService({ ...AS_BUYER, FIRSTLIGHT_PORT: port }, { folder: data })
    seller = await startTestService(AS_SELLER, { folder: seller.folder })
    // Who was not reached is left alone for some seconds; we are not that patient.
    const { items: jobs } = await get<{ items: { id: string }[] }>(
      seller,
      `/transfers?guid=${guid}`,
    )
    await send(seller, `/transfers/${jobs[0]?.id}/retry`)
    await until('it is with the buyer', () => heldByBuyer([guid]))
  })

  it('are no reason to wait as we stop for a buyer that does not answer', async () => {
    const before = await get<{ push_url: string }>(seller, `/partners/${partner}`)
    const silent = createServer()
    const called = new Promise((resolve) => silent.on('request', resolve))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const address = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
    const move = (push_url: string) =>
      seller.api('PUT', `/api/v1/partners/${partner}`, {
        json: { name: 'Buyer', push_url, keys: [pem] },
      })
    expect((await move(address)).status).toBe(200)
    const guid = await make('silent-1', 'silent')
    await send(seller, '/transfers', { partner, vouchers: [guid] })
    await called
    const began = performance.now()
    await seller.stop()
    expect(performance.now() - began).toBeLessThan(10_000)
    silent.closeAllConnections()
    silent.close()
    // Before who comes after us tries it again.
    const database = await openDatabase(join(seller.folder, 'firstlight.sqlite'))
    const jobs = database.db.selectFrom('push_job').selectAll().where('guid', '=', guid)
    expect(await jobs.execute()).toMatchObject([{ state: 'waiting', attempts: 1 }])
    await database.close()
    seller = await startTestService(AS_SELLER, { folder: seller.folder })
    await move(before.push_url)
  })

  it('of a model are sold to who fetches them as the devices are made', async () => {
    const { fingerprint } = (
      await get<{ keys: { fingerprint: string }[] }>(seller, `/partners/${partner}`)
    ).keys[0]!
    // Nothing is pushed there, so that nothing is missing once DI has sold it.
    const put = { name: 'Buyer', keys: [pem] }
    await seller.api('PUT', `/api/v1/partners/${partner}`, { json: put })
    await send(seller, '/transfer-rules', { model: 'five', partner })
    const sold = await get<object>(seller, `/vouchers/${await make('five-1', 'five')}`)
    expect(sold).toMatchObject({ state: 'handed-over', entries: 1, owner_key: fingerprint })
  })
})

/**
 * The story of ten devices on installations of their own: an OEM makes them to an order, a reseller
 * gets them, an owner gets eight, two go back, all eight onboard, and one is resold and onboards there.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readReceipt } from '../../protocol/transfer/receipt.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { fetchDeviceToken } from '../../src/simulator/token.ts'
import { CLOSED_DOOR, refusal } from '../support/factory.ts'
import { type Desk, install, introduce, joinedParty, pull } from '../support/installations.ts'
import { firstlight } from '../support/programs.ts'
import { registerAt } from '../support/registering.ts'
import { PATIENCE_MS } from '../support/service.ts'
import {
  type Device,
  deviceIn,
  leadTo,
  make,
  powerUp,
  rearm,
  rootHeldBy,
  twinOf,
} from '../support/simulated.ts'

const QUANTITY = 10
const SOLD_ON = 8

const folder = mkdtempSync(join(tmpdir(), 'story-'))
let oem: Desk
let reseller: Desk
let owner: Desk
let nextOwner: Desk
/** By GUID, as they were made. */
const devices = new Map<string, Device>()
let guids: string[] = []
let eight: string[] = []
let two: string[] = []
/** What each had of the first device and the last, while they were theirs: as a former owner has it. */
const kept = { oem: new Map<string, Voucher>(), reseller: new Map<string, Voucher>() }

beforeAll(async () => {
  // The OEM runs the rendezvous, too.
  oem = await install(CLOSED_DOOR)
  const trusted = join(folder, 'oem-device-ca.pem')
  const answer = await fetch(`${oem.url}/.well-known/firstlight/device-ca.pem`)
  writeFileSync(trusted, await answer.text())
  const tls = { FIRSTLIGHT_TLS_PORT: '0' }
  const buyer = { FIRSTLIGHT_ROLES: 'owner', FIRSTLIGHT_TRUST: trusted }
  reseller = await install(buyer)
  owner = await install({ ...buyer, ...tls })
  // A manufacturer itself, and a stranger to all but the OEM, whose devices it takes.
  nextOwner = await install({ FIRSTLIGHT_TRUST: trusted, ...tls })
  const { directives } = await oem.must<{ directives: object[] }>('GET', '/rendezvous-info')
  // Where devices are to look once they are sold on from here.
  for (const desk of [owner, nextOwner]) await desk.must('PUT', '/rendezvous-info', { directives })
}, PATIENCE_MS)
afterAll(async () => {
  for (const desk of [oem, reseller, owner, nextOwner]) await desk.service.remove()
  rmSync(folder, { recursive: true })
}, PATIENCE_MS)

/** Sold by the seller to the buyer's key, by two at once, and fetched by the buyer. */
async function handOver(some: readonly string[], seller: Desk, buyer: Desk): Promise<void> {
  await introduce(buyer, seller)
  const key = await buyer.ownerKey()
  for (const guid of some) {
    const sales = await Promise.all([seller.sell(guid, key), seller.sell(guid, key)])
    expect(sales.map(({ status }) => status).sort()).toEqual([200, 409])
  }
  expect(await pull(buyer, seller)).toEqual({
    taken: some.length,
    known: 0,
    failed: [],
    more: false,
  })
}

/** TO0 at the OEM's rendezvous, whatever its own service thinks of it. */
const announced = async (desk: Desk, voucher: Voucher) =>
  registerAt(oem.url, { voucher, signer: await desk.signerOf(voucher) })

const deviceOf = (guid: string) => devices.get(guid) ?? expect.fail(`no device ${guid}`)

/** Powers it up; the GUID it has from then on. */
async function onboard(guid: string): Promise<string> {
  const device = deviceOf(guid)
  const done = await powerUp(device)
  expect(done).toMatchObject({ result: 'onboarded', previous_guid: guid, message: null })
  devices.set(done.guid, device)
  return done.guid
}

type AlarmJson = Readonly<Record<'guid' | 'entries', unknown>>

describe('ten devices', { timeout: PATIENCE_MS }, () => {
  it('are made to an order at a station, and no eleventh', async () => {
    const station = await oem.addStation()
    const wanted = { stations: [station.id], quantity: QUANTITY, model: 'camera' }
    const { id } = await oem.open({ ...wanted, first_owner: 'self' })
    for (let i = 1; i <= QUANTITY; i++) {
      const device = deviceIn(folder, `SN-${i}`)
      devices.set(await make(station.di_url, `SN-${i}`, device), device)
    }
    const eleventh = make(station.di_url, 'SN-11', deviceIn(folder, 'SN-11'))
    await expect(eleventh).rejects.toMatchObject(refusal())
    guids = [...devices.keys()]
    expect((await oem.devices(id)).map(({ guid }) => guid)).toEqual(guids)
    eight = guids.slice(0, SOLD_ON)
    two = guids.slice(SOLD_ON)
    await oem.untilRegistered(...guids)
    for (const guid of guids) kept.oem.set(guid, await oem.voucher(guid))
  })

  it('go to a reseller, and nothing of it is sold twice', async () => {
    await handOver(guids, oem, reseller)
    expect(await oem.states()).toEqual({ 'handed-over': QUANTITY })
    expect(await reseller.states()).toEqual({ held: QUANTITY })
    const path = '/devices?state=handed-over'
    expect((await oem.must<{ items: object[] }>('GET', path)).items).toHaveLength(QUANTITY)
    for (const key of [await owner.ownerKey(), await reseller.ownerKey(), 'self']) {
      expect(await oem.sell(guids[0]!, key)).toMatchObject({ status: 409 })
    }
    await reseller.untilRegistered(...guids)
    for (const guid of guids) kept.reseller.set(guid, await reseller.voucher(guid))
  })

  it('eight go to an owner, and two back to the OEM', async () => {
    await handOver(eight, reseller, owner)
    await handOver(two, reseller, oem)
    expect(await reseller.states()).toEqual({ 'handed-over': QUANTITY })
    expect(await owner.states()).toEqual({ held: SOLD_ON })
    expect(await oem.states()).toEqual({ 'handed-over': SOLD_ON, held: two.length })
    for (const guid of two) expect((await oem.voucher(guid)).entries).toHaveLength(3)
    await owner.untilRegistered(...eight)
    await oem.untilRegistered(...two)
  })

  it('leave receipts with both sides of every sale', async () => {
    const sold = { guids, seller: oem, buyer: reseller }
    const on = { guids: eight, seller: reseller, buyer: owner }
    const back = { guids: two, seller: reseller, buyer: oem }
    for (const { guids: some, seller, buyer } of [sold, on, back]) {
      for (const guid of some) {
        // The reseller has sold it since.
        const voucher = buyer === reseller ? kept.reseller.get(guid)! : await buyer.voucher(guid)
        const given = await buyer.receipt('given', voucher)
        await readReceipt(Buffer.from(given ?? '', 'base64'), voucher)
        expect(await seller.receipt('got', voucher)).toBe(given)
      }
    }
  })

  it('are no former owner’s any more, neither at import nor at the rendezvous', async () => {
    const [sold = '', back = ''] = [eight[0], two[0]]
    const oems = kept.oem.get(sold)!
    const resellers = kept.reseller.get(sold)!
    expect(await oem.take(oems)).toMatchObject({ ok: false, check: 'voucher-truncated' })
    expect(await oem.take(kept.oem.get(back)!)).toMatchObject({ check: 'voucher-truncated' })
    expect(await reseller.take(resellers)).toMatchObject({ check: 'voucher-truncated' })
    expect(await owner.take(resellers)).toMatchObject({ check: 'owner-key-not-ours' })
    expect(await reseller.states()).toEqual({ 'handed-over': QUANTITY })
    await expect(announced(oem, oems)).rejects.toThrow('INVALID_OWNERSHIP_VOUCHER')
    await expect(announced(reseller, resellers)).rejects.toThrow('INVALID_OWNERSHIP_VOUCHER')
    const { items } = await oem.must<{ items: AlarmJson[] }>('GET', '/rendezvous-alarms')
    const alarms = items.filter(({ guid }) => guid === sold).map(({ entries }) => entries)
    expect(alarms.sort()).toEqual([1, 2])
    const now = await oem.must('GET', `/registrations/${sold}`)
    expect(now).toMatchObject({ state: 'live', entries: 3 })
  })

  it('are nobody else’s to play: a device with another key is turned away', async () => {
    const guid = eight[0]!
    const twin = await twinOf(deviceOf(guid))
    expect(await powerUp(twin)).toMatchObject({ result: 'failed', error_code: 101 })
    leadTo(owner.url, twin)
    expect(await powerUp(twin)).toMatchObject({ result: 'failed', error_code: 101 })
    expect((await owner.voucher(guid)).entries).toHaveLength(3)
  })

  it('all onboard where they are: eight at the owner, two at the OEM', async () => {
    const results = await Promise.all(guids.map(onboard))
    eight = results.slice(0, SOLD_ON)
    two = results.slice(SOLD_ON)
    for (const desk of [owner, oem]) {
      const root = await desk.root()
      for (const guid of desk === owner ? eight : two) {
        expect(await desk.device(guid)).toMatchObject({ guid, state: 'onboarded' })
        expect((await desk.voucher(guid)).entries).toHaveLength(0)
        expect(rootHeldBy(deviceOf(guid))).toBe(root)
      }
    }
    const token = await fetchDeviceToken(deviceOf(eight[0]!).sandbox)
    expect(token).toMatchObject({ scope: 'device:whoami' })
    expect(await owner.states()).toEqual({ replaced: SOLD_ON, held: SOLD_ON })
  })
})

describe('a device that is resold', { timeout: PATIENCE_MS }, () => {
  it('onboards at another owner, once it has consented to be active again', async () => {
    const [guid = ''] = eight
    const device = deviceOf(guid)
    const { id } = await owner.device(guid)
    await handOver([guid], owner, nextOwner)
    // With what the owner gave it it gets nothing there any more.
    await expect(fetchDeviceToken(device.sandbox)).rejects.toMatchObject({ code: 'invalid_client' })
    await nextOwner.untilRegistered(guid)
    await expect(powerUp(device)).rejects.toMatchObject({ code: 'not-active' })
    const rearmed = ['device', 'rearm', '--credential', device.credentialPath, '--json']
    expect(await firstlight(rearmed)).toMatchObject({ status: 0, json: { guid, active: true } })
    const newGuid = await onboard(guid)
    expect(await nextOwner.device(newGuid)).toMatchObject({ guid: newGuid, state: 'onboarded' })
    expect(rootHeldBy(device)).toBe(await nextOwner.root())
    expect(await fetchDeviceToken(device.sandbox)).toMatchObject({ token_type: 'Bearer' })

    expect(await owner.must('GET', `/vouchers/${guid}`)).toMatchObject({ state: 'handed-over' })
    expect(await owner.device(id)).toMatchObject({ guid, state: 'handed-over' })
    expect((await owner.call('GET', `/devices/${newGuid}`)).status).toBe(404)
  })

  it('onboards at another party of the same installation', async () => {
    const guid = eight[1]!
    const device = deviceOf(guid)
    const { id } = await owner.device(guid)
    const party = await joinedParty(owner, 'tenant')
    expect(await owner.sell(guid, await party.ownerKey())).toMatchObject({ status: 200 })
    expect(await owner.sell(guid, await party.ownerKey())).toMatchObject({ status: 409 })
    await party.untilRegistered(guid)
    rearm(device)
    const newGuid = await onboard(guid)
    expect(await party.device(newGuid)).toMatchObject({ guid: newGuid, state: 'onboarded' })
    expect((await owner.call('GET', `/devices/${newGuid}`)).status).toBe(404)
    expect((await party.call('GET', `/devices/${id}`)).status).toBe(404)
    expect(await owner.must('GET', `/vouchers/${guid}`)).toMatchObject({ state: 'handed-over' })
  })
})

describe('what is refused', { timeout: PATIENCE_MS }, () => {
  it('a stranger’s device: its voucher, wherever it goes, and itself', async () => {
    const stranger = deviceIn(folder, 'stranger')
    const guid = await make(nextOwner.url, 'stranger', stranger)
    await introduce(owner, nextOwner)
    expect(await nextOwner.sell(guid, await owner.ownerKey())).toMatchObject({ status: 200 })
    const voucher = await nextOwner.voucher(guid)
    expect(await owner.take(voucher)).toMatchObject({ guid, check: 'device-ca-not-trusted' })
    expect(await pull(owner, nextOwner)).toMatchObject({ taken: 0, failed: [{ id: guid }] })
    await expect(announced(owner, voucher)).rejects.toThrow('INVALID_OWNERSHIP_VOUCHER')
    leadTo(owner.url, stranger)
    expect(await powerUp(stranger)).toMatchObject({ result: 'failed', error_code: 6 })
    expect((await owner.call('GET', `/vouchers/${guid}`)).status).toBe(404)
  })

  it('the token of another party, and that of another installation', async () => {
    const party = await joinedParty(owner, 'curious')
    const guid = eight[2]!
    const { id } = await owner.device(guid)
    const asked = [
      ['GET', `/vouchers/${guid}`],
      ['POST', `/vouchers/${guid}/sell`, { to: await party.ownerKey() }],
      ['DELETE', `/vouchers/${guid}`],
      ['GET', `/devices/${id}`],
      ['GET', `/devices/${guid}`],
      ['POST', `/devices/${guid}/register`],
    ] as const
    for (const [method, path, json] of asked) {
      const sent = json ? { json } : {}
      const { status } = await party.call(method, path, sent)
      const elsewhere = { ...sent, token: oem.service.adminToken }
      const { status: unknown } = await owner.call(method, path, elsewhere)
      expect([path, status, unknown]).toEqual([path, 404, 401])
    }
    expect(await party.vouchers()).toEqual([])
    expect(await owner.must('GET', `/vouchers/${guid}`)).toMatchObject({ state: 'held' })
  })
})

describe('the log of each of them', { timeout: PATIENCE_MS }, () => {
  it('is whole', async () => {
    for (const { url, service } of [oem, reseller, owner, nextOwner]) {
      const caller = { FIRSTLIGHT_URL: url, FIRSTLIGHT_TOKEN: service.adminToken }
      expect(await firstlight(['audit', 'verify'], caller)).toMatchObject({ status: 0 })
    }
  })

  it('tells its part of the story', async () => {
    const [resold = '', back = ''] = [guids[0], guids[SOLD_ON]]
    const made = 'voucher-made'
    const sold = ['voucher-handed-over', 'receipt-received']
    const taken = ['voucher-imported', 'voucher-received']
    expect(await oem.told(resold)).toEqual([made, ...sold])
    expect(await oem.told(back)).toEqual([made, ...sold, ...taken, 'onboarded'])
    expect(await reseller.told(resold)).toEqual([...taken, ...sold])
    expect(await owner.told(guids[2]!)).toEqual([...taken, 'onboarded'])
    // The voucher by which it was onboarded goes, and then the one that took its place.
    const replaced = 'voucher-superseded'
    const [handed, ...receipts] = sold
    const told = [...taken, 'onboarded', replaced, handed, 'certificate-revoked', ...receipts]
    expect(await owner.told(resold)).toEqual(told)
    expect(await nextOwner.told(eight[0]!)).toEqual([...taken, 'onboarded'])
  })
})

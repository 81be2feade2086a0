/** What a line makes is its first owner's once it is handed over, whoever that is. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toPem } from '../../protocol/x509/pem.ts'
import { makeAt, officeOf } from '../support/factory.ts'
import { broughtBy, handOver, share, startLines, takeIn } from '../support/lines.ts'
import { PATIENCE_MS } from '../support/service.ts'

type World = Awaited<ReturnType<typeof startLines>>

let world: World
let station: { id: string; di_url: string }
beforeAll(async () => {
  world = await startLines()
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

/** PEM: what is sold to the party is sold to this key. */
async function keyOf(office: ReturnType<typeof officeOf>): Promise<string> {
  const { items } = await office.must<{
    items: { purpose: string; type: string; public_key: string }[]
  }>('GET', '/keys')
  const key = items.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
  return toPem('PUBLIC KEY', Buffer.from(key?.public_key ?? '', 'base64'))
}

/** Sooner than its line hands over: the line's own people have sent it. */
async function importAs(office: ReturnType<typeof officeOf>, guid: string) {
  const body = (await world.line.call('GET', `/vouchers/${guid}?format=pem`)).text
  const headers = { 'content-type': 'application/x-pem-file' }
  const { json } = await office.call('POST', '/vouchers', { body, headers })
  expect(json).toMatchObject({ items: [{ ok: true }] })
}

/** An order at the centre, and a share of it as the line's own order. */
async function given(order: object) {
  const { central, line, lineKey, issuer } = world
  station = await line.addStation()
  const { id } = await central.open({ quantity: 5, ...order })
  const { id: part, document } = await share(central, id, { line: lineKey })
  const own = await takeIn(line, document, { issuer, stations: [station.id] })
  return { id, part, own: own.id }
}

const make = (wish: object = {}) => makeAt(station.di_url, wish)

/** Another party where orders are placed. */
async function join(name: string) {
  const { central, center } = world
  const invitation = { name, roles: ['owner'] }
  const { code } = await central.must<{ code: string }>('POST', '/invitations', invitation)
  const { party, token } = await officeOf(center, code).must<{
    party: { id: string }
    token: string
  }>('POST', '/parties')
  return { id: party.id, office: officeOf(center, token) }
}

describe('the first owner of what a line makes', { timeout: PATIENCE_MS }, () => {
  it('may be another party where it was placed, which has it with the hand-over', async () => {
    const { central, line } = world
    const bolt = await join('bolt')
    const { part, own } = await given({ first_owner: bolt.id })
    await make()
    const brought = await broughtBy(line, own)
    expect(await handOver(central, part, brought)).toMatchObject([{ ok: true }])
    expect(await bolt.office.vouchers()).toMatchObject([{ state: 'held', entries: 1 }])
  })

  it('may have had it in another way, and sold or onboarded it: it counts, and stays theirs', async () => {
    const { central, line, center } = world
    const [bolt, nut] = [await join('screw'), await join('nut')]
    const { id, part, own } = await given({ first_owner: bolt.id })
    for (const serial of ['E1', 'E2', 'E3']) await make({ serial })
    const brought = await broughtBy(line, own)
    const guids = (await line.devices(own)).map(({ guid }) => guid)
    for (const guid of guids) await importAs(bolt.office, guid)
    const [sold, onboarded, waiting] = guids
    const to = await keyOf(nut.office)
    await bolt.office.must('POST', `/vouchers/${sold}/sell`, { to, unproven: true })
    await center.service.services.database.commit((tx) =>
      tx
        .updateTable('voucher')
        .set({ state: 'used', superseded_by: 'f'.repeat(32) })
        .where('guid', '=', onboarded!)
        .execute(),
    )
    const before = await bolt.office.vouchers()
    const counted = { ok: true, detail: null }
    expect(await handOver(central, part, brought)).toMatchObject([counted, counted, counted])
    const held = { ok: true, detail: 'held already' }
    expect(await handOver(central, part, brought)).toMatchObject([held, held, held])
    expect(await central.order(id)).toMatchObject({ made: 3, reserved: 2 })
    expect(await bolt.office.vouchers()).toEqual(before)
    expect(await nut.office.vouchers()).toMatchObject([{ guid: sold, state: 'held', entries: 2 }])
    for (const guid of [sold, onboarded, waiting]) {
      const voucher = await central.must('GET', `/vouchers/${guid}`)
      const theirs = { state: 'handed-over', entries: 1, exported_at: expect.any(String) }
      expect(voucher).toMatchObject(theirs)
    }
  })

  it('is refused one that would take it from whom it was sold to, or that is another', async () => {
    const { central, line, center } = world
    const { db } = center.service.services.database
    const rivet = await join('rivet')
    const sale = { to: await keyOf(rivet.office), unproven: true }
    const made = async (first_owner: string) => {
      const order = await given({ first_owner })
      await make()
      const [{ guid } = expect.fail()] = await line.devices(order.own)
      return { ...order, guid, brought: await broughtBy(line, order.own) }
    }
    const unsold = await made('none')
    await line.must('POST', `/vouchers/${unsold.guid}/sell`, sale)
    await importAs(rivet.office, unsold.guid)
    const ours = await made('self')
    await importAs(central, ours.guid)
    await central.must('POST', `/vouchers/${ours.guid}/sell`, sale)
    const of = { party: 'fdop_home', guid: ours.guid }
    await db
      .deleteFrom('voucher')
      .where('party', '=', of.party)
      .where('guid', '=', of.guid)
      .execute()
    for (const { part, brought } of [unsold, ours]) {
      expect(await handOver(central, part, brought)).toMatchObject([{ check: 'voucher-truncated' }])
    }
    const other = await made(rivet.id)
    await importAs(rivet.office, other.guid)
    const rows = await db.selectFrom('voucher').selectAll().where('party', '=', rivet.id).execute()
    const { cbor } = rows.find(({ guid }) => guid === ours.guid) ?? expect.fail()
    await db.updateTable('voucher').set({ cbor }).where('guid', '=', other.guid).execute()
    const differs = [{ check: 'voucher-differs' }]
    expect(await handOver(central, other.part, other.brought)).toMatchObject(differs)
    expect(await central.order(other.id)).toMatchObject({ made: 0, reserved: 5 })
  })

  it('may be nobody, and its voucher comes unextended', async () => {
    const { central, line } = world
    const { id, part, own } = await given({ first_owner: 'none' })
    await make()
    expect(await handOver(central, part, await broughtBy(line, own))).toMatchObject([{ ok: true }])
    const [device] = await central.devices(id)
    const voucher = await central.must('GET', `/vouchers/${device!.guid}`)
    expect(voucher).toMatchObject({ state: 'held', origin: 'made' })
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const to = publicKey.export({ type: 'spki', format: 'pem' })
    const sale = { json: { to, unproven: true } }
    const sold = await central.call('POST', `/vouchers/${device!.guid}/sell`, sale)
    expect([sold.status, sold.text]).toEqual([409, expect.stringContaining('not in this service')])
  })

  it('may be a key of somebody else, and the voucher waits to be fetched', async () => {
    const { central, line } = world
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const first_owner = publicKey.export({ type: 'spki', format: 'pem' })
    const { id, part, own } = await given({ first_owner })
    await make()
    expect(await handOver(central, part, await broughtBy(line, own))).toMatchObject([{ ok: true }])
    const handed = [{ voucher_state: 'handed-over' }]
    expect(await central.devices(id)).toMatchObject(handed)
  })
})

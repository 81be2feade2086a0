/** Orders that come signed: what a line takes in, and what it refuses. */
import { hash, randomBytes } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { fromPem, toPem } from '../../protocol/x509/pem.ts'
import {
  type ShareDocument,
  lineBytes,
  signClosing,
  signShare,
} from '../../src/manufacturing/lines/document.ts'
import { newDevice, officeOf } from '../support/factory.ts'
import { keyOf, share, startLines, takeIn } from '../support/lines.ts'
import { PATIENCE_MS } from '../support/service.ts'

let world: Awaited<ReturnType<typeof startLines>>
beforeAll(async () => {
  world = await startLines()
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

const offer = (document: string, more: object = {}) =>
  world.line.call<{ order: { id: string }; is_new: boolean; check: string; detail: string }>(
    'POST',
    '/order-documents',
    { json: { document, ...more } },
  )
const shareOf = async (order: object = {}, wanted: object = {}) => {
  const { central, lineKey } = world
  const { id } = await central.open({ quantity: 5, ...order })
  return share(central, id, { line: lineKey, ...wanted })
}

/** Whatever the line commits meanwhile, by itself too, comes after somebody has removed the issuer. */
async function whileForgotten<T>(issuer: string, work: () => Promise<T>): Promise<T> {
  const { database } = world.plant.service.services
  const { commit } = database
  database.commit = async (changes, options) => {
    await database.db.deleteFrom('order_issuer').where('fingerprint', '=', issuer).execute()
    return commit(changes, options)
  }
  try {
    return await work()
  } finally {
    database.commit = commit
  }
}

/** Made out by anybody, and good but for what is changed. */
async function forged(more: Partial<ShareDocument> = {}, signer = newDevice()) {
  const name = `forged ${randomBytes(4).toString('hex')}`
  const document: ShareDocument = {
    ...{ share: `fdos_${name}`, order: 'fdoo_x', party: 'fdop_x', url: 'http://x.test' },
    ...{ line: lineBytes(world.lineKey), quantity: 1, name, model: null, stations: [] },
    ...{ issuedAt: '2026-01-01T00:00:00Z', expiresAt: '2999-01-01T00:00:00Z' },
    rendezvousInfo: JSON.stringify([{ dns: 'rv.test' }]),
    firstOwner: [{ model: null, to: 'none' }],
    ...{ uniqueSerials: false, label: '{serial}', deviceCas: '', ...more },
  }
  const issuer = hash('sha256', signer.key.spki, 'hex')
  return { pem: await signShare(signer, document), trust: { issuer } }
}

describe('an order that comes signed', { timeout: PATIENCE_MS }, () => {
  it('is taken in once its issuer is trusted, and once only', async () => {
    const { issuer, line } = world
    const { document, id } = await shareOf()
    const stranger = await offer(document)
    expect([stranger.status, stranger.json.check]).toEqual([422, 'issuer-not-trusted'])
    expect(stranger.json).toMatchObject({ issuer })
    const other = await offer(document, { issuer: '0'.repeat(64) })
    expect(other.json.check).toBe('other-issuer')
    expect((await line.must<{ items: [] }>('GET', '/order-issuers')).items).toEqual([])
    const first = await offer(document, { issuer })
    expect(first.json).toMatchObject({
      is_new: true,
      order: { state: 'open', source: { share: id } },
    })
    for (const repeated of [document, `\n${document}\n`]) {
      const again = await offer(repeated)
      expect(again.json).toMatchObject({ is_new: false, order: { id: first.json.order.id } })
    }
    const { document: next } = await shareOf()
    expect((await offer(next)).json).toMatchObject({ is_new: true })
    const { document: third } = await shareOf()
    const twice = await Promise.all([offer(third), offer(third)])
    expect(new Set(twice.map(({ json }) => json.order.id)).size).toBe(1)
    expect(twice.filter(({ json }) => json.is_new)).toHaveLength(1)
  })

  it('is refused where its issuer was removed while it was looked at', async () => {
    const { issuer, line } = world
    const { document } = await shareOf()
    const offered = await whileForgotten(issuer, () => offer(document))
    expect(offered.json.check).toBe('issuer-not-trusted')
    expect((await line.must<{ items: [] }>('GET', '/order-issuers')).items).toEqual([])
    expect((await offer(document, { issuer })).json.is_new).toBe(true)
  })

  it('is refused where it was altered, by a bit anywhere', async () => {
    const { issuer } = world
    const { document } = await shareOf()
    const [signed] = fromPem(document) ?? []
    for (let at = 0; at < signed!.length; at += Math.ceil(signed!.length / 40)) {
      const bytes = Uint8Array.from(signed!)
      bytes[at]! ^= 1
      const { status, json } = await offer(toPem('FIRSTLIGHT ORDER', bytes), { issuer })
      expect([at, status, json.check]).toEqual([at, 422, 'signature'])
    }
    expect((await offer(toPem('FIRSTLIGHT ORDER', utf8('x')))).json.check).toBe('signature')
    for (const text of ['x', toPem('CERTIFICATE', signed!), document + document]) {
      expect((await offer(text)).status).toBe(400)
    }
    const statement = { share: 'fdos_x', made: 1, closedAt: '' }
    expect((await offer(await signClosing(newDevice(), statement))).status).toBe(400)
  })

  it('is refused where it is another line’s, too late, or another of the same share', async () => {
    const { issuer } = world
    const foreign = await shareOf({}, { line: issuer })
    expect((await offer(foreign.document, { issuer })).json.check).toBe('other-line')
    const late = await forged({ expiresAt: '2026-01-02T00:00:00Z' })
    expect((await offer(late.pem, late.trust)).json.check).toBe('expired')
    const never = await forged({ expiresAt: 'soon' })
    expect((await offer(never.pem, never.trust)).json.check).toBe('expired')
    const signer = newDevice()
    const one = await forged({ share: 'fdos_same' }, signer)
    const other = await forged({ share: 'fdos_same' }, signer)
    expect((await offer(one.pem, one.trust)).status).toBe(200)
    expect((await offer(other.pem, one.trust)).status).toBe(409)
  })

  it('is refused where it could not be made', async () => {
    const bad: readonly Partial<ShareDocument>[] = [
      { firstOwner: [{ model: null, to: 'self' }] },
      { firstOwner: [{ model: null, to: 'fdop_home' }] },
      { rendezvousInfo: '{' },
      { rendezvousInfo: '{}' },
      { rendezvousInfo: '[{}]' },
      { name: '<b>' },
      { label: '{else}' },
    ]
    for (const more of bad) {
      const { pem, trust } = await forged(more)
      expect([more, (await offer(pem, trust)).status]).toEqual([more, 400])
    }
  })

  it('is made at the stations it names', async () => {
    const { issuer, line } = world
    const { document } = await shareOf({}, { stations: ['test bench'] })
    const missing = await offer(document, { issuer })
    expect([missing.status, missing.text]).toEqual([409, expect.stringContaining('station add')])
    const { id } = await line.addStation({ name: 'test bench', secret: true })
    expect((await offer(document, { issuer, stations: [id] })).status).toBe(400)
    expect((await offer(document, { issuer })).json.order).toMatchObject({ stations: [id] })
  })

  it('gets another name where its own is taken', async () => {
    const { issuer, line } = world
    const { document } = await shareOf({ name: 'taken' })
    await line.draft({ name: 'taken' })
    const taken = await offer(document, { issuer })
    expect([taken.status, taken.text]).toEqual([409, expect.stringContaining('--name')])
    const named = await offer(document, { issuer, name: 'free' })
    expect(named.json.order).toMatchObject({ name: 'free' })
  })

  it('is taken in no more from an issuer that is forgotten', async () => {
    const { issuer, line } = world
    await line.must('DELETE', `/order-issuers/${issuer}`)
    const path = `/order-issuers/${issuer}`
    expect((await line.call('DELETE', path)).status).toBe(404)
    const { document } = await shareOf()
    expect((await offer(document)).json.check).toBe('issuer-not-trusted')
  })

  it('does not bring trust back that is withdrawn while it is looked at', async () => {
    const { issuer, line } = world
    await takeIn(line, (await shareOf()).document, { issuer })
    const { document } = await shareOf()
    const { status, text } = await whileForgotten(issuer, () => offer(document))
    expect([status, text]).toEqual([422, expect.stringContaining('--issuer')])
    const { text: trusted } = await line.call('GET', '/order-issuers')
    expect(trusted).not.toContain(issuer)
  })

  it('is shared out no further, and only what came so has a last word', async () => {
    const { issuer, line } = world
    const own = await takeIn(line, (await shareOf()).document, { issuer })
    const again = await line.call('POST', `/orders/${own.id}/shares`, { json: { line: issuer } })
    expect(again.status).toBe(409)
    const { id } = await line.draft({ name: 'placed at the line' })
    await line.must('POST', `/orders/${id}/close`)
    expect((await line.call('POST', `/orders/${id}/closing-statement`)).status).toBe(409)
  })
})

describe('a share of an order', { timeout: PATIENCE_MS }, () => {
  const ask = async (id: string, more: object = {}) =>
    (
      await world.central.call('POST', `/orders/${id}/shares`, {
        json: { line: world.lineKey, ...more },
      })
    ).status

  it('is of what is left, of an order that is open, for as long as that', async () => {
    const { central } = world
    const draft = await central.draft()
    expect(await ask(draft.id)).toBe(409)
    const { id } = await central.open({ quantity: 3, label: '{serial}' })
    expect(await ask(id, { quantity: 4 })).toBe(409)
    expect(await ask(id, { expires_at: '2020-01-01T00:00:00Z' })).toBe(400)
    expect(await ask(id, { expires_at: '2999-01-02T00:00:00Z' })).toBe(400)
    expect(await ask(id, { quantity: 2 })).toBe(201)
    expect(await ask(id)).toBe(201)
    expect(await ask(id)).toBe(409)
    expect(await central.order(id)).toMatchObject({ reserved: 3 })
    await central.must('POST', `/orders/${id}/close`)
    expect(await ask(id)).toBe(409)
    const past = await central.open()
    const { database } = world.center.service.services
    await database.commit((tx) =>
      tx
        .updateTable('production_order')
        .set({ expires_at: '2020-01-01T00:00:00.000Z' })
        .where('id', '=', past.id)
        .execute(),
    )
    expect(await ask(past.id)).toBe(409)
    const both = await central.must<{ items: object[]; next: string | null }>(
      'GET',
      `/orders/${id}/shares?limit=1`,
    )
    expect(both.items).toHaveLength(1)
    expect(both.next).not.toBeNull()
    expect((await central.call('GET', '/orders/fdoo_no/shares')).status).toBe(404)
    expect((await central.call('GET', '/order-shares/fdos_no')).status).toBe(404)
  })

  it('numbers its labels alone, and so has to be all of it', async () => {
    const { id } = await world.central.open({ quantity: 2, label: '{number}' })
    expect(await ask(id, { quantity: 1 })).toBe(409)
    expect(await ask(id)).toBe(201)
  })

  it('is never more than there is, however many ask at once', async () => {
    const { id } = await world.central.open({ quantity: 3 })
    const asked = await Promise.all(Array.from({ length: 8 }, () => ask(id, { quantity: 1 })))
    expect(asked.filter((status) => status === 201)).toHaveLength(3)
    expect(await world.central.order(id)).toMatchObject({ reserved: 3 })
  })

  it('is closed by its own line, with a number that may be', async () => {
    const { central, lineKey, plant } = world
    const { id } = await central.open({ quantity: 3 })
    const part = await share(central, id, { line: lineKey })
    const ring = plant.service.services.keyStore.ring('fdop_home')
    const signer = await ring.signer('manufacturer', 'p256')
    const close = async (made: number, by = signer, closes = part.id) => {
      const said = { share: closes, made, closedAt: '' }
      const json = { statement: await signClosing(by, said) }
      return central.call<{ check?: string }>('POST', `/order-shares/${part.id}/close`, { json })
    }
    expect((await close(1, newDevice())).json.check).toBe('other-line')
    expect((await close(4)).json.check).toBe('contradiction')
    expect((await close(2)).json).toMatchObject({ state: 'closed', reserved: 2 })
    expect((await close(1)).json.check).toBe('contradiction')
    expect(await central.order(id)).toMatchObject({ made: 0, reserved: 2 })
  })

  it('cannot be for a first owner that nobody may act for', async () => {
    const { central, center } = world
    const invited = { name: 'cold', roles: ['owner'] }
    const { code } = await central.must<{ code: string }>('POST', '/invitations', invited)
    const joined = await officeOf(center, code).must<{ party: { id: string } }>('POST', '/parties')
    const { id } = await central.open({ first_owner: joined.party.id })
    await central.must('POST', `/parties/${joined.party.id}/suspend`)
    expect(await ask(id)).toBe(409)
    expect(await keyOf(center)).toBe(world.issuer)
  })
})

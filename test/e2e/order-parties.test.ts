/** Orders of several parties on one installation: whose devices they are, and who knows of them. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { signerOf } from '../../protocol/crypto/signer.ts'
import { ownerKeyOf, parseVoucher } from '../../protocol/voucher/voucher.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { CA_USAGE, certificateOf, ecKey } from '../support/certificates.ts'
import { CLOSED_DOOR, makeAt, newDevice, officeOf, refusal } from '../support/factory.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

type Office = ReturnType<typeof officeOf> & { readonly id: string }

let service: TestService
let home: ReturnType<typeof officeOf>
let acme: Office
let bolt: Office
beforeAll(async () => {
  service = await startTestService({ ...CLOSED_DOOR, FIRSTLIGHT_TRUST: 'any' })
  home = officeOf(service)
  acme = await join('acme')
  bolt = await join('bolt')
}, PATIENCE_MS)
afterAll(() => service.remove(), PATIENCE_MS)

async function join(name: string): Promise<Office> {
  const invited = { name, roles: ['manufacturer', 'owner'] }
  const { code } = await home.must<{ code: string }>('POST', '/invitations', invited)
  const joined = await officeOf(service, code).must<{ party: { id: string }; token: string }>(
    'POST',
    '/parties',
  )
  return { ...officeOf(service, joined.token), id: joined.party.id }
}

async function voucherOf(office: Pick<Office, 'call'>, guid: Uint8Array) {
  const token = { headers: { accept: 'application/cbor' } }
  const path = `/vouchers/${toHex(guid)}`
  const { status } = await office.call('GET', path)
  if (status !== 200) return undefined
  const { text } = await office.call('GET', `${path}?format=pem`, token)
  const pem = text.replaceAll(/-----[^-]+-----|\s/g, '')
  return parseVoucher(Buffer.from(pem, 'base64'))
}

describe('two parties', { timeout: PATIENCE_MS }, () => {
  it('make devices at stations of their own, with keys of their own', async () => {
    const stations = [await acme.addStation(), await bolt.addStation()]
    await acme.open({ stations: [stations[0]!.id], quantity: 5 })
    await bolt.open({ stations: [stations[1]!.id], quantity: 5 })
    const signer = newDevice()
    const [one, other] = await Promise.all(
      stations.map(({ di_url }) => makeAt(di_url, { signer, serial: 'same' })),
    )
    const ours = await voucherOf(acme, one!.guid)
    const theirs = await voucherOf(bolt, other!.guid)
    expect(ours!.header.value.publicKey.value.key.spki).not.toEqual(
      theirs!.header.value.publicKey.value.key.spki,
    )
    expect(await voucherOf(bolt, one!.guid)).toBeUndefined()
    expect(await voucherOf(home, one!.guid)).toBeUndefined()
    expect((await acme.vouchers()).map(({ guid }) => guid)).toEqual([toHex(one!.guid)])
  })

  it('know nothing of each other’s orders and stations', async () => {
    const { id } = await acme.draft()
    const station = await acme.addStation()
    const foreign = [
      ['GET', `/orders/${id}`],
      ['DELETE', `/orders/${id}`],
      ['POST', `/orders/${id}/try`],
      ['POST', `/orders/${id}/open`, {}],
      ['POST', `/orders/${id}/close`],
      ['GET', `/orders/${id}/devices`],
      ['GET', `/orders/${id}/devices?format=csv`],
      ['GET', `/stations/${station.id}`],
      ['DELETE', `/stations/${station.id}`],
    ] as const
    for (const [method, path, json] of foreign) {
      for (const office of [bolt, home]) {
        const { status } = await office.call(method, path, json ? { json } : {})
        expect([method, path, status]).toEqual([method, path, 404])
      }
    }
    const certificates = await bolt.call('POST', `/orders/${id}/device-certificates`, {
      body: 'none',
      headers: { 'content-type': 'text/plain' },
    })
    expect(certificates.status).toBe(404)
    const stolen = { name: 'x', quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
    const order = { ...stolen, stations: [station.id] }
    expect((await bolt.call('POST', '/orders', { json: order })).status).toBe(404)
    for (const path of ['/orders', '/stations']) {
      const { items } = await bolt.must<{ items: { id: string }[] }>('GET', path)
      expect(items.map((one) => one.id)).not.toContain(id)
      expect(items.map((one) => one.id)).not.toContain(station.id)
    }
    expect((await acme.order(id)).state).toBe('draft')
  })

  it('may use the same names', async () => {
    const order = { name: 'PO-1', quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
    for (const office of [acme, bolt]) {
      expect((await office.call('POST', '/orders', { json: order })).status).toBe(201)
      expect((await office.call('POST', '/orders', { json: order })).status).toBe(409)
      const station = { name: 'line 1', secret: true }
      expect((await office.call('POST', '/stations', { json: station })).status).toBe(201)
      expect((await office.call('POST', '/stations', { json: station })).status).toBe(409)
    }
  })

  it('cannot claim addresses: those are the installation’s own', async () => {
    const json = { name: 'everywhere', allow: ['0.0.0.0/0', '::/0'] }
    expect((await acme.call('POST', '/stations', { json })).status).toBe(400)
  })

  it('make nothing while they are suspended', async () => {
    const cold = await join('cold')
    const { di_url } = await cold.addStation()
    await cold.open({ quantity: 5 })
    await makeAt(di_url)
    await home.must('POST', `/parties/${cold.id}/suspend`)
    await expect(makeAt(di_url)).rejects.toMatchObject(refusal())
    await home.must('POST', `/parties/${cold.id}/resume`)
    await makeAt(di_url)
  })
})

describe('a device with a certificate of its maker’s own CA', { timeout: PATIENCE_MS }, () => {
  const ca = { key: ecKey(), subject: 'maker' }
  const root = certificateOf({ ...ca, isCa: true, keyUsage: CA_USAGE })
  const ordered = { device_cas: certificatesToPem([root]), quantity: 9 }
  const tell = (id: string, ...certificates: Uint8Array[]) =>
    acme.call<{ items: object[] }>('POST', `/orders/${id}/device-certificates`, {
      body: certificatesToPem(certificates),
      headers: { 'content-type': 'application/x-pem-file' },
    })

  it('keeps it where the order was told of it', async () => {
    const station = await acme.addStation()
    const { id } = await acme.open({ ...ordered, stations: [station.id] })
    const key = ecKey()
    const own = certificateOf({ key, subject: 'device', issuer: ca })
    const stranger = certificateOf({ key: ecKey(), subject: 'x', issuer: { ...ca, key } })
    expect((await tell(id, own, stranger)).json.items).toMatchObject([{ ok: true }, { ok: false }])
    const { guid } = await makeAt(station.di_url, { signer: signerOf(key) })
    expect((await voucherOf(acme, guid))!.deviceCertChain).toEqual([own, root])
    const other = await makeAt(station.di_url)
    expect((await voucherOf(acme, other.guid))!.deviceCertChain![0]).not.toEqual(own)
  })

  it('is told of to orders that name the CA, and are not closed', async () => {
    const own = certificateOf({ key: ecKey(), subject: 'device', issuer: ca })
    const { id: without } = await acme.draft()
    expect((await tell(without, own)).status).toBe(409)
    const { id } = await acme.draft(ordered)
    expect((await tell(id)).status).toBe(400)
    expect((await tell(id, own)).status).toBe(200)
    await acme.must('POST', `/orders/${id}/close`)
    expect((await tell(id, own)).status).toBe(409)
  })
})

describe('the first owner of an order', { timeout: PATIENCE_MS }, () => {
  it('may be another party here, which has the device from the start', async () => {
    const { id, di_url } = await acme.addStation()
    await acme.open({ stations: [id], first_owner: bolt.id })
    const { guid } = await makeAt(di_url, { serial: 'for bolt' })
    const stateFor = async (office: Pick<Office, 'vouchers'>) =>
      (await office.vouchers()).find((one) => one.guid === toHex(guid))
    expect(await stateFor(acme)).toMatchObject({ state: 'handed-over', entries: 1 })
    expect(await stateFor(bolt)).toMatchObject({ state: 'held', entries: 1 })
    const query = '/devices?serial=for%20bolt'
    const { items } = await bolt.must<{ items: { guid: string }[] }>('GET', query)
    expect(items).toMatchObject([{ guid: toHex(guid), serial: 'for bolt' }])
  })

  it('may be a key, and the device is theirs', async () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = publicKey.export({ type: 'spki', format: 'pem' })
    const { id, di_url } = await acme.addStation()
    await acme.open({ stations: [id], first_owner: pem, quantity: 2 })
    const { guid } = await makeAt(di_url)
    const voucher = await voucherOf(acme, guid)
    expect(ownerKeyOf(voucher!).value.key.keyObject.equals(publicKey)).toBe(true)
    // One that has no key of the kind asked for would leave the device to its maker.
    await expect(makeAt(di_url, { keyType: 11 })).rejects.toMatchObject(refusal())
  })

  it('may be told by the model', async () => {
    const { id, di_url } = await acme.addStation()
    const rules = [
      { model: 'M1', to: 'none' },
      { model: 'M2', to: 'self' },
    ]
    await acme.open({ stations: [id], first_owner: rules, quantity: 9 })
    const entries = async (model: string) =>
      (await voucherOf(acme, (await makeAt(di_url, { model })).guid))!.entries.length
    expect(await entries('M1')).toBe(0)
    expect(await entries('M2')).toBe(1)
    await expect(makeAt(di_url, { model: 'M3' })).rejects.toMatchObject(refusal())
  })

  it.each([
    'nobody',
    'fdop_nobody',
    '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n',
    [{ to: 'self' }, { model: 'M1', to: 'none' }],
    [
      { model: 'M1', to: 'self' },
      { model: 'M1', to: 'none' },
    ],
    [],
  ])('is not %j', async (first_owner) => {
    const order = { name: 'bad', quantity: 1, expires_at: '2999-01-01T00:00:00Z', first_owner }
    expect((await acme.call('POST', '/orders', { json: order })).status).toBe(400)
  })
})

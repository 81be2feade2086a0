/** /api/v1/keys: what may be known of keys, and owner keys made elsewhere. */
import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PASSPHRASE, makeKeyFiles } from '../support/key-files.ts'
import { PATIENCE_MS, type TestService, startTestService } from '../support/service.ts'

let world: TestService
beforeAll(async () => {
  world = await startTestService()
}, PATIENCE_MS)
afterAll(() => world.remove(), PATIENCE_MS)

const send = (body: Uint8Array | string, type = 'application/octet-stream', query = '') =>
  world.api('POST', `/api/v1/keys${query}`, { body, headers: { 'content-type': type } })
interface Key {
  id: string
  purpose: string
  type: string
  fingerprint: string
  public_key: string
}
const list = async () => ((await world.api('GET', '/api/v1/keys')).json as { items: Key[] }).items

describe('/api/v1/keys', () => {
  it('lists what was made on the first start, without any private part', async () => {
    const keys = await list()
    const owner = keys.filter(({ purpose }) => purpose === 'owner').map(({ type }) => type)
    expect(owner).toEqual(expect.arrayContaining(['p256', 'p384']))
    expect(keys.map(({ purpose }) => purpose)).toContain('device-ca')
    for (const key of keys) {
      expect(Object.keys(key).toSorted()).toEqual(
        [
          ...['created_at', 'fingerprint', 'id', 'origin', 'public_key', 'purpose', 'retired_at'],
          ...['state', 'type', 'vouchers', 'vouchers_cut'],
        ].toSorted(),
      )
    }
  })

  it('takes an owner key in, PEM or DER, once', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' })
    const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
    const { status, json } = await send(pem, 'application/x-pem-file')
    expect(status).toBe(201)
    const spki = publicKey.export({ type: 'spki', format: 'der' }).toString('base64')
    expect(json).toMatchObject({
      purpose: 'owner',
      type: 'p384',
      origin: 'imported',
      state: 'kept',
      public_key: spki,
    })
    const again = await send(privateKey.export({ type: 'pkcs8', format: 'der' }))
    expect(again.json).toEqual(json)
    expect((await list()).filter(({ public_key }) => public_key === spki)).toHaveLength(1)
    const told = await world.api('GET', '/api/v1/audit?type=key-imported')
    expect(told.json).toMatchObject({ items: [{ subject: { id: (json as Key).id } }] })
    const { status: removed } = await world.api('DELETE', `/api/v1/keys/${(json as Key).id}`)
    expect(removed).toBe(204)
  })

  it('takes an owner key in under its passphrase', async () => {
    const files = makeKeyFiles()
    try {
      const file = files.pkcs12().toString('base64')
      const sent = (passphrase: string) =>
        send(JSON.stringify({ file, passphrase }), 'application/json; charset=utf-8')
      const { status, json } = await sent(PASSPHRASE)
      expect(status).toBe(201)
      const public_key = Buffer.from(files.spki, 'hex').toString('base64')
      expect(json).toMatchObject({ origin: 'imported', public_key })
      expect(await sent('wrong')).toMatchObject({
        status: 400,
        json: { detail: expect.stringMatching(/passphrase is wrong/) },
      })
      expect(await send(files.pkcs12(), 'application/pkcs12')).toMatchObject({
        status: 400,
        json: { detail: expect.stringMatching(/needs its passphrase/) },
      })
    } finally {
      files.remove()
    }
  })

  it('reads JSON as strictly as elsewhere', async () => {
    const good = { file: 'AAAA', passphrase: 'x' }
    for (const body of ['', 'null', '[]', '{', JSON.stringify({ file: '!', passphrase: 'x' })]) {
      expect((await send(body, 'application/json')).status, body).toBe(400)
    }
    const long = JSON.stringify({ ...good, passphrase: 'x'.repeat(1025) })
    expect((await send(long, 'application/json')).status).toBe(400)
    const longer = JSON.stringify({ ...good, file: 'A'.repeat(65_536) })
    expect((await send(longer, 'application/json')).status).toBe(413)
  })

  it('says what is wrong with what it does not take', async () => {
    const curve = generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey
    for (const body of ['no key', curve.export({ type: 'pkcs8', format: 'pem' })]) {
      const { status, json } = await send(body)
      expect(status).toBe(400)
      expect(json).toMatchObject({
        code: 'invalid-request',
        detail: expect.stringMatching(/P-256/),
      })
    }
    expect((await send('x', 'image/png')).status).toBe(415)
    expect((await send('x', 'text/plain', '?purpose=device-ca')).status).toBe(400)
    expect((await send('x'.repeat(65_537))).status).toBe(413)
  })
})

import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { buildDidDocument } from '../../../../protocol/did/document.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { resolveDid } from '../../../../src/transfer/did/resolve.ts'
import type { HttpAnswer } from '../../../../src/transfer/ports.ts'
import { hashOf } from '../../../../src/transfer/secret.ts'
import { certificateOf, ecKey, spkiOf } from '../../../support/certificates.ts'
import { PARTY, openTransferWorld } from '../../../support/transfer-world.ts'

const key = ecKey()
const DID = 'did:web:buyer.example'
const document = {
  did: DID,
  key: signerOf(key).key,
  recipientUrl: 'https://buyer.example/in',
  holderUrl: 'https://buyer.example/out/',
}
let answer: Partial<HttpAnswer> | Error = {}
const asked: string[] = []
const http = {
  async request(url: string): Promise<HttpAnswer> {
    asked.push(url)
    if (answer instanceof Error) throw answer
    const body = Buffer.from(buildDidDocument(document))
    return { status: 200, headers: {}, body, ...answer }
  },
}
const forbids = async (url: string) =>
  url.includes('169.254') ? 'not called from here' : undefined
const world = await openTransferWorld({ services: { http, forbids, didScheme: 'https' } })
afterAll(() => world.close())
afterEach(() => {
  answer = {}
  world.actAs(PARTY)
})

let made = 0
const create = (body: object) =>
  world.api('POST', '/partners', { name: `partner ${++made}`, ...body })

describe('a partner', () => {
  it('is found by its did:web: addresses and key', async () => {
    const { status, json } = await create({ did: DID })
    expect(status).toBe(201)
    expect(json).toMatchObject({
      did: DID,
      push_url: 'https://buyer.example/in',
      pull_url: 'https://buyer.example/out',
      has_token: false,
      keys: [{ fingerprint: hashOf(document.key.spki), kind: 'p256' }],
    })
    expect(asked).toEqual(['https://buyer.example/.well-known/did.json'])
    expect((await world.api('GET', `/partners/${json.id}`)).json).toEqual(json)
    await world.api('DELETE', `/partners/${json.id}`)
  })

  it('is told by hand, its keys in PEM, as certificate or did:key', async () => {
    const [other, third] = [ecKey(), ecKey()]
    const keys = [
      toPem('PUBLIC KEY', spkiOf(other)),
      toPem('CERTIFICATE', certificateOf({ key: third, subject: 'x' })),
      'did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169',
    ]
    const { json } = await create({ keys, push_url: 'https://a.example/v/', token: 'their-secret' })
    expect(json).toMatchObject({ push_url: 'https://a.example/v', pull_url: null, has_token: true })
    const shown = json.keys.map(({ fingerprint }: { fingerprint: string }) => fingerprint)
    expect(shown).toContain(hashOf(spkiOf(other)))
    expect(shown).toContain(hashOf(spkiOf(third)))
    expect(shown).toHaveLength(3)
    expect(JSON.stringify(json)).not.toContain('their-secret')
  })

  it('keeps its token until told otherwise', async () => {
    const { json } = await create({ token: 'their-secret' })
    const put = (body: object) => world.api('PUT', `/partners/${json.id}`, { name: 'P', ...body })
    expect((await put({})).json).toMatchObject({ name: 'P', has_token: true })
    expect((await put({ token: null })).json.has_token).toBe(false)
  })

  it('does not show its token elsewhere than it was given for', async () => {
    const push_url = 'https://a.example/v'
    const { json } = await create({ token: 'their-secret', push_url })
    const { id, name } = json
    const put = (body: object) => world.api('PUT', `/partners/${id}`, { name, ...body })
    expect((await put({ push_url: `${push_url}/2` })).json.has_token).toBe(true)
    const elsewhere = 'https://a.example:8443/v'
    const token = 'another'
    expect((await put({ push_url: elsewhere, token })).json.has_token).toBe(true)
    expect((await put({ push_url })).json.has_token).toBe(false)
    expect((await put({ push_url, token })).json.has_token).toBe(true)
    expect((await put({})).json.has_token).toBe(false)
  })

  it('is removed with its keys', async () => {
    const keys = [toPem('PUBLIC KEY', spkiOf(ecKey()))]
    const { json } = await create({ keys })
    expect((await world.api('DELETE', `/partners/${json.id}`)).status).toBe(204)
    expect((await world.api('DELETE', `/partners/${json.id}`)).status).toBe(404)
    expect((await create({ keys })).status).toBe(201)
  })

  it.each(['push_url', 'pull_url'])('has no %s that is never called', async (name) => {
    const refused = { status: 400, detail: `${name}: not called from here` }
    const url = 'http://169.254.169.254/api'
    expect((await create({ [name]: url })).json).toMatchObject(refused)
    const { json } = await create({ [name]: 'https://a.example/api' })
    const replaced = await world.api('PUT', `/partners/${json.id}`, {
      name: json.name,
      [name]: url,
    })
    expect(replaced.json).toMatchObject(refused)
  })

  it('has a name and keys that no other has', async () => {
    const keys = [toPem('PUBLIC KEY', spkiOf(ecKey()))]
    const { json } = await create({ keys })
    expect((await create({ keys })).status).toBe(409)
    expect((await create({ name: json.name })).status).toBe(409)
    const { json: other } = await create({})
    expect((await world.api('PUT', `/partners/${other.id}`, { name: json.name })).status).toBe(409)
  })

  it('is one party’s own', async () => {
    const { json } = await create({ keys: [toPem('PUBLIC KEY', spkiOf(ecKey()))] })
    world.actAs('fdop_other')
    expect((await world.api('GET', '/partners')).json.items).toEqual([])
    expect((await world.api('GET', `/partners/${json.id}`)).status).toBe(404)
    expect((await world.api('PUT', `/partners/${json.id}`, { name: 'x' })).status).toBe(404)
    expect((await world.api('DELETE', `/partners/${json.id}`)).status).toBe(404)
    expect((await create({ name: json.name })).status).toBe(201)
  })

  it.each([
    { did: 'did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169' },
    { push_url: 'file:///etc/passwd' },
    { token: 'a b' },
    { keys: ['hello'] },
    { keys: ['did:key:zzz'] },
    { unknown: 1 },
  ])('is refused: %j', async (body) => {
    expect((await create(body)).status).toBe(400)
  })
})

describe('a DID document', () => {
  const failing = async () => (await create({ did: DID })).json

  it.each<[string, Partial<HttpAnswer> | Error, RegExp]>([
    ['that is not there', { status: 404 }, /answered 404/],
    ['elsewhere', { status: 302, headers: { location: 'http://x' } }, /answered 302/],
    ['that is none', { body: Buffer.from('hello') }, /not JSON/],
    ['that is not text', { body: Uint8Array.of(0xff) }, /did:web:buyer.example: /],
    ['that nobody gives', new Error('10.0.0.1 is not to be called'), /not to be called/],
    [
      'of another',
      { body: Buffer.from(buildDidDocument({ ...document, did: 'did:web:x' })) },
      /that of another/,
    ],
    [
      'whose services have no HTTPS',
      { body: Buffer.from(buildDidDocument({ ...document, recipientUrl: 'http://b.example' })) },
      /not reached by HTTPS/,
    ],
  ])('%s makes no partner', async (_, given, reason) => {
    answer = given
    expect(await failing()).toMatchObject({
      code: 'check-failed',
      detail: expect.stringMatching(reason),
    })
  })

  it('is fetched by HTTP only where that is allowed', async () => {
    asked.length = 0
    await resolveDid({ http, didScheme: 'http' }, { did: DID, party: PARTY })
    expect(asked).toEqual(['http://buyer.example/.well-known/did.json'])
  })
})

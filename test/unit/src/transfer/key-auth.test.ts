import type { IncomingMessage } from 'node:http'
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import type { Signer } from '../../../../protocol/crypto/signer.ts'
import {
  type SaidHello,
  proveCaller,
  readResult,
  sayHello,
} from '../../../../protocol/key-auth/caller.ts'
import { Challenge, ChallengePayload } from '../../../../protocol/key-auth/messages.ts'
import { KEY_AUTH_CHALLENGE } from '../../../../protocol/cose/tagged-aad.ts'
import { openPayload } from '../../../../protocol/key-auth/signed.ts'
import { toPem } from '../../../../protocol/x509/pem.ts'
import { decoySigner } from '../../../../src/transfer/key-auth/decoy.ts'
import { addSession } from '../../../../src/transfer/key-auth/store.ts'
import { PublicDoor } from '../../../../src/transfer/public-door.ts'
import { silentLog } from '../../../../src/log.ts'
import { buildPush } from '../../../../src/transfer/inbox/multipart.ts'
import { owner, randomBytes } from '../../../support/key-auth.ts'
import { call } from '../../../support/listening.ts'
import { PARTY, openTransferWorld, someVouchers } from '../../../support/transfer-world.ts'

const PUSH = '/api/v1/vouchers'
const PULL = '/api/v1/pull/vouchers'
const CBOR = { 'content-type': 'application/cbor' }

const world = await openTransferWorld()
const [holder] = world.owners
afterAll(() => world.close())
// The limit of one address is tested below.
beforeEach(() => world.clock.advance(120_000))

const post = (path: string, body: Uint8Array, headers: Record<string, string> = CBOR) =>
  call(`${world.base}${path}`, 'POST', headers, body)

async function prove(said: SaidHello, challenge: Uint8Array, signer: Signer = owner) {
  return proveCaller(said, challenge, { signer, holderKeys: [holder?.key ?? expect.fail()] })
}

async function handshake(root: string, signer: Signer = owner) {
  const said = sayHello(signer, randomBytes)
  const challenge = await post(`${root}/auth/hello`, said.hello)
  expect(challenge).toMatchObject({ status: 200, headers: CBOR })
  const body = await prove(said, challenge.body, signer)
  return { said, body, answer: await post(`${root}/auth/prove`, body) }
}

const list = (token: string, base = world.base) =>
  call(`${base}${PULL}`, 'GET', { authorization: `Bearer ${token}` })

describe('who proves a key', () => {
  it('gets a token for what was sold to it', async () => {
    const { said, answer } = await handshake(PULL)
    const { token, voucherCount, expiresAt } = readResult(said, answer.body)
    expect(voucherCount).toBe(0)
    expect(expiresAt).toBe(world.clock.now().getTime() / 1000 + 3600)
    const { status, body } = await list(token)
    expect(status).toBe(200)
    expect(JSON.parse(body.toString())).toEqual({
      vouchers: [],
      continuation: '',
      has_more: false,
      total_count: 0,
      receipts: true,
    })
  })

  it('is let in at that door of that party, and for an hour', async () => {
    const { said, answer } = await handshake(PULL)
    const { token } = readResult(said, answer.body)
    expect((await list(token, `${world.url}/transfer/fdop_other`)).status).toBe(401)
    expect((await list(`${token}x`)).status).toBe(401)
    const push = { authorization: `Bearer ${token}` }
    expect((await call(`${world.base}${PUSH}`, 'POST', push)).status).toBe(401)
    world.clock.advance(3_599_000)
    expect((await list(token)).status).toBe(200)
    world.clock.advance(1_000)
    expect((await list(token)).status).toBe(401)
  })

  it('may bring vouchers once it is a partner’s key', async () => {
    expect((await handshake(PUSH)).answer.status).toBe(401)
    const keys = [toPem('PUBLIC KEY', owner.key.spki)]
    const { json: partner } = await world.api('POST', '/partners', { name: 'Maker', keys })
    const { said, answer } = await handshake(PUSH)
    const { token } = readResult(said, answer.body)
    const [voucher] = await someVouchers(1)
    const { body, contentType } = buildPush(
      { voucher: voucher?.bytes ?? expect.fail(), serial: null, model: null },
      'ab',
    )
    const headers = { authorization: `Bearer ${token}`, 'content-type': contentType }
    expect((await call(`${world.base}${PUSH}`, 'POST', headers, body)).status).toBe(200)
    expect(world.admitted.at(-1)).toContain(partner.id)
    await world.api('DELETE', `/partners/${partner.id}`)
    expect((await call(`${world.base}${PUSH}`, 'POST', headers, body)).status).toBe(401)
  })

  it('does so in one try, right or wrong', async () => {
    const { body } = await handshake(PULL)
    expect((await post(`${PULL}/auth/prove`, body)).status).toBe(401)
    const said = sayHello(owner, randomBytes)
    const challenge = await post(`${PULL}/auth/hello`, said.hello)
    const right = await prove(said, challenge.body)
    const wrong = right.slice()
    wrong[wrong.length - 1] = (wrong.at(-1) ?? 0) ^ 1
    expect((await post(`${PULL}/auth/prove`, wrong)).status).toBe(401)
    expect((await post(`${PULL}/auth/prove`, right)).status).toBe(401)
  })

  it('does so within a minute, at the door and party it said hello to', async () => {
    for (const [later, path] of [
      [60_000, PULL],
      [0, PUSH],
    ] as const) {
      const said = sayHello(owner, randomBytes)
      const challenge = await post(`${PULL}/auth/hello`, said.hello)
      world.clock.advance(later)
      const body = await prove(said, challenge.body)
      expect((await post(`${path}/auth/prove`, body)).status).toBe(401)
    }
    const said = sayHello(owner, randomBytes)
    const body = await prove(said, (await post(`${PULL}/auth/hello`, said.hello)).body)
    const elsewhere = `${world.url}/transfer/fdop_other${PULL}/auth/prove`
    expect((await call(elsewhere, 'POST', CBOR, body)).status).toBe(401)
  })
})

describe('a hello', () => {
  it('is refused in what is no CBOR, of another type, or too long', async () => {
    const said = sayHello(owner, randomBytes)
    const path = `${PULL}/auth/hello`
    expect((await post(path, Uint8Array.of(1, 2))).status).toBe(400)
    expect((await post(path, said.hello, { 'content-type': 'text/plain' })).status).toBe(415)
    expect((await post(path, new Uint8Array(70_000))).status).toBe(413)
    expect((await post(path, said.hello, {})).status).toBe(200)
  })

  it('tells nothing of what there is for the key', async () => {
    const said = sayHello(owner, randomBytes)
    const { body } = await post(`${PULL}/auth/hello`, said.hello)
    expect(decodeAs(Challenge, body, 'Challenge').serverInfo).toBeNull()
  })

  it('does not tell which parties there are', async () => {
    const base = `${world.url}/transfer/fdop_nobody${PULL}/auth`
    const said = sayHello(owner, randomBytes)
    const { status, body } = await call(`${base}/hello`, 'POST', CBOR, said.hello)
    expect(status).toBe(200)
    const { signature } = decodeAs(Challenge, body, 'Challenge')
    const { key } = decoySigner('fdop_nobody')
    await openPayload(signature, [key], ChallengePayload, KEY_AUTH_CHALLENGE)
    expect(decoySigner('fdop_other').key.spki).not.toEqual(key.spki)
    const proof = await proveCaller(said, body, { signer: owner, holderKeys: [key] })
    const answer = await call(`${base}/prove`, 'POST', CBOR, proof)
    const { token } = readResult(said, answer.body)
    expect((await list(token, `${world.url}/transfer/fdop_nobody`)).status).toBe(200)
  })

  it('is not there for a suspended party, whether it is begun or ended', async () => {
    const early = sayHello(owner, randomBytes)
    const { body: begun } = await post(`${PUSH}/auth/hello`, early.hello)
    world.suspended.add(PARTY)
    const hello = await post(`${PULL}/auth/hello`, sayHello(owner, randomBytes).hello)
    const proof = await post(`${PUSH}/auth/prove`, await prove(early, begun))
    world.suspended.delete(PARTY)
    expect([hello.status, proof.status]).toEqual([404, 404])
  })

  it('has to wait where one address says too many', async () => {
    const said = sayHello(owner, randomBytes)
    let answer = await post(`${PULL}/auth/hello`, said.hello)
    for (let i = 0; i < 70 && answer.status === 200; i++) {
      answer = await post(`${PULL}/auth/hello`, said.hello)
    }
    expect(answer.status).toBe(429)
    expect(answer.headers['retry-after']).toBe('1')
  })

  it.each([
    ['of one party', 1_000, () => 'fdop_crowded'],
    ['in all', 5_000, (i: number) => `fdop_${i}`],
  ])('ends what has waited longest where too many have not answered, %s', async (_, most, name) => {
    const { database, clock } = world
    const waiting = () => database.db.selectFrom('key_auth_session').selectAll().execute()
    clock.advance(60_000)
    await world.transfer.sweep()
    const expires_at = new Date(clock.now().getTime() + 30_000).toISOString()
    const old = { door: 'pull' as const, state: new Uint8Array(0), expires_at }
    await database.commit(async (tx) => {
      for (let i = 0; i < most; i++) {
        await addSession.run(tx, { ...old, id_hash: `${i}`, party: name(i) })
      }
    })
    const said = sayHello(owner, randomBytes)
    const base = `${world.url}/transfer/${name(0)}${PULL}/auth`
    for (let i = 0; i < 2; i++) {
      expect((await call(`${base}/hello`, 'POST', CBOR, said.hello)).status).toBe(200)
    }
    const rows = await waiting()
    expect(rows).toHaveLength(most)
    expect(rows.filter((row) => row.expires_at !== expires_at)).toHaveLength(2)
    await post(`${PULL}/auth/hello`, said.hello)
    expect((await waiting()).filter(({ party }) => party === PARTY)).toHaveLength(1)
    clock.advance(60_000)
    await world.transfer.sweep()
    expect(await waiting()).toEqual([])
  })
})

describe('an answer to a challenge that was never sent', () => {
  it('is refused without a transaction', async () => {
    const { body } = await handshake(PULL)
    const commit = vi.spyOn(world.database, 'commit')
    const { status } = await post(`${PULL}/auth/prove`, body)
    const { calls } = commit.mock
    commit.mockRestore()
    expect(status).toBe(401)
    expect(calls).toEqual([])
  })
})

describe('a network', () => {
  it('counts as one address, however many it has', async () => {
    const door = new PublicDoor({
      ...{ clock: world.clock, log: silentLog },
      trustedProxies: { addresses: ['127.0.0.1'] },
      parties: { isSuspended: async () => false },
    })
    const from = (address: string) =>
      ({
        socket: { remoteAddress: '127.0.0.1' },
        headers: { 'x-forwarded-for': address },
      }) as unknown as IncomingMessage
    for (let i = 0; i < 60; i++) door.countHandshake(from(`2001:db8::${i}`))
    expect(() => door.countHandshake(from('2001:db8::ffff'))).toThrow('try again')
    door.countHandshake(from('2001:db8:0:1::1'))
  })
})

/** A rendezvous on a database in memory, to register at and to ask: roles, routes and all. */
import type { Bytes } from '../../protocol/bytes.ts'
import { encode } from '../../protocol/cbor/cbor.ts'
import type { Signer } from '../../protocol/crypto/signer.ts'
import { bodyOf } from '../../protocol/message.ts'
import { AcceptOwner, HelloAck, OwnerSign } from '../../protocol/to0/messages.ts'
import type { Voucher } from '../../protocol/voucher/voucher.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { FakeClock } from '../../src/clock.ts'
import { openDatabase } from './database.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { createEvents } from '../../src/events.ts'
import type { MountedRole } from '../../src/fdo/mounted-role.ts'
import { createApp } from '../../src/http/app.ts'
import { permissionsOf } from '../../src/http/permissions.ts'
import { HERE, type Source } from '../../src/http/source.ts'
import { type Log, silentLog } from '../../src/log.ts'
import { openRendezvous } from '../../src/rendezvous/assembly.ts'
import { ownerSignOf } from './registering.ts'

interface Wish {
  readonly voucher: Voucher
  readonly signer: Signer
  readonly waitSeconds?: number
  readonly source?: Source
}

export const URL_HERE = 'https://rv.test'

export function sourceOf(address: string): Source {
  return { address, forwarded: false, clientCertificate: undefined }
}

export async function openRendezvousWorld(anchors?: readonly Bytes[]) {
  const database = await openDatabase(':memory:')
  const clock = new FakeClock('2026-01-02T03:04:05Z')
  const told: [event: string, facts: object][] = []
  const info = (facts: object, event: string) => told.push([event, facts])
  const rendezvous = openRendezvous({
    audit: new AuditLog({ clock }),
    ...{ database, clock, deviceAnchors: () => anchors, urls: () => [`${URL_HERE}/`] },
    randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
    events: createEvents({ ...silentLog, info } as unknown as Log),
  })
  const [to0, to1] = rendezvous.roles as [MountedRole, MountedRole]
  let party = HOME_PARTY
  let scopes = ['admin']
  let incoming: object | undefined
  const app = createApp({
    ...{ log: silentLog, clock, trustedProxies: { addresses: [] }, isReady: async () => true },
    metrics: { text: async () => '' },
    routes: rendezvous.routes,
    others: [rendezvous.others],
    findPrincipal: async () => ({
      ...{ id: 'tok_1', name: 'test', kind: 'token', party },
      permissions: permissionsOf(scopes) ?? new Set(),
    }),
  })

  /** TO0; gives for how long. */
  async function register({ source = HERE, ...wish }: Wish): Promise<number> {
    const hello = await to0.answer(to0.initialState, { number: 20, bytes: encode([]) }, source)
    const nonce = bodyOf(HelloAck, hello.reply.bytes).nonceTO0Sign
    const message = await ownerSignOf({ ...wish, nonce })
    bodyOf(OwnerSign, message.bytes)
    const answer = await to0.answer(hello.next!, message, source)
    await database
      .commit((tx) => answer.write(tx))
      .catch(async (error: unknown) => {
        await answer.refused(error)
        throw error
      })
    return bodyOf(AcceptOwner, answer.reply.bytes).waitSeconds
  }

  return {
    database,
    clock,
    rendezvous,
    told,
    to1,
    register,
    /** TO1.HelloRV. */
    ask: (guid: Bytes, source: Source = HERE) => {
      const bytes = encode([guid, [-7, new Uint8Array()]])
      return to1.answer(to1.initialState, { number: 30, bytes }, source)
    },
    as(other: string, ...others: string[]) {
      party = other
      if (others.length > 0) scopes = others
    },
    async call(method: string, path: string, json?: unknown) {
      const headers = { authorization: 'Bearer x', 'content-type': 'application/json' }
      const body = json === undefined ? {} : { body: JSON.stringify(json) }
      const response = await app.request(`/api/v1${path}`, { method, headers, ...body })
      const text = await response.text()
      return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
    },
    from(remoteAddress: string) {
      incoming = { socket: { remoteAddress }, headers: {} }
    },
    /** As an owner elsewhere: no token. */
    async post(path: string, body: Bytes, more: Record<string, string> = {}) {
      const headers = {
        'content-type': 'application/cbor',
        'content-length': String(body.length),
        ...more,
      }
      const init = { method: 'POST', headers, body: new Uint8Array(body) }
      const response = await app.request(`/rendezvous/v1${path}`, init, { incoming })
      const text = await response.text()
      return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
    },
  }
}

export type RendezvousWorld = Awaited<ReturnType<typeof openRendezvousWorld>>

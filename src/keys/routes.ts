/** /api/v1/keys: which keys there are, and owner keys made elsewhere. Private parts never leave. */
import { z } from '@hono/zod-openapi'
import type { Events } from '../events.ts'
import { Problem } from '../http/problem.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { KeyInfo } from '../secrets/key-info.ts'
import { KeyRefused } from '../secrets/key-files/refused.ts'
import type { KeyStore } from '../secrets/key-store.ts'

const Key = z
  .object({
    id: z.string(),
    purpose: z.string(),
    type: z.enum(['p256', 'p384', 'rsa2048', 'rsa3072']),
    fingerprint: z.string(),
    origin: z.enum(['made', 'imported', 'token']),
    public_key: z.string(),
    created_at: z.string(),
  })
  .openapi('Key')

/** A key file under a passphrase. */
const ProtectedKey = z
  .object({
    /** Base64. */
    file: z.base64().min(1).max(65_536).openapi({ format: 'byte' }),
    passphrase: z.string().max(1024),
  })
  .openapi('ProtectedKey')

export interface KeyRoutesServices {
  readonly keyStore: KeyStore
  readonly events: Events
}

export function keyRoutes({ keyStore, events }: KeyRoutesServices): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/keys',
      summary: 'List the private keys of this service, by what may be known of them',
      permission: 'key:read',
      query: PageQuery,
      result: pageOf(Key),
      handle({ query: { limit, cursor }, principal: { party } }) {
        const after = positionOf(cursor) ?? ''
        const sorted = keyStore
          .ring(party)
          .list()
          .toSorted((a, b) => (a.id < b.id ? -1 : 1))
        const rows = sorted.filter(({ id }) => id > after).slice(0, limit + 1)
        return pageFrom(rows, limit, ({ id }) => id, toView)
      },
    }),
    route({
      method: 'post',
      path: '/keys',
      summary: 'Add an owner key made elsewhere: PKCS#8, PKCS#12, SEC 1 or PKCS#1; PEM or DER',
      permission: 'key:import',
      query: z.object({ purpose: z.enum(['owner']).default('owner') }),
      bytes: {
        types: [
          'application/octet-stream',
          'application/x-pem-file',
          'application/pkcs8',
          'application/pkcs8-encrypted',
          'application/pkcs12',
          'application/x-pkcs12',
          'text/plain',
        ],
        atMost: 65_536,
      },
      body: ProtectedKey.optional(),
      result: Key,
      status: 201,
      async handle({ query: { purpose }, bytes, body, principal }) {
        const file = body ? Buffer.from(body.file, 'base64') : bytes
        const keys = keyStore.ring(principal.party)
        const key = await importKey(() => keys.import(purpose, file, body?.passphrase))
        events.keyImported({ key: key.id, purpose, by: principal.id })
        return toView(key)
      },
    }),
  ]

  async function importKey(add: () => Promise<KeyInfo>): Promise<KeyInfo> {
    try {
      return await add()
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error
      throw new Problem('invalid-request', error.message, { cause: error })
    }
  }
}

function toView({ id, purpose, kind, fingerprint, origin, spki, createdAt }: KeyInfo) {
  const public_key = Buffer.from(spki).toString('base64')
  return { id, purpose, type: kind, fingerprint, origin, public_key, created_at: createdAt }
}

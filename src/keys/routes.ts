/** /api/v1/keys: which keys there are, and owner keys made elsewhere. Private parts never leave. */
import { z } from '@hono/zod-openapi'
import type { Events } from '../events.ts'
import { Problem } from '../http/problem.ts'
import { PageQuery, type Route, pageFrom, pageOf, positionOf, route } from '../http/route.ts'
import type { KeyInfo } from '../secrets/key-info.ts'
import type { KeyRing } from '../secrets/key-ring.ts'
import { KeyRefused, type KeyStore } from '../secrets/key-store.ts'

const Key = z
  .object({
    id: z.string(),
    purpose: z.string(),
    type: z.enum(['p256', 'p384', 'rsa2048', 'rsa3072']),
    fingerprint: z.string(),
    origin: z.enum(['made', 'imported']),
    public_key: z.string(),
    created_at: z.string(),
  })
  .openapi('Key')

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
      summary: 'Add an owner key made elsewhere: PKCS#8, PEM or DER',
      permission: 'key:import',
      query: z.object({ purpose: z.enum(['owner']).default('owner') }),
      bytes: {
        types: [
          'application/octet-stream',
          'application/x-pem-file',
          'application/pkcs8',
          'text/plain',
        ],
        atMost: 65_536,
      },
      result: Key,
      status: 201,
      async handle({ query: { purpose }, bytes, principal }) {
        const key = await importKey(keyStore.ring(principal.party), purpose, bytes)
        events.keyImported({ key: key.id, purpose, by: principal.id })
        return toView(key)
      },
    }),
  ]

  async function importKey(keys: KeyRing, purpose: string, encoded: Uint8Array): Promise<KeyInfo> {
    try {
      return await keys.import(purpose, encoded)
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

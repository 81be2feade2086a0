/** /api/v1/partners/{id}/keys/{fingerprint}: that a partner holds its keys; /key-proofs: that we do. */
import { z } from '@hono/zod-openapi'
import { type Route, route } from '../../http/route.ts'
import { PartnerView, viewOf } from '../partners/view.ts'
import { type OwnKeyServices, proveOwnKey } from './own-keys.ts'
import type { KeyProof } from './service.ts'

const KeyParam = z.object({
  id: z.string().max(64),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
})

const Challenge = z.string().max(2048)

export function keyProofRoutes(proofs: KeyProof, ownKeys: OwnKeyServices): readonly Route[] {
  return [
    route({
      method: 'post',
      path: '/key-proofs',
      summary: 'Sign the challenge of one who sells to us: it proves that we hold the key',
      permission: 'transfer:write',
      body: z.strictObject({ challenge: Challenge }),
      result: z.object({ fingerprint: z.string(), signature: z.string() }),
      handle: ({ body: { challenge }, principal }) => proveOwnKey(ownKeys, principal, challenge),
    }),
    route({
      method: 'post',
      path: '/partners/{id}/keys/{fingerprint}/challenge',
      summary: 'A text for a partner to sign: it proves that it holds this key',
      permission: 'partner:write',
      params: KeyParam,
      result: z.object({ challenge: z.string(), expires_at: z.string() }),
      async handle({ params: { id: partner, fingerprint }, principal: { party } }) {
        const { challenge, expiresAt } = await proofs.challenge({ party, partner, fingerprint })
        return { challenge, expires_at: expiresAt.toISOString() }
      },
    }),
    route({
      method: 'post',
      path: '/partners/{id}/keys/{fingerprint}/proof',
      summary: 'What the partner signed: from now on vouchers are extended to this key',
      permission: 'partner:write',
      params: KeyParam,
      body: z.strictObject({
        challenge: Challenge,
        signature: z.string().max(8192).openapi({
          description:
            'base64; ECDSA as DER or r ‖ s, RSA by PKCS#1 v1.5 or PSS; with SHA-256, for P-384 and RSA 3072 with SHA-384',
        }),
      }),
      result: PartnerView,
      async handle({ params: { id: partner, fingerprint }, body, principal: { party, id: by } }) {
        const { challenge, signature } = body
        return viewOf(await proofs.prove({ party, partner, fingerprint }, challenge, signature, by))
      },
    }),
  ]
}

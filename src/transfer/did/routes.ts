/** DID documents, for the world; /api/v1/transfer-profile, for the party they are about. */
import { z } from '@hono/zod-openapi'
import { Hono } from 'hono'
import { jwkOf } from '../../../protocol/crypto/jwk.ts'
import { utf8 } from '../../../protocol/bytes.ts'
import { DID_DOCUMENT_TYPE } from '../../../protocol/did/document.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import type { AppEnv } from '../../http/authenticate.ts'
import { type Route, route } from '../../http/route.ts'
import { TransferRefusal, bytesAnswer } from '../answer.ts'
import type { PublicDoor } from '../public-door.ts'
import { hashOf } from '../secret.ts'
import { NO_HTTPS, type Profile, type Profiles } from './service.ts'

const FOR_AN_HOUR = { 'cache-control': 'public, max-age=3600' }

/** The home party's is at the root; behind a proxy with a path that is `/did.json`. */
export function didDoor(profiles: Profiles, door: PublicDoor): Hono<AppEnv> {
  const served = (party: string) => async () => {
    if (!profiles.areReachable) throw new TransferRefusal(404, NO_HTTPS)
    const document = await profiles.served(party)
    if (document === undefined) throw new TransferRefusal(404, 'there is no such document')
    return bytesAnswer(DID_DOCUMENT_TYPE, utf8(document), FOR_AN_HOUR)
  }
  const app = new Hono<AppEnv>()
  for (const path of ['/.well-known/did.json', '/did.json']) {
    app.get(path, (c) => door.answer(c.req.raw, c.env?.incoming, served(HOME_PARTY)))
  }
  return app.get('/parties/:party/did.json', (c) => {
    const party = c.req.param('party')
    // The document names the place it is to be found at, and that is the root.
    return door.answer(c.req.raw, c.env?.incoming, served(party === HOME_PARTY ? '' : party))
  })
}

const TransferProfile = z
  .object({
    did: z.string().nullable().openapi({ description: 'null without HTTPS to find it by' }),
    public: z.boolean(),
    push_url: z.string(),
    pull_url: z.string(),
    key: z.object({ fingerprint: z.string(), jwk: z.record(z.string(), z.string()) }),
  })
  .openapi('TransferProfile')

export function transferProfileRoutes(profiles: Profiles): readonly Route[] {
  return [
    route({
      method: 'get',
      path: '/transfer-profile',
      summary: 'How partners find this party: its did:web, addresses and key',
      permission: 'partner:read',
      result: TransferProfile,
      handle: async ({ principal: { party } }) => viewOf(await profiles.find(party)),
    }),
    route({
      method: 'put',
      path: '/transfer-profile',
      summary: 'Whether the world may find this party by its did:web',
      permission: 'partner:write',
      body: z.strictObject({ public: z.boolean() }),
      result: TransferProfile,
      handle: async ({ body, principal }) =>
        viewOf(await profiles.setPublic(principal, body.public)),
    }),
  ]
}

function viewOf({ isPublic, key, did, pushUrl, pullUrl }: Profile) {
  return {
    ...{ did, public: isPublic, push_url: pushUrl, pull_url: pullUrl },
    key: { fingerprint: hashOf(key.spki), jwk: { ...jwkOf(key) } },
  }
}

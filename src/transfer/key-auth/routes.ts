/** auth/hello and auth/prove, below the address vouchers are pushed to and that they are pulled from. */
import { Hono } from 'hono'
import type { Bytes } from '../../../protocol/bytes.ts'
import type { AppEnv } from '../../http/authenticate.ts'
import { TransferRefusal, bytesAnswer, readBody } from '../answer.ts'
import { PULL_ROOT, PUSH_ROOT, type PublicDoor } from '../public-door.ts'
import type { KeyAuth } from './service.ts'

const TYPE = 'application/cbor'
/** A key, and a certificate or two. */
const MOST_BODY_BYTES = 64 * 1024

export function keyAuthDoor(keyAuth: KeyAuth, door: PublicDoor): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  for (const [root, name] of [
    [PUSH_ROOT, 'push'],
    [PULL_ROOT, 'pull'],
  ] as const) {
    app.post(`/transfer/:party${root}/auth/hello`, (c) =>
      door.answerFor(c.req.param('party'), c.req.raw, c.env?.incoming, async (request) => {
        door.countHandshake(c.env?.incoming)
        const at = { party: c.req.param('party'), name }
        return bytesAnswer(TYPE, await keyAuth.challenge(at, await bodyOf(request)))
      }),
    )
    app.post(`/transfer/:party${root}/auth/prove`, (c) =>
      door.answerFor(c.req.param('party'), c.req.raw, c.env?.incoming, async (request) => {
        const at = { party: c.req.param('party'), name }
        return bytesAnswer(TYPE, await keyAuth.prove(at, await bodyOf(request)))
      }),
    )
  }
  return app
}

/** A missing type is taken for the right one, as go-fdo does. */
async function bodyOf(request: Request): Promise<Bytes> {
  const type = (request.headers.get('content-type') ?? TYPE).split(';')[0]?.trim().toLowerCase()
  if (type !== TYPE) throw new TransferRefusal(415, `send ${TYPE}`)
  return readBody(request, MOST_BODY_BYTES)
}

/** The Idempotency-Key of a request, and its answer when it comes again. */
import type { Context } from 'hono'
import type { AppEnv } from './authenticate.ts'
import type { Idempotency } from './idempotency/service.ts'
import { Problem } from './problem.ts'

export async function onceFor(
  c: Context<AppEnv>,
  key: string,
  idempotency: Idempotency | undefined,
  perform: () => Promise<Response>,
): Promise<Response> {
  if (!/^[\x21-\x7e]{1,255}$/.test(key)) {
    throw new Problem('invalid-request', 'Idempotency-Key: 1 to 255 characters, none of them space')
  }
  if (!idempotency) throw new Problem('unavailable', 'no Idempotency-Key is taken here')
  const { pathname, search } = new URL(c.req.url)
  const request = {
    ...{ principal: c.var.principal, key, method: c.req.method, target: `${pathname}${search}` },
    contentType: c.req.header('content-type') ?? '',
    body: new Uint8Array(await c.req.arrayBuffer()),
  }
  const { status, contentType, body } = await idempotency.once(request, async () => {
    const response = await perform()
    return {
      status: response.status,
      contentType: response.headers.get('content-type'),
      body: await response.text(),
    }
  })
  const headers = contentType === null ? {} : { 'content-type': contentType }
  return new Response(status === 204 ? null : body, { status, headers })
}

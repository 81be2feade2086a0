/** Answers that are no JSON: bytes at once, or made as they are taken. */
import type { ServerResponse } from 'node:http'
import type { Context } from 'hono'
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import type { AppEnv } from './authenticate.ts'
import { EVENT_STREAM } from './body.ts'
import type { File } from './route.ts'

export function fileResponse(c: Context<AppEnv>, { type, content, name }: File): Response {
  const headers = new Headers({ 'content-type': type })
  // Proxies that gather answers would have whoever watches wait.
  if (type === EVENT_STREAM) headers.set('x-accel-buffering', 'no')
  if (name) headers.set('content-disposition', `attachment; filename="${name}"`)
  if (typeof content === 'string') return new Response(content, { headers })
  if (content instanceof Uint8Array) return new Response(new Uint8Array(content), { headers })
  return new Response(streamOf(c, content), { headers })
}

/** Where making it fails the connection is cut: whoever reads must not take it for the whole. */
function streamOf(c: Context<AppEnv>, content: AsyncIterable<Bytes | string>): ReadableStream {
  const parts = content[Symbol.asyncIterator]()
  const { failed } = c.var
  const outgoing = c.env?.outgoing as ServerResponse | undefined
  let isCancelled = false
  return new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          const { value, done } = await parts.next()
          if (isCancelled) return
          if (done) controller.close()
          else controller.enqueue(typeof value === 'string' ? utf8(value) : value)
        } catch (error) {
          failed(error)
          outgoing?.destroy()
          if (outgoing) controller.close()
          else controller.error(error)
        }
      },
      async cancel() {
        isCancelled = true
        await parts.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

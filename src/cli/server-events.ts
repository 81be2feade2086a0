/** Server-sent events of the service: read as they come, gone on with where they broke off. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createInterface } from 'node:readline'
import type { ApiClient } from './api-client.ts'
import { CliFailure } from './failure.ts'

export interface ServerEvent {
  readonly event: string
  readonly data: unknown
}

const EVENT_STREAM = 'text/event-stream'
const PAUSE_MS = 2_000

export interface Listening {
  /** The stream is there: from here on nothing is missed. */
  opened?(): void
  /** Between one stream and the next. */
  pause?(ms: number): Promise<unknown>
}

/** Without end: the service closes its streams from time to time, and is restarted. */
export async function* serverEvents(
  api: ApiClient,
  path: string,
  { opened, pause = sleep }: Listening = {},
): AsyncGenerator<ServerEvent> {
  let lastEventId: string | undefined
  let hasBegun = false
  for (;;) {
    try {
      const response = await api.open(path, { accept: EVENT_STREAM, lastEventId })
      if (!hasBegun) opened?.()
      hasBegun = true
      try {
        for await (const { id, ...event } of readEvents(createInterface({ input: response }))) {
          lastEventId = id ?? lastEventId
          yield event
        }
      } finally {
        // Whoever has seen enough does not wait for the rest.
        response.destroy()
      }
    } catch (error) {
      const mayPass = error instanceof CliFailure ? error.kind === 'unreachable' : true
      // What never was there is a mistake in the command.
      if (!hasBegun || !mayPass) throw error
    }
    await pause(PAUSE_MS)
  }
}

/** The lines of a stream as its events; what they name that nobody knows is passed over. */
export async function* readEvents(
  lines: AsyncIterable<string>,
): AsyncGenerator<ServerEvent & { readonly id: string | undefined }> {
  let [event, data, id] = ['message', '', undefined as string | undefined]
  for await (const line of lines) {
    const [, field = '', value = ''] = /^(\w*): ?(.*)$/.exec(line) ?? []
    if (field === 'event') event = value
    else if (field === 'data') data += value
    else if (field === 'id') id = value
    if (line !== '') continue
    if (data !== '') yield { event, id, data: JSON.parse(data) as unknown }
    ;[event, data, id] = ['message', '', undefined]
  }
}

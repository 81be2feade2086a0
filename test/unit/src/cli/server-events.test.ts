import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import type { WriteStream } from 'node:tty'
import { describe, expect, it } from 'vitest'
import type { ApiCall, ApiClient } from '../../../../src/cli/api-client.ts'
import { CliFailure } from '../../../../src/cli/failure.ts'
import { Screen } from '../../../../src/cli/screen.ts'
import { readEvents, serverEvents } from '../../../../src/cli/server-events.ts'

async function* from(...lines: string[]) {
  yield* lines
}

describe('a stream of events', () => {
  it('is read as it comes, what is not understood passed over', async () => {
    const read = []
    const lines = from(
      ...['retry: 2000', '', ': a heartbeat', '', 'id: 7', 'event: device', 'data: {"a":1}', ''],
      ...['colour: red', 'data: [1,', 'data: 2]', '', 'event: nothing', '', 'data: 3'],
    )
    for await (const event of readEvents(lines)) read.push(event)
    expect(read).toEqual([
      { id: '7', event: 'device', data: { a: 1 } },
      { id: undefined, event: 'message', data: [1, 2] },
    ])
  })

  it('goes on after the last event that came, when it breaks off', async () => {
    const asked: (string | undefined)[] = []
    const bodies = ['id: 1\ndata: 1\n\nid: 2\ndata: 2\n\n', 'data: 3\n\n', 'id: 4\ndata: 4\n\n']
    const api = {
      open: async (_path: string, { lastEventId }: ApiCall) => {
        asked.push(lastEventId)
        return Readable.from([bodies[asked.length - 1]]) as IncomingMessage
      },
    } as unknown as ApiClient
    const data = []
    let opened = 0
    for await (const event of serverEvents(api, '/x', {
      opened: () => opened++,
      pause: async () => {},
    })) {
      data.push(event.data)
      if (data.length === 4) break
    }
    expect(data).toEqual([1, 2, 3, 4])
    expect(asked).toEqual([undefined, '2', '2'])
    expect(opened).toBe(1)
  })

  it('that was never there is a failure of the command', async () => {
    const api = {
      open: async () => {
        throw new CliFailure('refused', 'there is no device')
      },
    } as unknown as ApiClient
    await expect(serverEvents(api, '/x').next()).rejects.toThrow('there is no device')
  })
})

describe('a screen', () => {
  it('writes over what it wrote before, no more than fits', () => {
    const written: string[] = []
    const terminal = {
      ...{ rows: 4, columns: 6 },
      write: (text: string) => written.push(text),
    } as unknown as WriteStream
    const screen = new Screen(terminal)
    screen.draw('one\ntwo long\n3\n4\n5')
    screen.draw('x')
    expect(written).toEqual(['\r\u001b[Jone\ntwo l…\n3\n', '\u001b[3A\r\u001b[Jx\n'])
  })
})

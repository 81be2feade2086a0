/** What stands in front of several instances: it hands connections on to those that say they are ready. */
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'

export interface Balancer {
  readonly url: string
  /** Requests, or parts of one, that were sent on and never answered. */
  readonly unanswered: number
  close(): Promise<void>
}

const LOOK_MS = 100

/** To `ports` of this machine, in turn. */
export async function balancer(ports: readonly number[]): Promise<Balancer> {
  const ready = new Set<number>(ports)
  const open = new Set<Socket>()
  let turn = 0
  let unanswered = 0
  let isClosing = false

  const looking = setInterval(() => ports.forEach((port) => void look(port, ready)), LOOK_MS)
  const server = createServer((client) => {
    const order = ports.map((_, i) => ports[(turn + i) % ports.length]!)
    turn++
    handOn(
      client,
      order.toSorted((a, b) => Number(ready.has(b)) - Number(ready.has(a))),
    )
  })

  /** One that does not even take the connection is passed over. */
  function handOn(client: Socket, [port, ...others]: readonly number[]): void {
    if (port === undefined) return void client.destroy()
    const instance = connect(port, '127.0.0.1')
    const passOver = () => handOn(client, others)
    instance.once('error', passOver)
    instance.once('connect', () => {
      instance.off('error', passOver)
      join(client, instance)
    })
  }

  function join(client: Socket, instance: Socket): void {
    let isAsked = false
    client.on('data', () => (isAsked = true)).on('error', () => {})
    instance.on('data', () => (isAsked = false)).on('error', () => {})
    instance.on('close', () => {
      if (isAsked && !client.destroyed && !isClosing) unanswered++
      client.destroy()
    })
    client.on('close', () => instance.destroy())
    for (const one of [client, instance]) open.add(one.on('close', () => open.delete(one)))
    client.pipe(instance)
    instance.pipe(client)
  }

  const port = await listening(server)
  return {
    url: `http://127.0.0.1:${port}`,
    get unanswered() {
      return unanswered
    },
    async close() {
      isClosing = true
      clearInterval(looking)
      for (const one of open) one.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

async function look(port: number, ready: Set<number>): Promise<void> {
  const headers = { connection: 'close' }
  const isReady = await fetch(`http://127.0.0.1:${port}/health/ready`, { headers }).then(
    ({ ok }) => ok,
    () => false,
  )
  if (isReady) ready.add(port)
  else ready.delete(port)
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

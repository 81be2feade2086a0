/** Delivers what is in a log to its webhook, until it is killed. */
import { type OutboundCall, type OutboundCalls } from '../../src/webhooks/outbound.ts'
import { WebhookWorld } from './webhook-world.ts'

const [path = '', url = '', entries = '0'] = process.argv.slice(2)

const outbound: OutboundCalls = {
  check: async () => {},
  async request(target: string, { method, headers, body }: OutboundCall) {
    const { status } = await fetch(target, { method, headers, body })
    return { status }
  },
}

const world = await WebhookWorld.open(path, outbound)
if (entries !== '0') {
  await world.add({ url })
  await world.log.fill(Number(entries))
}
process.stdout.write('{"event":"ready"}\n')
for (;;) {
  await world.deliver()
  world.log.clock.advance(60_000)
  await new Promise((resolve) => setTimeout(resolve, 20))
}

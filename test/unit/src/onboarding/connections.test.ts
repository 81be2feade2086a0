import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { FdoTransport } from '../../../../protocol/converse.ts'
import { planRendezvous } from '../../../../protocol/types/rendezvous-plan.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import { Outbound } from '../../../../src/outbound/outbound.ts'
import { OutboundPolicy } from '../../../../src/outbound/policy.ts'
import { Connections } from '../../../../src/onboarding/register/connections.ts'

const inHere: FdoTransport = async (message) => ({ message, authorization: 'in here' })
const HELLO = { number: 20, bytes: Uint8Array.of(0x80) }

function targetOf(directive: object) {
  const { value } = rendezvousInfoFromText([directive])
  return planRendezvous(value, 'owner').attempts[0]!.targets[0]!
}

const outbound = new Outbound(
  new OutboundPolicy({ hosts: ['127.0.0.1'], publicUrl: undefined, outboundAllow: undefined }),
)

let connections: Connections
afterEach(() => connections.close())

describe('the way to a rendezvous', () => {
  it.each([
    ['http://fdo.test:8080', { dns: 'fdo.test', owner_port: 8080, protocol: 'http' }],
    ['https://fdo.test', { dns: 'fdo.test', protocol: 'https' }],
    ['http://[2001:db8::1]:80', { ip: '2001:db8::1', protocol: 'http' }],
  ])('is short where it is this very service at %s', async (url, directive) => {
    connections = new Connections({ url: () => url, transport: () => inHere }, outbound)
    const answer = await connections.to(targetOf(directive))(HELLO, undefined)
    expect(answer.authorization).toBe('in here')
  })

  it('goes over HTTP to any other, on one connection', async () => {
    let sockets = 0
    const server = createServer((request, response) => {
      request.resume().on('end', () => {
        response.writeHead(200, { 'message-type': '21', 'content-type': 'application/cbor' })
        response.end(Uint8Array.of(0x80))
      })
    }).on('connection', () => sockets++)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    connections = new Connections(
      { url: () => 'http://fdo.test', transport: () => inHere },
      outbound,
    )
    const target = targetOf({ ip: '127.0.0.1', owner_port: port, protocol: 'http' })
    for (let i = 0; i < 3; i++) {
      expect((await connections.to(target)(HELLO, undefined)).message.number).toBe(21)
    }
    expect(sockets).toBe(1)
    connections.close()
    server.close()
  })

  it('is over HTTP, too, where the service has no rendezvous of its own', async () => {
    connections = new Connections(undefined, outbound)
    const target = targetOf({ ip: '127.0.0.1', owner_port: 9, protocol: 'http' })
    await expect(connections.to(target)(HELLO, undefined)).rejects.toMatchObject({
      name: 'TransportError',
    })
  })

  it('does not lead to addresses behind us, whatever a voucher says', async () => {
    connections = new Connections(undefined, outbound)
    for (const directive of [{ ip: '169.254.169.254' }, { ip: '10.0.0.1', protocol: 'https' }]) {
      const target = targetOf({ protocol: 'http', ...directive })
      await expect(connections.to(target)(HELLO, undefined)).rejects.toMatchObject({
        name: 'TransportError',
        message: expect.stringMatching(/is a (link-local|private) address, and not called/),
      })
    }
  })

  it('is forgotten where it was gone longest ago, of very many', async () => {
    let open = 0
    const agentOf = (url: string) => {
      const agent = outbound.agent(url)
      const { destroy } = agent
      open++
      agent.destroy = () => {
        open--
        destroy.call(agent)
      }
      return agent
    }
    connections = new Connections(undefined, { agent: agentOf })
    const to = (port: number) =>
      connections.to(targetOf({ ip: '127.0.0.1', owner_port: port, protocol: 'http' }))
    const often = to(1)
    for (let port = 2; port <= 1_000; port++) {
      to(port)
      expect(to(1)).toBe(often)
    }
    expect(open).toBe(256)
    connections.close()
    expect(open).toBe(0)
  })
})

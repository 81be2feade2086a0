/** The token endpoint and the device API over real TLS on the loopback, and devices that call. */
import { AuditLog } from '../../src/audit/log.ts'
import type { KeyObject } from 'node:crypto'
import { Agent, request } from 'node:https'
import { TLSSocket } from 'node:tls'
import { getRequestListener } from '@hono/node-server'
import type { Bytes } from '../../protocol/bytes.ts'
import { certificatesToPem } from '../../protocol/x509/pem.ts'
import { MachineClients } from '../../src/callers/clients/service.ts'
import { RemoteKeys } from '../../src/callers/remote-documents.ts'
import { FakeClock } from '../../src/clock.ts'
import { openDatabase } from './database.ts'
import { createEvents } from '../../src/events.ts'
import { createApp } from '../../src/http/app.ts'
import { type Listening, listen } from '../../src/http/listen.ts'
import { silentLog } from '../../src/log.ts'
import { Parties } from '../../src/parties/service.ts'
import { Pki } from '../../src/pki/service.ts'
import type { DeviceFacts } from '../../src/tokens/clients.ts'
import { DeviceTokens } from '../../src/tokens/device-tokens.ts'
import { type DeviceApiServices, deviceApi } from '../../src/tokens/device-api/routes.ts'
import { namesOf } from '../../src/tokens/names.ts'
import { type OAuthServer, loadProvider } from '../../src/tokens/provider.ts'
import { type TokenServices, tokenRoutes } from '../../src/tokens/routes.ts'
import { type SigningKey, signingKeyOf } from '../../src/tokens/signing-key.ts'
import { type TestPki, memoryKeys, openTestPki } from './pki.ts'

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Record<string, unknown>
  /** The TLS session was one of an earlier connection. */
  readonly resumed: boolean
}

/** What a device has after TO2. */
export interface Identity {
  readonly privateKey: KeyObject
  readonly chain: readonly Bytes[]
}

export interface TokenWorld extends TestPki {
  readonly url: string
  readonly key: SigningKey
  /** Devices by id, and what their groups let them do. */
  readonly devices: Map<string, DeviceFacts>
  readonly issued: { readonly device: string; readonly scopes: string }[]
  readonly onboardingTokens: DeviceTokens
  readonly server: () => Promise<OAuthServer>
  send(path: string, options?: Sending): Promise<Answer>
  /** Asks for a token as the device does; the answer whatever it is. */
  askToken(deviceId: string, identity: Identity | undefined, form?: Form): Promise<Answer>
  /** The token, where there must be one. */
  token(deviceId: string, identity: Identity, form?: Form): Promise<string>
  close(): Promise<void>
}

type Form = Readonly<Record<string, string>>

interface Sending {
  readonly identity?: Identity | undefined
  readonly token?: string
  readonly form?: Form
  readonly headers?: Readonly<Record<string, string>>
  readonly agent?: Agent
}

export async function openTokenWorld(): Promise<TokenWorld> {
  // The OAuth server goes by the real time.
  const clock = new FakeClock(new Date())
  const database = await openDatabase(':memory:')
  const keys = memoryKeys()
  const test = await openTestPki({ database, keys, now: () => clock.now() })
  const devices = new Map<string, DeviceFacts>()
  const issued: { device: string; scopes: string }[] = []
  const key = signingKeyOf(await keys.signer('token-signing'))
  let url = ''
  const events = createEvents(silentLog)
  const audit = new AuditLog({ clock })
  const parties = await Parties.open({ database, clock, audit })
  const machines = new MachineClients({ database, clock, events, audit, parties })
  const addresses = { publicUrl: () => url, tlsUrl: () => url }
  const findDevice = async (id: string) => devices.get(id)
  let loaded: Promise<OAuthServer> | undefined
  const server = () =>
    (loaded ??= loadProvider({
      ...{ key, machines, findDevice, clock, names: namesOf(addresses), log: silentLog },
      keys: new RemoteKeys({ request: () => Promise.reject(new Error('offline')) }, clock),
      events: { ...events, accessTokenIssued: (facts) => void issued.push(facts) },
    }))
  const listening = await openListener(test.pki, {
    ...{ addresses, key, pki: test.pki, findDevice, server, clock },
    trustedProxies: { addresses: [] },
  })
  url = `https://localhost:${listening.port}`
  const send = sender(url, test.pki)
  const askToken: TokenWorld['askToken'] = (deviceId, identity, form = {}) =>
    send('/oauth/token', {
      identity,
      form: { grant_type: 'client_credentials', client_id: deviceId, ...form },
    })
  return {
    ...test,
    ...{ clock, url, key, devices, issued, send, askToken },
    server,
    onboardingTokens: new DeviceTokens({ addresses, findDevice, server }),
    async token(deviceId, identity, form) {
      const { status, body } = await askToken(deviceId, identity, form)
      if (status !== 200) throw new Error(`no token: ${JSON.stringify(body)}`)
      return String(body['access_token'])
    },
    async close() {
      await listening.close()
      await database.close()
    },
  }
}

async function openListener(
  pki: Pki,
  services: TokenServices & DeviceApiServices,
): Promise<Listening> {
  const app = createApp({
    ...services,
    log: silentLog,
    findPrincipal: async () => undefined,
    isReady: async () => true,
    metrics: { text: async () => '' },
    routes: [],
    others: [tokenRoutes(services), deviceApi(services)],
  })
  const handler = getRequestListener(app.fetch, { overrideGlobalObjects: false })
  const { key, chain } = await pki.issueServerCertificate(['localhost', '127.0.0.1'])
  const tls = { key, cert: certificatesToPem(chain) }
  return listen(handler, { hosts: ['127.0.0.1'], port: 0, tls })
}

function sender(url: string, pki: Pki) {
  const ca = certificatesToPem(pki.trustBundle())
  return (path: string, sending: Sending = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { identity, token, form, headers, agent = new Agent() } = sending
      const shown = identity && {
        key: identity.privateKey.export({ type: 'pkcs8', format: 'pem' }),
        cert: certificatesToPem(identity.chain),
      }
      const call = request(new URL(path, url), {
        method: form ? 'POST' : 'GET',
        ...shown,
        ...{ ca, agent, family: 4 },
        headers: {
          ...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...headers,
        },
      })
      call.on('error', reject)
      call.on('response', (response) => {
        const { socket } = response
        const resumed = socket instanceof TLSSocket && socket.isSessionReused()
        const parts: Buffer[] = []
        response.on('data', (part: Buffer) => parts.push(part))
        response.on('end', () => {
          const text = Buffer.concat(parts).toString()
          const body = JSON.parse(text === '' ? '{}' : text) as Record<string, unknown>
          const { statusCode: status = 0, headers } = response
          resolve({ status, headers, body, resumed })
        })
      })
      call.end(form && new URLSearchParams(form).toString())
    })
}

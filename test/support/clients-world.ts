/** A service on plain loopback, and a program that is registered there. */
import { expect } from 'vitest'
import {
  type Assertion,
  type Form,
  type ProgramKey,
  type TokenAnswer,
  askToken,
  assertionBy,
  programKey,
  withAssertion,
} from './callers.ts'
import { type ApiAnswer, type TestService, startTestService } from './service.ts'

export interface Made {
  readonly client_id: string
  readonly client_secret?: string
}

export interface ClientsWorld extends TestService {
  readonly issuer: string
  readonly key: ProgramKey
  /** The program that asks for tokens. */
  readonly clientId: string
  call(method: string, path: string, json?: unknown, token?: string): Promise<ApiAnswer>
  register(auth: object, scopes?: readonly string[], token?: string): Promise<Made>
  /** Registers a program that asks from now on. */
  become(auth: object, scopes?: readonly string[], token?: string): Promise<void>
  ask(assertion?: Assertion, form?: Form, by?: ProgramKey): Promise<TokenAnswer>
  tokenOf(form?: Form): Promise<string>
}

export async function openClientsWorld(): Promise<ClientsWorld> {
  const service = await startTestService()
  const issuer = service.service.http ?? ''
  const key = await programKey()
  let clientId = ''
  const call: ClientsWorld['call'] = (method, path, json, token) =>
    service.api(method, `/api/v1${path}`, {
      ...(token !== undefined && { token }),
      ...(json !== undefined && { json }),
    })
  const register: ClientsWorld['register'] = async (auth, scopes = ['voucher:read'], token) => {
    const { status, json } = await call('POST', '/clients', { name: 'erp', scopes, auth }, token)
    expect(status, JSON.stringify(json)).toBe(201)
    return json as Made
  }
  const ask: ClientsWorld['ask'] = async (assertion = {}, form = {}, by = key) => {
    const text = await assertionBy(by, clientId, issuer, assertion)
    return askToken(service, { ...withAssertion(text), ...form })
  }
  return {
    ...service,
    ...{ issuer, key, call, register, ask },
    get clientId() {
      return clientId
    },
    async become(...wanted) {
      clientId = (await register(...wanted)).client_id
    },
    async tokenOf(form = {}) {
      const { status, body } = await ask({}, form)
      expect(status, JSON.stringify(body)).toBe(200)
      return String(body['access_token'])
    },
  }
}

/** Devices as they come off a line, and the orders they are made to, against a whole service. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { type FdoTransport, converse } from '../../protocol/converse.ts'
import type { DeviceCredential } from '../../protocol/credential/device-credential.ts'
import type { PkEnc, PkType } from '../../protocol/crypto/public-key.ts'
import { type Signer, signerOf } from '../../protocol/crypto/signer.ts'
import { beginDi, diDevice } from '../../protocol/di/device.ts'
import { buildCsr } from '../../protocol/x509/build-csr.ts'
import { type HttpTransportOptions, httpTransport } from '../../src/fdo/client.ts'
import type { ApiOptions, TestService } from './service.ts'

/** Nobody gets in but by a station. */
export const CLOSED_DOOR = { FIRSTLIGHT_DI_ALLOW: '192.0.2.0/24' }

export const newDevice = (): Signer =>
  signerOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)

export interface Wish {
  readonly signer?: Signer
  readonly serial?: string
  readonly model?: string
  readonly keyType?: PkType
  readonly keyEncoding?: PkEnc
  readonly http?: HttpTransportOptions
  /** Puts itself between the device and the service. */
  readonly through?: (send: FdoTransport) => FdoTransport
}

/** DI against this base URL; the credential the device ends up with. */
export async function makeAt(url: string, wish: Wish = {}): Promise<DeviceCredential> {
  const { signer = newDevice(), serial = 'SN-1', model = 'M1', through = (send) => send } = wish
  const { keyType = 10, keyEncoding = 1 } = wish
  const csr = await buildCsr(signer, 'device')
  const info = { keyType, keyEncoding, serial, deviceInfo: model, csr }
  const context = { info, hmacSecret: randomBytes(32) }
  const client = httpTransport(url, wish.http)
  try {
    const [made] = await converse({
      role: diDevice,
      first: beginDi(context),
      context,
      transport: through(client.send),
      now: () => new Date(),
    })
    if (!made) throw new Error('DI ended without a credential')
    return made.credential
  } finally {
    client.close()
  }
}

/** What a device that was refused has been told. */
export const refusal = (previousMessage = 10) => ({
  name: 'PeerRefusal',
  peerError: { code: 101, previousMessage },
})

/** The calls of an administrator of a party. */
export function officeOf({ api }: Pick<TestService, 'api'>, token?: string) {
  const call = async <T>(method: string, path: string, options: ApiOptions = {}) => {
    const who = token === undefined ? {} : { token }
    const { status, json, body } = await api(method, `/api/v1${path}`, { ...who, ...options })
    return { status, json: json as T, text: body.toString() }
  }
  const must = async <T>(method: string, path: string, json?: unknown): Promise<T> => {
    const answer = await call<T>(method, path, json === undefined ? {} : { json })
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.text}`)
    return answer.json
  }
  let names = 0
  return {
    call,
    must,
    addStation: (more: object = { secret: true }) =>
      must<{ id: string; di_url: string }>('POST', '/stations', {
        ...{ name: `station ${++names}` },
        ...more,
      }),
    async draft(more: object = {}) {
      const order = { name: `order ${++names}`, quantity: 1, expires_at: '2999-01-01T00:00:00Z' }
      return must<OrderJson>('POST', '/orders', { ...order, ...more })
    },
    async open(more: object = {}, force = false) {
      const { id } = await this.draft(more)
      return must<OrderJson>('POST', `/orders/${id}/open`, { force })
    },
    order: (id: string) => must<OrderJson>('GET', `/orders/${id}`),
    async devices(id: string) {
      return (await must<{ items: DeviceJson[] }>('GET', `/orders/${id}/devices`)).items
    },
    async vouchers() {
      return (await must<{ items: VoucherJson[] }>('GET', '/vouchers?limit=500')).items
    },
  }
}

export interface OrderJson {
  readonly id: string
  readonly state: string
  readonly made: number
  readonly trial: { ok: boolean; addresses: { url: string; as: string; ok: boolean }[] } | null
}

export interface DeviceJson {
  readonly number: number
  readonly serial: string
  readonly guid: string
  readonly device_id: string
  readonly voucher_state: string | null
  readonly label: string
}

interface VoucherJson {
  readonly guid: string
  readonly state: string
  readonly entries: number
}

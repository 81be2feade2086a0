/** Webhooks over an audit log in memory, and a receiver that answers as it is told. */
import type { Principal } from '../../src/http/authenticate.ts'
import { permissionsOf } from '../../src/http/permissions.ts'
import { silentLog } from '../../src/log.ts'
import { Sealer } from '../../src/secrets/seal.ts'
import { Deliveries } from '../../src/webhooks/deliveries.ts'
import type { OutboundCall, OutboundCalls } from '../../src/webhooks/outbound.ts'
import { webhookRoutes } from '../../src/webhooks/routes.ts'
import { Webhooks } from '../../src/webhooks/service.ts'
import { type ApiAnswer, AuditWorld, type CallOptions, callApi } from './audit-world.ts'

export const RECEIVER = 'https://hooks.example/in?key=hidden'

export class OutboundFailure extends Error {
  override readonly name = 'OutboundFailure'
}

/** Refuses one address; answers others as `answer` says. */
export class Receiver implements OutboundCalls {
  readonly calls: { url: string; call: OutboundCall }[] = []
  answer: (call: OutboundCall) => Promise<number> | number = () => 204

  async check(url: string): Promise<void> {
    if (new URL(url).hostname === '10.0.0.1') throw new OutboundFailure('10.0.0.1 is private')
  }

  async request(url: string, call: OutboundCall) {
    await this.check(url)
    this.calls.push({ url, call })
    return { status: await this.answer(call) }
  }

  get bodies(): any[] {
    return this.calls.map(({ call }) => JSON.parse(call.body))
  }

  /** The numbers of the entries it was told of. */
  get seqs(): number[] {
    return this.bodies.map(({ data }) => data.seq)
  }
}

export class WebhookWorld {
  readonly log: AuditWorld
  readonly receiver = new Receiver()
  readonly webhooks: Webhooks
  readonly deliveries: Deliveries
  readonly suspended = new Set<string>()
  chance = 0.5

  static async open(path = ':memory:', outbound?: OutboundCalls): Promise<WebhookWorld> {
    return new WebhookWorld(await AuditWorld.open(path), outbound)
  }

  readonly lease = { isHeld: true }

  private constructor(log: AuditWorld, outbound?: OutboundCalls) {
    this.log = log
    const { database, clock, audit } = log
    const services = { database, clock, audit, outbound: outbound ?? this.receiver }
    this.webhooks = new Webhooks({ ...services, sealer: new Sealer(new Uint8Array(32)) })
    this.deliveries = new Deliveries({
      ...services,
      log: silentLog,
      webhooks: this.webhooks,
      parties: { isActive: async (id) => !this.suspended.has(id) },
      lease: this.lease,
      random: () => this.chance,
    })
  }

  call(method: string, path: string, options: CallOptions = {}): Promise<ApiAnswer> {
    return callApi(webhookRoutes(this.webhooks), this.log.clock, { method, path, ...options })
  }

  async add(json: object = { url: RECEIVER }, options: CallOptions = {}): Promise<any> {
    return (await this.call('POST', '/webhooks', { json, ...options })).json
  }

  /** Everything that is due, to its end. */
  async deliver(): Promise<void> {
    await this.deliveries.begin()
    await this.deliveries.idle()
  }
}

export function principalOf(party: string): Principal {
  const permissions = permissionsOf(['admin']) ?? new Set()
  return { id: 'fdoa_1', name: 'test', kind: 'token', party, permissions }
}

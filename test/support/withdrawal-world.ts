/** An owner and a rendezvous: what is registered there, and how that is taken back. */
import { createHash } from 'node:crypto'
import { type Bytes, concat } from '../../protocol/bytes.ts'
import type { FdoTransport } from '../../protocol/converse.ts'
import { SHA256, hashOf } from '../../protocol/crypto/hash.ts'
import { rendezvousInfoFromText } from '../../protocol/types/rendezvous-text.ts'
import { to2AddressesFromText } from '../../protocol/types/to2-address.ts'
import { AuditLog } from '../../src/audit/log.ts'
import { HOME_PARTY } from '../../src/database/tables.ts'
import { createEvents } from '../../src/events.ts'
import { Problem } from '../../src/http/problem.ts'
import { silentLog } from '../../src/log.ts'
import { Register } from '../../src/onboarding/register/register.ts'
import { openRendezvous } from '../../src/rendezvous/assembly.ts'
import { transportTo } from './mounted.ts'
import { openTestPki, p256 } from './pki.ts'
import { quiet } from './quiet.ts'
import { guid, guidText, openVoucherWorld } from './voucher-world.ts'
import { makeVoucher, partsOf } from './vouchers.ts'

export const TESTER = { id: 'tok_1', party: HOME_PARTY }
export const URL_THERE = 'http://rv.test:80'
const DIRECTIVES = [{ dns: 'rv.test', owner_port: 80, dev_port: 80, protocol: 'http' }]
const parts = partsOf()
/** Whom devices are sold to. */
export const buyer = parts.publicKeys[2]!

export class WithdrawalWorld {
  readonly world: Awaited<ReturnType<typeof openVoucherWorld>>
  readonly rendezvous: ReturnType<typeof openRendezvous>
  readonly #pki: Awaited<ReturnType<typeof openTestPki>>['pki']
  register!: Register
  /** What the rendezvous is asked beside TO0, and how it answers if not as it should. */
  readonly asked: string[] = []
  answer: ((url: string) => Promise<number>) | undefined
  /** The messages of TO0, and what comes before one goes out. */
  readonly sent: number[] = []
  before: (number: number) => Promise<unknown> = async () => {}

  private constructor(
    world: WithdrawalWorld['world'],
    pki: Awaited<ReturnType<typeof openTestPki>>['pki'],
  ) {
    this.world = world
    this.#pki = pki
    this.rendezvous = openRendezvous({
      ...{ ...world, events: createEvents(silentLog), urls: () => [URL_THERE] },
      randomBytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
      deviceAnchors: () => undefined,
    })
  }

  static async make(): Promise<WithdrawalWorld> {
    const { pki } = await openTestPki()
    return new WithdrawalWorld(await openVoucherWorld({ owners: parts.signers.slice(0, 2) }), pki)
  }

  /** The register begins; the rendezvous is of its own installation, or of another. */
  async open(where: 'here' | 'elsewhere'): Promise<void> {
    const { world, rendezvous } = this
    const transport = transportTo(rendezvous.roles, world.database)
    const connected: FdoTransport = async (message, authorization) => {
      this.sent.push(message.number)
      await this.before(message.number)
      return transport(message, authorization)
    }
    const fingerprintOf = (spki: Bytes) => createHash('sha256').update(spki).digest('hex')
    this.register = new Register({
      ...{ ...world, log: silentLog, audit: new AuditLog(world), events: createEvents(silentLog) },
      random: () => 0.5,
      askedSeconds: 7 * 86_400,
      ownerAddresses: {
        value: async () => to2AddressesFromText([{ dns: 'o.test', port: 80, protocol: 'http' }]),
        onChange: () => {},
      },
      connect: () => connected,
      here:
        where === 'elsewhere'
          ? undefined
          : {
              isAt: (url) => url === URL_THERE,
              withdraw: (tx, one) => rendezvous.registrations.withdrawOf(tx, one),
            },
      findOwnerSigner: async (_party, fingerprint) =>
        world.owners.find(({ key }) => fingerprintOf(key.spki) === fingerprint),
      ask: (url, request) => this.#ask(url, request),
    })
    world.ledger.watch(this.register)
    await this.register.start()
  }

  /** As the route does. */
  async #ask(url: string, request: Bytes): Promise<number> {
    this.asked.push(url)
    if (this.answer) return this.answer(url)
    try {
      await this.rendezvous.registrations.withdrawOwn(request)
      return 204
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      return error.code === 'not-found' ? 404 : error.code === 'conflict' ? 409 : 400
    }
  }

  quiet(): Promise<void> {
    return quiet()
  }

  /** Another device is made, and its voucher ours. */
  async hold(byte = 0xa1): Promise<void> {
    const birth = { serial: String(byte), spki: p256().spki }
    const chain = await this.#pki.issueDeviceCertificate(birth)
    const header = {
      guid: guid(byte),
      rvInfo: rendezvousInfoFromText(DIRECTIVES),
      deviceCertChainHash: hashOf(SHA256, concat(...chain)),
    }
    await this.world.make(await makeVoucher({ ...parts, chain }, { header }))
    await this.quiet()
  }

  async isLive(): Promise<boolean> {
    const { registrations } = this.rendezvous
    const row = await registrations.find(guidText(0xa1)).catch(() => undefined)
    return row !== undefined && registrations.isLive(row)
  }

  jobs() {
    return this.world.database.db.selectFrom('to0_job').selectAll().orderBy('guid').execute()
  }

  sell(): Promise<unknown> {
    return this.world.desk.sell(TESTER, { guid: guidText(0xa1), to: buyer })
  }

  remove(): Promise<void> {
    return this.world.desk.delete(guidText(0xa1), TESTER)
  }

  /** The voucher comes back, and goes while the rendezvous is told of it. */
  async removeWhileRegistered(): Promise<void> {
    const restored = this.world.desk.restore(guidText(0xa1), TESTER)
    this.before = async (number) => {
      if (number !== 22) return
      await restored
      await this.remove()
    }
    await restored
    await this.quiet()
  }

  async deviceId(): Promise<string> {
    const [device] = await this.world.devices.list({ party: HOME_PARTY, limit: 1 })
    return device!.id
  }

  async finishTo2(): Promise<void> {
    await this.replace()
    await this.quiet()
  }

  /** As TO2 does at its end. */
  async replace(): Promise<void> {
    const { database, devices, vouchers } = this.world
    const deviceId = await this.deviceId()
    const voucher = await makeVoucher(parts, { sales: 0, header: { guid: guid(0xb1) } })
    const replacement = { guid: guid(0xb1), voucher: voucher.bytes }
    await database.commit(async (tx) => {
      await devices.moveDevice(tx, { id: deviceId, move: 'onboarding' })
      const run = { guid: guid(0xa1), deviceId, revision: '1', replacement }
      await vouchers.replaceAfterTo2(tx, run)
    })
  }

  async close(): Promise<void> {
    await this.register.stop()
    await this.world.database.close()
  }
}

/**
 * Vouchers of what a line has made: each alone is taken in and counted, in one transaction, or
 * refused. A line brings them as often as it takes: what is here already changes nothing.
 */
import { type Bytes, equalBytes } from '../../../../protocol/bytes.ts'
import { sameKey } from '../../../../protocol/crypto/public-key.ts'
import { FdoError } from '../../../../protocol/errors.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import { type Voucher, ownerKeyOf } from '../../../../protocol/voucher/voucher.ts'
import { spkiOfCertificate } from '../../../../protocol/x509/certificate.ts'
import type { AuditLog } from '../../../audit/log.ts'
import type { Clock } from '../../../clock.ts'
import type { Executor } from '../../../database/connection.ts'
import type { Database } from '../../../database/open.ts'
import type { Events } from '../../../events.ts'
import type { GenuineVoucher, Verdict } from '../../../vouchers/admission.ts'
import { isRefusal } from '../../../vouchers/admission.ts'
import { IntakeRefused } from '../../../vouchers/intake.ts'
import type { MadeVoucher } from '../../../vouchers/service.ts'
import { firstOwnerFromPem } from '../../first-owner.ts'
import { type IntakeServices, checkSerial } from '../../intake.ts'
import type { FirstOwnerRule } from '../../orders/first-owner-rules.ts'
import { type OrderRow, findOrder, insertDevice, updateDevice } from '../../orders/store.ts'
import { deviceDetail } from '../../orders/told.ts'
import type { Actor } from '../../stations/service.ts'
import type { Shares } from './service.ts'
import * as store from './store.ts'
import type { ShareRow } from './store.ts'

export interface HandOverServices extends Pick<IntakeServices, 'findSerial'> {
  readonly database: Database
  readonly clock: Clock
  readonly events: Pick<Events, 'deviceManufactured'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly shares: Pick<Shares, 'find'>
  readonly vouchers: {
    voucherMade(tx: Executor, made: MadeVoucher): Promise<void>
  }
  readonly brought: {
    verify(party: string, encoded: Bytes): Promise<Verdict>
    admit(
      tx: Executor,
      genuine: GenuineVoucher,
    ): Promise<'new' | 'same' | { readonly check: string; readonly detail: string }>
  }
}

/** A device as its line tells of it. */
export interface BroughtDevice {
  readonly voucher: Bytes
  readonly serial: string
  readonly label: string
  readonly station: string | null
  readonly madeAt: Date
}

export interface BroughtResult {
  readonly guid: string | null
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
}

/** A refusal that undoes what was done before it. */
class Refused extends Error {
  readonly check: string

  constructor(check: string, detail: string) {
    super(detail)
    this.check = check
  }
}

const MOST_AT_ONCE = 16

export class HandOver {
  readonly #services: HandOverServices

  constructor(services: HandOverServices) {
    this.#services = services
  }

  /**
   * A result for each, in their order, which is also that in which they are counted. Throws not-found
   * for a share that is not there.
   */
  async take(
    shareId: string,
    devices: readonly BroughtDevice[],
    actor: Actor,
  ): Promise<BroughtResult[]> {
    const share = await this.#services.shares.find(actor.party, shareId)
    const results: BroughtResult[] = []
    for (let i = 0; i < devices.length; i += MOST_AT_ONCE) {
      const some = devices.slice(i, i + MOST_AT_ONCE)
      const judged = await Promise.all(
        some.map(async (device): Promise<Judged> => {
          const verdict = await this.#services.brought.verify(share.party, device.voucher)
          return { device, verdict, by: actor.id }
        }),
      )
      // All count the same order: at once they would only collide, and be numbered by chance.
      for (const one of judged) results.push(await this.#takeOne(share, one))
    }
    return results
  }

  async #takeOne(
    share: ShareRow,
    { device, verdict: genuine, by }: Judged,
  ): Promise<BroughtResult> {
    if (isRefusal(genuine)) return { ok: false, ...genuine }
    const { database, events } = this.#services
    const { guid, deviceId, party } = genuine
    try {
      const isNew = await database.commit(
        (tx) => this.#settle(tx, { share: share.id, device, genuine, by }),
        { durable: true },
      )
      const { serial } = device
      if (isNew)
        events.deviceManufactured({ guid, device: deviceId, serial, order: share.order_id })
      return { guid, ok: true, check: null, detail: isNew ? null : 'held already' }
    } catch (error) {
      return { guid, ok: false, ...refusalOf(error, party) }
    }
  }

  /** False where all of it is here already. */
  async #settle(tx: Executor, { share: id, device, genuine, by }: Delivery): Promise<boolean> {
    const { vouchers, brought, audit, clock } = this.#services
    const { party, guid, deviceId, voucher } = genuine
    const share = await store.findShare.first(tx, { party, id })
    const order = share && (await findOrder.first(tx, { party, id: share.order_id }))
    if (!share || !order) throw new Refused('share', `there is no share ${id} any more`)
    const known = await store.findMade.first(tx, { orderId: order.id, deviceId })
    const admission = await brought.admit(tx, genuine)
    if (isRefusal(admission)) throw new Refused(admission.check, admission.detail)
    if (known && admission === 'same') return false
    await checkFits(voucher, share, order)
    // By the clock of the line, which may be ahead: what is made anew later must not look older.
    const made_at = new Date(Math.min(device.madeAt.getTime(), clock.now().getTime())).toISOString()
    if (known && known.made_at > made_at) {
      throw new Refused('superseded', `the device has been made anew as ${known.guid}`)
    }
    const number = await countOne(tx, share, known)
    const { serial, label, station } = device
    const row = {
      ...{ order_id: order.id, device_id: deviceId, guid, serial, made_at },
      ...{ model: voucher.header.value.deviceInfo, station, label, share: id },
    }
    if (known) await updateDevice.first(tx, row)
    else await insertDevice.run(tx, { ...row, number })
    const detail = { ...deviceDetail(order, { ...row, number }), share: id }
    if (admission === 'same') {
      const subject = { guid, device: deviceId }
      await audit.append(tx, { party, type: 'order-device-counted', by, subject, detail })
      return true
    }
    const deviceKey = keyOf(voucher)
    if (order.unique_serials === 1) {
      await checkSerial(this.#services, { party, serial, deviceKey }, tx)
    }
    const { guid: guidBytes, deviceInfo } = voucher.header.value
    const made = { party, guid: guidBytes, serial, deviceInfo, deviceKey, voucher: voucher.bytes }
    await vouchers.voucherMade(tx, { ...made, by, detail })
    return true
  }
}

interface Judged {
  readonly device: BroughtDevice
  readonly verdict: Verdict
  readonly by: string
}

interface Delivery {
  readonly share: string
  readonly device: BroughtDevice
  readonly genuine: GenuineVoucher
  readonly by: string
}

type Known = Awaited<ReturnType<typeof store.findMade.first>>

/** A device counts once for its order, and once for the line that made it. Gives its number. */
async function countOne(tx: Executor, share: ShareRow, known: Known): Promise<number> {
  const { party, id, order_id, quantity } = share
  if (known && known.share === id) return known.number
  const counted = await store.countShare.first(tx, { party, id })
  const order = { party, id: order_id, made: known ? 0 : 1 }
  const made = counted && (await store.countReserved.first(tx, order))
  if (!made) throw new Refused('share-full', `all that the line made of its ${quantity} are here`)
  return known?.number ?? made.made
}

/** Throws Refused for a voucher that the order could not have led to. */
async function checkFits(voucher: Voucher, share: ShareRow, order: OrderRow): Promise<void> {
  const { rvInfo, deviceInfo, publicKey } = voucher.header.value
  if (order.model !== null && order.model !== deviceInfo) {
    throw new Refused('other-model', `the order is for ${order.model}, not for ${deviceInfo}`)
  }
  const ordered = rendezvousInfoFromText(JSON.parse(order.rendezvous_info))
  if (!equalBytes(ordered.bytes, rvInfo.bytes)) {
    throw new Refused('other-rendezvous', 'it has other rendezvous info than the order')
  }
  const rules = JSON.parse(share.first_owner) as FirstOwnerRule[]
  const rule = rules.find(({ model }) => model === undefined || model === deviceInfo)
  if (!rule) throw new Refused('other-model', `no rule says who is to own a ${deviceInfo}`)
  const wanted = rule.to === 'none' ? 0 : 1
  if (voucher.entries.length !== wanted) {
    throw new Refused('other-owner', `${voucher.entries.length} entries: the order has ${wanted}`)
  }
  if (wanted === 0) return
  const owner = await firstOwnerFromPem(rule.to)(publicKey.value.key.kind)
  if (owner && sameKey(owner.key, ownerKeyOf(voucher).value.key)) return
  throw new Refused('other-owner', 'it is not sold to whom the order says')
}

/** Of a voucher that has been verified. */
function keyOf({ deviceCertChain }: Voucher): Bytes {
  return spkiOfCertificate(deviceCertChain?.[0] ?? new Uint8Array(0))
}

function refusalOf(error: unknown, party: string): { check: string; detail: string } {
  if (error instanceof Refused) return { check: error.check, detail: error.message }
  // By the party that it is sold to.
  if (error instanceof IntakeRefused) return error.refusal
  if (error instanceof FdoError) return { check: 'serial', detail: `${party}: ${error.message}` }
  throw error
}

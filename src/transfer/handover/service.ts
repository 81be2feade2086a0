/**
 * Vouchers extended to who gets them next, many at a time, each alone: one that is refused stays as
 * it is. What is to be pushed is queued in the transaction that extends it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { PublicKey } from '../../../protocol/crypto/public-key.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Partner, Partners } from '../partners/service.ts'
import type { PartyPort, SalePort, Sellable, Sold } from '../ports.ts'
import type { PushService } from '../push/service.ts'
import { hashOf } from '../secret.ts'
import { type KeyWish, type Receiver, keyOfPartner, nameOfKind, refused } from './receiver.ts'

export interface HandoverServices {
  readonly database: Pick<Database, 'commit'>
  readonly partners: Pick<Partners, 'find' | 'findCalled' | 'findByKey'>
  readonly pushes: Pick<PushService, 'enqueue'>
  readonly sales: SalePort
  readonly parties: PartyPort
}

/** Who hands over, and for whom. */
export interface Giver {
  readonly id: string
  readonly party: string
}

export interface HandoverResult {
  readonly guid: string
  readonly ok: boolean
  readonly check: string | null
  readonly detail: string | null
  /** Of the push, where there is one. */
  readonly transfer: string | null
}

const MOST_AT_ONCE = 16

export class Handover {
  readonly #services: HandoverServices

  constructor(services: HandoverServices) {
    this.#services = services
  }

  /** By id or name. Throws not-found, and conflict for oneself. */
  async findReceiver(
    party: string,
    called: { readonly partner: string } | { readonly party: string },
  ): Promise<Receiver> {
    const { partners, parties } = this.#services
    if ('partner' in called) {
      return { kind: 'partner', partner: await partners.findCalled(party, called.partner) }
    }
    const found = await parties.find(called.party)
    if (!found) throw new Problem('not-found', `there is no party ${called.party}`)
    if (found.id === party) throw new Problem('conflict', 'these vouchers are yours already')
    return { kind: 'party', ...found }
  }

  /** Each GUID once, in the order given. A repeat gives what it gave before. */
  async hand(
    giver: Giver,
    receiver: Receiver,
    guids: readonly string[],
    wish: KeyWish = {},
  ): Promise<HandoverResult[]> {
    const each = [...new Set(guids)]
    const results: HandoverResult[] = []
    for (let i = 0; i < each.length; i += MOST_AT_ONCE) {
      const some = each.slice(i, i + MOST_AT_ONCE)
      results.push(
        ...(await Promise.all(some.map((guid) => this.#handOne(giver, receiver, guid, wish)))),
      )
      // Devices are waiting, too.
      await nextTurn()
    }
    return results
  }

  /**
   * The key a voucher goes to. Throws a Problem where the receiver has none that fits, or nobody has
   * proven to hold it.
   */
  async keyFor(receiver: Receiver, first: PublicKey, wish: KeyWish = {}): Promise<PublicKey> {
    if (receiver.kind === 'partner') return keyOfPartner(receiver.partner, first, wish)
    const { kind } = first.key
    const key = await this.#services.parties.keyOf(receiver.id, kind)
    if (key) return key
    throw refused('no-key-of-kind', `${receiver.name} has no ${nameOfKind(kind)} key`)
  }

  async #handOne(
    giver: Giver,
    receiver: Receiver,
    guid: string,
    wish: KeyWish,
  ): Promise<HandoverResult> {
    try {
      const voucher = await this.#services.sales.find(giver.party, guid)
      if (!voucher) throw new Problem('not-found', `there is no voucher ${guid}`)
      const wasHanded = voucher.state === 'handed-over' && (await this.#has(receiver, voucher))
      if (wasHanded) return await this.#repeated(giver, receiver, voucher)
      if (voucher.state !== 'held') throw refused('not-held', `this voucher is ${voucher.state}`)
      return await this.#sell(giver, receiver, voucher, wish)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      const { check = error.code } = error.members
      return { guid, ok: false, check: String(check), detail: error.message, transfer: null }
    }
  }

  async #has(receiver: Receiver, { ownerKey }: Sellable): Promise<boolean> {
    if (receiver.kind === 'party') return this.#services.parties.holds(receiver.id, ownerKey)
    return receiver.partner.keys.some(({ spki }) => hashOf(spki) === ownerKey)
  }

  /** Its push may be missing: the partner had no address then, or the sale was made otherwise. */
  async #repeated(giver: Giver, receiver: Receiver, voucher: Sellable): Promise<HandoverResult> {
    const { guid } = voucher
    const transfer =
      receiver.kind === 'party'
        ? null
        : await this.#services.database.commit((tx) =>
            this.#enqueue(tx, giver.party, receiver.partner, voucher),
          )
    return { guid, ok: true, check: null, detail: 'handed over already', transfer }
  }

  async #sell(
    giver: Giver,
    receiver: Receiver,
    voucher: Sellable,
    wish: KeyWish,
  ): Promise<HandoverResult> {
    const { guid } = voucher
    const to = await this.keyFor(receiver, voucher.manufacturerKey, wish)
    let transfer: string | null = null
    await this.#services.sales.sell(giver, {
      ...{ guid, to, receiver: receiver.kind === 'party' ? receiver.id : undefined },
      alongside: async (tx, sold) => {
        if (receiver.kind === 'party') return
        await this.#checkKey(tx, giver.party, receiver.partner, sold, wish)
        transfer = await this.#enqueue(tx, giver.party, receiver.partner, sold)
      },
    })
    return { guid, ok: true, check: null, detail: null, transfer }
  }

  /** Once more, where nothing can come between: what is extended stays so. */
  async #checkKey(
    tx: Executor,
    party: string,
    { id, name }: Partner,
    { ownerKey }: Sold,
    { unproven = false }: KeyWish,
  ): Promise<void> {
    const now = await this.#services.partners.findByKey(party, ownerKey, tx)
    if (now?.id === id && (now.proven_at !== null || unproven)) return
    throw refused('key-changed', `the keys of ${name} have changed meanwhile: try again`)
  }

  async #enqueue(
    tx: Executor,
    party: string,
    { id: partner, push_url }: Partner,
    { guid, voucherHash }: Sold,
  ): Promise<string | null> {
    if (push_url === null) return null
    return this.#services.pushes.enqueue(tx, { party, partner, guid, voucherHash })
  }
}

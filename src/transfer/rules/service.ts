/**
 * Rules: every voucher of a model goes to the same partner or party, as soon as it is there. Each
 * minute, and at once where something was made or imported, what is held is handed over by them.
 */
import type { PublicKey } from '../../../protocol/crypto/public-key.ts'
import { type AuditLog, brief } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import { type Executor, afterCommit } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Lease } from '../../leases/leases.ts'
import type { Log } from '../../log.ts'
import type { Receiver } from '../handover/receiver.ts'
import type { Handover } from '../handover/service.ts'
import type { Actor, Partners } from '../partners/service.ts'
import type { PartyPort } from '../ports.ts'
import { newId } from '../secret.ts'
import { Sweep, ruleFor } from './sweep.ts'
import * as store from './store.ts'
import type { RuleRow } from './store.ts'
import { NAME_PREFIXES } from '../../prefixes.ts'

export interface RulesServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly log: Log
  readonly handover: Pick<Handover, 'findReceiver' | 'hand' | 'keyFor'>
  readonly partners: Pick<Partners, 'find' | 'onChange' | 'onRemoval'>
  readonly parties: Pick<PartyPort, 'findById' | 'isActive'>
  readonly lease?: Pick<Lease, 'isHeld'> | undefined
}

export interface Rule extends RuleRow {
  /** What the receiving party is called; null for a partner, or a party nobody may act for. */
  readonly to_party_name: string | null
}

type Called = Parameters<Handover['findReceiver']>[1]

const MOST_OF_A_PARTY = 500

export class Rules {
  readonly #services: RulesServices
  readonly #sweep: Sweep
  /** Of all parties. */
  #all: readonly RuleRow[] = []
  #readAt = -1

  constructor(services: RulesServices) {
    this.#services = services
    this.#sweep = new Sweep({
      ...services,
      rules: () => this.#read(),
      receiverOf: (rule) => this.#receiverOf(rule),
    })
    services.partners.onRemoval((tx, partner) => refuseRemoval(tx, partner))
    services.partners.onChange(async (tx, partner, party) => {
      await store.removeRefusalsTo(tx, partner)
      afterCommit(tx, () => this.wake(party))
    })
  }

  start(): void {
    this.#sweep.start()
  }

  stop(): Promise<void> {
    return this.#sweep.stop()
  }

  /** All that this party has may be handed over now: a rule is new, or a key. */
  wake(party: string): void {
    this.#sweep.wake(party)
  }

  /** This party has a voucher that was not there before, or will once it is committed. */
  wakeFor(party: string, guid: string): void {
    if (this.#hasNone()) return
    this.#sweep.wakeFor(party, guid)
  }

  /** As far as was read last: what comes while the first rule is made, that rule looks for. */
  #hasNone(): boolean {
    return this.#readAt === this.#services.database.changesOf('transfer_rule') && !this.#all.length
  }

  /** Throws conflict where there is a rule about this model. */
  async create(by: Actor, model: string | null, to: Called): Promise<Rule> {
    const { database, clock, handover, audit } = this.#services
    const { party } = by
    const receiver = await handover.findReceiver(party, to)
    const row = {
      ...{ id: newId(NAME_PREFIXES.transferRule), party, model, last_error: null },
      partner: receiver.kind === 'partner' ? receiver.partner.id : null,
      to_party: receiver.kind === 'party' ? receiver.id : null,
      created_at: clock.now().toISOString(),
    }
    const { id, partner, to_party } = row
    const detail = { model: model && brief(model), partner, to_party }
    const add = async (tx: Executor) => {
      await addTo(tx, row)
      const about = { by: by.id, subject: { id }, detail }
      await audit.append(tx, { party, type: 'transfer-rule-added', ...about })
    }
    await database.commit(add, { durable: true })
    this.wake(party)
    return this.#named(row)
  }

  /** In the order of their ids. */
  async list(party: string, limit: number, after = ''): Promise<Rule[]> {
    const rows = await store.listRules.all(this.#services.database.db, { party, limit, after })
    return Promise.all(rows.map((row) => this.#named(row)))
  }

  /** Throws not-found. */
  async find(party: string, id: string): Promise<Rule> {
    const row = await store.findRule.first(this.#services.database.db, { party, id })
    return row ? this.#named(row) : notFound(id)
  }

  /** Throws not-found. What it has handed over stays so. */
  async remove({ party, id: by }: Actor, id: string): Promise<void> {
    const { database, audit } = this.#services
    await database.commit(async (tx) => {
      if ((await store.removeRule.run(tx, { party, id })) === 0) notFound(id)
      await store.removeRefusals.run(tx, { rule: id })
      await audit.append(tx, { party, type: 'transfer-rule-removed', by, subject: { id } })
    })
    this.wake(party)
  }

  /**
   * Who a device of this model is sold to as it is made. Undefined: no rule is about it. Null: one is,
   * and the device stays ours for the moment: what is to be pushed, or goes to a party here, is
   * handed over once it is there, together with that.
   */
  async firstOwner(
    party: string,
    manufacturerKey: PublicKey,
    model: string,
  ): Promise<PublicKey | null | undefined> {
    const ours = (await this.#read()).filter((rule) => rule.party === party)
    const rule = ruleFor(ours, model)
    if (!rule) return undefined
    try {
      const receiver = await this.#receiverOf(rule)
      if (receiver.kind === 'party' || receiver.partner.push_url !== null) return null
      return await this.#services.handover.keyFor(receiver, manufacturerKey)
    } catch (error) {
      if (!(error instanceof Problem)) throw error
      this.#services.log.warn({ rule: rule.id, reason: error.message }, 'a device stays here')
      return null
    }
  }

  /** Asked for at every DI: read again only when it has changed. */
  async #read(): Promise<readonly RuleRow[]> {
    const { database } = this.#services
    const readAt = database.changesOf('transfer_rule')
    if (readAt !== this.#readAt) {
      this.#all = await store.listAllRules.all(database.db, {})
      this.#readAt = readAt
    }
    return this.#all
  }

  async #receiverOf({ party, partner, to_party }: RuleRow): Promise<Receiver> {
    const { partners, parties } = this.#services
    if (partner !== null) return { kind: 'partner', partner: await partners.find(party, partner) }
    const found = await parties.findById(to_party ?? '')
    if (!found) throw new Problem('conflict', 'nobody may act for the party it goes to')
    return { kind: 'party', ...found }
  }

  async #named(row: RuleRow): Promise<Rule> {
    const found =
      row.to_party === null ? undefined : await this.#services.parties.findById(row.to_party)
    return { ...row, to_party_name: found?.name ?? null }
  }
}

async function addTo(tx: Executor, row: RuleRow): Promise<void> {
  const others = await store.listRulesOf.all(tx, { party: row.party })
  if (others.some(({ model }) => model === row.model)) {
    const about = row.model === null ? 'all other models' : `model ${row.model}`
    throw new Problem('conflict', `there is a rule about ${about}: remove it first`)
  }
  if (others.length >= MOST_OF_A_PARTY) {
    throw new Problem('conflict', `a party may have ${MOST_OF_A_PARTY} rules`)
  }
  await store.addRule.run(tx, row)
}

/** Were its rule gone with it, its vouchers would go to whom a more general one names. */
async function refuseRemoval(tx: Executor, partner: string): Promise<void> {
  const rule = await store.findRuleTo.first(tx, { partner })
  if (!rule) return
  const next = `firstlight transfer rule remove ${rule.id}`
  throw new Problem('conflict', `a rule hands vouchers to this partner: ${next}`)
}

function notFound(id: string): never {
  throw new Problem('not-found', `there is no rule ${id}`)
}

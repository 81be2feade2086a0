/**
 * A party's inbox: vouchers that others push to it. One is verified and taken in before the answer
 * leaves; sent again it gets the same answer, whatever has become of it since.
 */
import { type Bytes, toBase64, toHex } from '../../../protocol/bytes.ts'
import { signReceipt } from '../../../protocol/transfer/receipt.ts'
import { type Voucher, ownerKeyOf, parseVoucher } from '../../../protocol/voucher/voucher.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Executor } from '../../database/connection.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import type { Principal } from '../../http/authenticate.ts'
import { Problem } from '../../http/problem.ts'
import { TransferRefusal } from '../answer.ts'
import type { KeyPort, PartyPort, VoucherPort } from '../ports.ts'
import { type RecordServices, recordPassage } from '../receipts/record.ts'
import { type ReceiptRow, findReceipt } from '../receipts/store.ts'
import { isSameHash } from '../../secrets/hash.ts'
import { hashOf, newId, newSecret } from '../secret.ts'
import * as store from './store.ts'
import type { InboxTokenRow } from './store.ts'
import { SECRET_PREFIXES } from '../../prefixes.ts'

export interface InboxServices extends RecordServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly events: Pick<Events, 'voucherReceived' | 'inboxTokenCreated' | 'inboxTokenRevoked'>
  readonly vouchers: Pick<VoucherPort, 'admit' | 'findDevice'>
  readonly keys: Pick<KeyPort, 'findOwnerSigner'>
  readonly parties: Pick<PartyPort, 'isActive'>
  /** Who has proven a key at this door; undefined for nobody. */
  findProven(party: string, token: string): Promise<Sender | undefined>
}

/** Who brings a voucher. */
export interface Sender {
  readonly id: string
  /** As the receiving party calls it. */
  readonly name: string
}

export interface Taken {
  readonly guid: string
  readonly at: string
  /** Base64 of a COSE_Sign1; null where the key it was sold to is not at hand. */
  readonly receipt: string | null
  /** Whether it was not here before. */
  readonly isNew: boolean
}

/** The prefix, or the one it was before, the id, the secret. */
const TOKEN = /^(fdo[bi]_[0-9a-f]{16})_([\w-]{43})$/

export class Inbox {
  readonly #services: InboxServices

  constructor(services: InboxServices) {
    this.#services = services
  }

  /** Undefined for a token that is not good at this party's inbox: none is while it is suspended. */
  async findSender(party: string, token: string): Promise<Sender | undefined> {
    if (!(await this.#services.parties.isActive(party))) return undefined
    const [, id, secret] = TOKEN.exec(token) ?? []
    if (id === undefined || secret === undefined) return this.#services.findProven(party, token)
    const row = await store.findToken.first(this.#services.database.db, { id })
    const isIt = isSameHash(row?.hash, secret)
    if (!row || !isIt || row.party !== party || row.revoked_at !== null) return undefined
    return { id, name: row.name }
  }

  /** Throws a TransferRefusal, or a VoucherError for what is no voucher. */
  async take(party: string, pushed: Bytes, sender: Sender): Promise<Taken> {
    const { database, vouchers, clock, events } = this.#services
    const voucher = parseVoucher(pushed)
    const guid = toHex(voucher.header.value.guid)
    const name = { party, direction: 'given' as const, guid, voucher_hash: hashOf(pushed) }
    const known = await findReceipt.first(database.db, name)
    if (known) return takenOf(known, false)

    const { ok, check, detail, isNew } = await vouchers.admit(party, pushed, sender.id)
    if (!ok) throw new TransferRefusal(422, `${check ?? 'refused'}: ${detail ?? 'not taken in'}`)
    const at = clock.now()
    const receipt = await this.#sign(party, voucher, { receivedAt: at, sender: sender.name })
    const row = { ...name, peer: sender.name, at: at.toISOString(), receipt }
    // Of two who bring the same voucher at once both are told what the first was told.
    const kept = await database.commit(
      async (tx) => {
        await recordPassage(this.#services, tx, row, { type: 'voucher-received', by: sender.id })
        return findReceipt.first(tx, name)
      },
      { durable: true },
    )
    events.voucherReceived({ guid, party, from: sender.id })
    return takenOf(kept ?? row, isNew)
  }

  /** Its text is shown this once. */
  async createToken(name: string, by: Principal): Promise<{ row: InboxTokenRow; token: string }> {
    const { database, clock, events, audit } = this.#services
    const { party } = by
    const [id, secret] = [newId(SECRET_PREFIXES.inboxToken), newSecret()]
    const row = {
      ...{ id, party, name, hash: hashOf(secret) },
      created_at: clock.now().toISOString(),
      revoked_at: null,
    }
    const about = { by: by.id, subject: { id }, detail: { name } }
    await database.commit(async (tx) => {
      await store.addToken(tx, row)
      await audit.append(tx, { party, type: 'inbox-token-created', ...about })
    })
    events.inboxTokenCreated({ token: id, party, name, by: by.id })
    return { row, token: `${id}_${secret}` }
  }

  listTokens(party: string, limit: number, after?: string): Promise<InboxTokenRow[]> {
    return store.listTokens(this.#services.database.db, party, limit, after)
  }

  /** One that was revoked, too. Throws not-found. */
  async findToken(party: string, id: string): Promise<InboxTokenRow> {
    const row = await store.findToken.first(this.#services.database.db, { id })
    if (row?.party === party) return row
    throw new Problem('not-found', `there is no inbox token ${id}`)
  }

  async revokeToken(id: string, { party, id: by }: Principal): Promise<void> {
    const { database, clock, events, audit } = this.#services
    const at = clock.now().toISOString()
    const revoke = async (tx: Executor) => {
      const revoked = await store.revokeToken(tx, { id, party, at })
      if (!revoked) throw new Problem('not-found', `there is no inbox token ${id} to revoke`)
      await audit.append(tx, { party, type: 'inbox-token-revoked', by, subject: { id } })
    }
    await database.commit(revoke, { durable: true })
    events.inboxTokenRevoked({ token: id, party, by })
  }

  async #sign(party: string, voucher: Voucher, received: { receivedAt: Date; sender: string }) {
    const signer = await this.#services.keys.findOwnerSigner(party, ownerKeyOf(voucher).value)
    return signer ? signReceipt(voucher, signer, received) : null
  }
}

function takenOf({ guid, at, receipt }: ReceiptRow, isNew: boolean): Taken {
  return { guid, at, receipt: receipt && toBase64(receipt), isNew }
}

/** FDOKeyAuth at the doors of a party: who proves a key gets a token for what that key may have. */
import type { Bytes } from '../../../protocol/bytes.ts'
import { decodeAs, encodeAs } from '../../../protocol/cbor/schema.ts'
import {
  PendingProof,
  buildResult,
  challengeCaller,
  checkProve,
  sessionOfProve,
} from '../../../protocol/key-auth/holder.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { pooledRandomBytes } from '../../randomness.ts'
import { TransferRefusal } from '../answer.ts'
import type { Partners } from '../partners/service.ts'
import type { KeyPort, PartyPort, VoucherPort } from '../ports.ts'
import { hashOf, newSecret } from '../secret.ts'
import { decoySigner } from './decoy.ts'
import * as store from './store.ts'
import type { DoorName } from './store.ts'

export interface KeyAuthServices {
  readonly database: Database
  readonly clock: Clock
  readonly keys: Pick<KeyPort, 'signerOf'>
  readonly vouchers: Pick<VoucherPort, 'countSold'>
  readonly parties: Pick<PartyPort, 'isActive'>
  readonly partners: Pick<Partners, 'findByKey' | 'markProven'>
}

export interface Door {
  readonly party: string
  readonly name: DoorName
}

const SESSION_MS = 60_000
const TOKEN_MS = 3_600_000
/** Whoever says hello too often puts an end to what has waited longest, and refuses nobody. */
const MOST_PENDING = 5_000
const MOST_PENDING_OF_PARTY = 1_000
const randomBytes = pooledRandomBytes()

export class KeyAuth {
  readonly #services: KeyAuthServices

  constructor(services: KeyAuthServices) {
    this.#services = services
  }

  /**
   * Hello → Challenge. Nothing is said of what there is for the key before it is proven. A party
   * that is suspended is as one that does not exist.
   */
  async challenge({ party, name: door }: Door, hello: Bytes): Promise<Bytes> {
    const { database, clock, keys, parties } = this.#services
    const now = clock.now()
    const known = (await parties.isActive(party)) ? await keys.signerOf(party) : undefined
    const signer = known ?? decoySigner(party)
    const context = { signer, randomBytes, now, serverInfo: null }
    const { challenge, sessionId, pending } = await challengeCaller(hello, context)
    const row = {
      ...{ id_hash: hashOf(sessionId), party, door },
      state: encodeAs(PendingProof, pending),
      expires_at: new Date(now.getTime() + SESSION_MS).toISOString(),
    }
    await database.commit(async (tx) => {
      await store.keepNewest(tx, MOST_PENDING_OF_PARTY - 1, party)
      await store.keepNewest(tx, MOST_PENDING - 1)
      await store.addSession.run(tx, row)
    })
    return challenge
  }

  /** Prove → Result. Right or wrong, the session has been used. */
  async prove({ party, name: door }: Door, body: Bytes): Promise<Bytes> {
    const { database, clock, vouchers, partners, parties } = this.#services
    const id_hash = hashOf(sessionOfProve(body))
    // Who makes up sessions is told without a transaction.
    const isKnown = await store.findSession.first(database.db, { id_hash })
    const session =
      isKnown && (await database.commit((tx) => store.takeSession.first(tx, { id_hash })))
    const now = clock.now()
    const isGood = session?.party === party && session.door === door
    if (!isGood || session.expires_at <= now.toISOString()) {
      throw new TransferRefusal(401, 'no such session: say hello again')
    }
    const proven = await checkProve(body, decodeAs(PendingProof, session.state, 'PendingProof'))
    const owner_key = hashOf(proven.callerKey.value.key.spki)
    await this.#checkMayEnter({ party, name: door }, owner_key)
    const token = newSecret()
    const expiresAt = new Date(now.getTime() + TOKEN_MS)
    const row = { hash: hashOf(token), party, door, owner_key, expires_at: expiresAt.toISOString() }
    await database.commit(async (tx) => {
      await store.addToken.run(tx, row)
      await partners.markProven(tx, { party, fingerprint: owner_key, how: 'key-auth' })
    })
    const isPull = door === 'pull' && (await parties.isActive(party))
    const voucherCount = isPull ? await vouchers.countSold({ party, ownerKey: owner_key }) : 0
    return buildResult(proven, { token, expiresAt, voucherCount })
  }

  /** The key that was proven for this token at this door. */
  async findProven({ party, name: door }: Door, token: string): Promise<string | undefined> {
    const { database, clock } = this.#services
    const row = await store.findToken.first(database.db, { hash: hashOf(token) })
    if (row?.party !== party || row.door !== door) return undefined
    return row.expires_at > clock.now().toISOString() ? row.owner_key : undefined
  }

  /** Forgets who never came back. */
  async sweep(): Promise<void> {
    const { database, clock } = this.#services
    const now = clock.now().toISOString()
    await database.commit((tx) => store.sweepKeyAuth(tx, now))
  }

  /** Anybody may ask what was sold to them; bringing vouchers is for partners. */
  async #checkMayEnter({ party, name }: Door, ownerKey: string): Promise<void> {
    if (name === 'pull') return
    const { partners, parties } = this.#services
    if ((await parties.isActive(party)) && (await partners.findByKey(party, ownerKey))) return
    throw new TransferRefusal(401, 'this key is no partner’s')
  }
}

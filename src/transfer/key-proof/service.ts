/**
 * Whether a partner holds the private half of a key: it signs a text of ours by whatever means it
 * has. Nothing is kept of what was asked; the text itself says, sealed, for whom and until when.
 */
import { fromBase64, fromUtf8, utf8 } from '../../../protocol/bytes.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import type { Events } from '../../events.ts'
import { Problem } from '../../http/problem.ts'
import type { Sealer } from '../../secrets/seal.ts'
import { jsonOf } from '../partner-error.ts'
import type { Partner, PartnerKey, Partners } from '../partners/service.ts'
import { hashOf, newSecret } from '../secret.ts'
import { hashFor, isSignedBy } from './signature.ts'

export interface KeyProofServices {
  readonly database: Database
  readonly clock: Clock
  readonly sealer: Sealer
  readonly partners: Pick<Partners, 'find' | 'markProven'>
  readonly events: Pick<Events, 'partnerKeyProven'>
}

/** Which key, and whose. */
export interface KeyName {
  readonly party: string
  /** The partner's id. */
  readonly partner: string
  readonly fingerprint: string
}

export interface KeyChallenge {
  readonly challenge: string
  readonly expiresAt: Date
}

/** What is signed begins so, for which key it is: what was signed for anything else proves nothing. */
export const CHALLENGE = /^firstlight-key-proof-1:([0-9a-f]{64}):([\w-]{1,1024})$/
const CONTEXT = 'key-proof'
const LIFETIME_MS = 86_400_000

export class KeyProof {
  readonly #services: KeyProofServices

  constructor(services: KeyProofServices) {
    this.#services = services
  }

  /** Throws not-found for a partner or a key that is not there. */
  async challenge(name: KeyName): Promise<KeyChallenge> {
    const { sealer, clock } = this.#services
    await this.#find(name)
    const expiresAt = new Date(clock.now().getTime() + LIFETIME_MS)
    const said = [...wordsOf(name), expiresAt.toISOString(), newSecret()]
    const sealed = sealer.seal(CONTEXT, utf8(JSON.stringify(said)))
    const encoded = Buffer.from(sealed).toString('base64url')
    return { challenge: `firstlight-key-proof-1:${name.fingerprint}:${encoded}`, expiresAt }
  }

  /** The signature is base64. Throws check-failed where it proves nothing. */
  async prove(name: KeyName, challenge: string, signature: string, by: string): Promise<Partner> {
    const { database, partners, events } = this.#services
    const { party, partner, fingerprint } = name
    const { key } = await this.#find(name)
    const text = challenge.trim()
    this.#checkChallenge(name, text)
    const bytes = fromBase64(signature.replaceAll(/\s+/g, ''))
    if (!bytes) throw new Problem('invalid-request', 'signature: not base64')
    // Text files end in a line end, whether their text does or not.
    if (![text, `${text}\n`, `${text}\r\n`].some((one) => isSignedBy(key, utf8(one), bytes))) {
      throw notSigned(key)
    }
    const proof = { party, fingerprint, how: 'signature', by } as const
    await database.commit((tx) => partners.markProven(tx, proof), { durable: true })
    events.partnerKeyProven({ party, partner, key: fingerprint, by })
    return partners.find(party, partner)
  }

  async #find({ party, partner: id, fingerprint }: KeyName) {
    const partner = await this.#services.partners.find(party, id)
    const key = partner.keys.find(({ spki }) => hashOf(spki) === fingerprint)
    if (!key) throw new Problem('not-found', `${partner.name} has no key ${fingerprint}`)
    return { key }
  }

  #checkChallenge(name: KeyName, text: string): void {
    const { sealer, clock } = this.#services
    const [, shown, encoded = ''] = CHALLENGE.exec(text) ?? []
    const opened = sealer.open(CONTEXT, Buffer.from(encoded, 'base64url'))
    const said = opened && jsonOf(fromUtf8(opened))
    const [party, partner, fingerprint, expiresAt] = Array.isArray(said) ? said.map(String) : []
    const isFor = [party, partner, fingerprint].join() === wordsOf(name).join()
    if (expiresAt === undefined || !isFor || shown !== fingerprint) {
      throw new Problem('check-failed', 'this is no challenge for this key: ask for a new one')
    }
    if (expiresAt <= clock.now().toISOString()) {
      throw new Problem('check-failed', 'the challenge has lapsed: ask for a new one')
    }
  }
}

function wordsOf({ party, partner, fingerprint }: KeyName): readonly string[] {
  return [party, partner, fingerprint]
}

function notSigned(key: PartnerKey): Problem {
  const hash = hashFor(key)
  return new Problem(
    'check-failed',
    `not a signature of this key over the challenge with ${hash.toUpperCase()}: ` +
      `openssl dgst -${hash} -sign key.pem challenge.txt | base64`,
  )
}

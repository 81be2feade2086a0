/** How a party is found: its did:web, and the document behind it, where it wants to be found. */
import { didWebOf } from '../../../protocol/did/did-web.ts'
import { type PartyDocument, buildDidDocument } from '../../../protocol/did/document.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import { Problem } from '../../http/problem.ts'
import type { Actor } from '../partners/service.ts'
import type { KeyPort, PartyPort } from '../ports.ts'
import { PULL_ROOT, PUSH_ROOT, partyPath } from '../public-door.ts'
import { findProfile, putProfile } from './store.ts'

export interface ProfileServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly keys: Pick<KeyPort, 'signerOf' | 'publishedBy'>
  readonly parties: Pick<PartyPort, 'isActive'>
  /** Where others reach this service. */
  readonly publicUrl: () => string
  /** The same by HTTPS, which did:web stands for; undefined where there is none. */
  readonly didUrl: () => string | undefined
}

export interface Profile {
  readonly isPublic: boolean
  readonly key: PartyDocument['key']
  /** Null where nobody could find the party by it. */
  readonly did: string | null
  readonly pushUrl: string
  readonly pullUrl: string
}

/** For whoever looks for a document that cannot be. */
export const NO_HTTPS =
  'this service is not reached by HTTPS, and did:web stands for that: it takes FIRSTLIGHT_TLS_PORT, ' +
  'or a FIRSTLIGHT_PUBLIC_URL that begins with https'

export class Profiles {
  readonly #services: ProfileServices

  constructor(services: ProfileServices) {
    this.#services = services
  }

  /** Throws not-found where the party has no key yet. */
  async find(party: string): Promise<Profile> {
    const { database, keys, publicUrl } = this.#services
    const signer = await keys.signerOf(party)
    if (!signer) throw new Problem('not-found', 'there is no key to be known by: make one first')
    const row = await findProfile.first(database.db, { party })
    return {
      isPublic: row?.is_public === 1,
      key: signer.key,
      did: (await this.#documentOf(party))?.did ?? null,
      ...addressesAt(publicUrl(), party),
    }
  }

  async setPublic({ party, id: by }: Actor, isPublic: boolean): Promise<Profile> {
    const { database, clock, audit } = this.#services
    const row = { party, is_public: isPublic ? 1 : 0, updated_at: clock.now().toISOString() }
    const about = { by, subject: {}, detail: { public: isPublic } }
    await database.commit(async (tx) => {
      await putProfile(tx, row)
      await audit.append(tx, { party, type: 'transfer-profile-changed', ...about })
    })
    return this.find(party)
  }

  /** The document served; undefined for a party that is not there, or does not want to be found. */
  async served(party: string): Promise<string | undefined> {
    const { database, parties } = this.#services
    if (!(await parties.isActive(party))) return undefined
    const row = await findProfile.first(database.db, { party })
    const document = row?.is_public === 1 ? await this.#documentOf(party) : undefined
    return document && buildDidDocument(document)
  }

  /** Whether any party of this service can be found by its did:web. */
  get areReachable(): boolean {
    return this.#services.didUrl() !== undefined
  }

  async #documentOf(party: string): Promise<PartyDocument | undefined> {
    const { keys, didUrl } = this.#services
    const { active, former } = await keys.publishedBy(party)
    const [url, [key, ...furtherKeys]] = [didUrl(), active]
    if (url === undefined || !key) return undefined
    const { origin, pathname } = new URL(url)
    const below = pathname.split('/').filter((segment) => segment !== '')
    const segments = party === HOME_PARTY ? below : [...below, 'parties', party]
    const { pushUrl: recipientUrl, pullUrl: holderUrl } = addressesAt(url, party)
    const did = didWebOf(origin, segments)
    return { did, key, furtherKeys, formerKeys: former, recipientUrl, holderUrl }
  }
}

function addressesAt(url: string, party: string): Pick<Profile, 'pushUrl' | 'pullUrl'> {
  const base = `${url}${partyPath(party)}`
  return { pushUrl: `${base}${PUSH_ROOT}`, pullUrl: `${base}${PULL_ROOT}` }
}

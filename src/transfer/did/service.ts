/** How a party is found: its did:web, and the document behind it, where it wants to be found. */
import { didWebOf } from '../../../protocol/did/did-web.ts'
import { type PartyDocument, buildDidDocument } from '../../../protocol/did/document.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../database/open.ts'
import { HOME_PARTY } from '../../database/tables.ts'
import { Problem } from '../../http/problem.ts'
import type { Actor } from '../partners/service.ts'
import type { KeyPort } from '../ports.ts'
import { PULL_ROOT, PUSH_ROOT, partyPath } from '../public-door.ts'
import { findProfile, putProfile } from './store.ts'

export interface ProfileServices {
  readonly database: Database
  readonly clock: Clock
  readonly audit: Pick<AuditLog, 'append'>
  readonly keys: Pick<KeyPort, 'signerOf'>
  /** Where others reach this service. */
  readonly publicUrl: () => string
}

export interface Profile {
  readonly isPublic: boolean
  readonly document: PartyDocument
}

export class Profiles {
  readonly #services: ProfileServices

  constructor(services: ProfileServices) {
    this.#services = services
  }

  /** Throws not-found where the party has no key yet. */
  async find(party: string): Promise<Profile> {
    const document = await this.#documentOf(party)
    if (!document) throw new Problem('not-found', 'there is no key to be known by: make one first')
    const row = await findProfile.first(this.#services.database.db, { party })
    return { isPublic: row?.is_public === 1, document }
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
    const row = await findProfile.first(this.#services.database.db, { party })
    const document = row?.is_public === 1 ? await this.#documentOf(party) : undefined
    return document && buildDidDocument(document)
  }

  async #documentOf(party: string): Promise<PartyDocument | undefined> {
    const { keys, publicUrl } = this.#services
    const signer = await keys.signerOf(party)
    if (!signer) return undefined
    const { origin, pathname } = new URL(publicUrl())
    const below = pathname.split('/').filter((segment) => segment !== '')
    const segments = party === HOME_PARTY ? below : [...below, 'parties', party]
    const base = `${publicUrl()}${partyPath(party)}`
    return {
      did: didWebOf(origin, segments),
      key: signer.key,
      recipientUrl: `${base}${PUSH_ROOT}`,
      holderUrl: `${base}${PULL_ROOT}`,
    }
  }
}

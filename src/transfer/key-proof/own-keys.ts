/**
 * The other half of a proof: that we hold a key that a seller asks for. Nothing but such a text is
 * signed, and its first words say what for; no voucher, token or message of FDO begins so.
 */
import { toBase64, utf8 } from '../../../protocol/bytes.ts'
import type { AuditLog } from '../../audit/log.ts'
import type { Database } from '../../database/open.ts'
import { Problem } from '../../http/problem.ts'
import type { Actor } from '../partners/service.ts'
import type { KeyPort } from '../ports.ts'
import { hashOf } from '../secret.ts'
import { CHALLENGE } from './service.ts'

export interface OwnKeyServices {
  readonly database: Pick<Database, 'commit'>
  readonly audit: Pick<AuditLog, 'append'>
  readonly keys: Pick<KeyPort, 'ownerSigners'>
}

export interface OwnKeyProof {
  readonly fingerprint: string
  /** Base64. */
  readonly signature: string
}

/** Throws a Problem for what is no challenge, and for a key that the party does not have. */
export async function proveOwnKey(
  { database, audit, keys }: OwnKeyServices,
  { party, id: by }: Actor,
  challenge: string,
): Promise<OwnKeyProof> {
  const text = challenge.trim()
  const fingerprint = CHALLENGE.exec(text)?.[1]
  if (fingerprint === undefined) {
    const next = 'it is what firstlight partner challenge gives'
    throw new Problem('invalid-request', `challenge: this is none; ${next}`)
  }
  const signers = await keys.ownerSigners(party)
  const signer = signers.find(({ key }) => hashOf(key.spki) === fingerprint)
  if (!signer) throw new Problem('not-found', `there is no owner key ${fingerprint}`)
  const signature = toBase64(await signer.sign(utf8(text)))
  const entry = { party, type: 'owner-key-proven', by, subject: { id: fingerprint } } as const
  await database.commit((tx) => audit.append(tx, entry))
  return { fingerprint, signature }
}

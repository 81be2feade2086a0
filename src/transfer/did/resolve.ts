/** A partner's did:web → its document: its key, and where vouchers go to and come from. */
import { fromUtf8 } from '../../../protocol/bytes.ts'
import { documentUrlOf } from '../../../protocol/did/did-web.ts'
import { type PartyDocument, readDidDocument } from '../../../protocol/did/document.ts'
import { FdoError } from '../../../protocol/errors.ts'
import { Problem } from '../../http/problem.ts'
import { plain } from '../partner-error.ts'
import type { Http } from '../ports.ts'

const MOST_BYTES = 1 << 20
const TIMEOUT_MS = 30_000

export interface ResolveServices {
  readonly http: Http
  /** `http` only where the installation allows it: the document says whom to trust. */
  readonly didScheme: 'https' | 'http'
}

/** A name, and the party that asks what it stands for. */
interface Asked {
  readonly did: string
  readonly party: string
}

/** Throws check-failed, saying why, where there is no such document. */
export async function resolveDid(services: ResolveServices, asked: Asked): Promise<PartyDocument> {
  try {
    return await fetchDocument(services, asked)
  } catch (cause) {
    if (cause instanceof Problem) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Problem('check-failed', `${asked.did}: ${plain(reason)}`, { cause })
  }
}

async function fetchDocument({ http, didScheme }: ResolveServices, { did, party }: Asked) {
  const url = documentUrlOf(did, didScheme)
  const limits = { maxBytes: MOST_BYTES, timeoutMs: TIMEOUT_MS }
  const headers = { accept: 'application/did+ld+json, application/json' }
  const { status, body } = await http.request(url, { method: 'GET', headers, party, ...limits })
  if (status !== 200) throw new FdoError('RESOURCE_NOT_FOUND', `${url} answered ${status}`)
  const document = readDidDocument(fromUtf8(body), did)
  const { recipientUrl = 'https:', holderUrl = 'https:' } = document
  if (didScheme === 'https' && ![recipientUrl, holderUrl].every((one) => /^https:/.test(one))) {
    throw new FdoError('MESSAGE_BODY_ERROR', 'its services are not reached by HTTPS')
  }
  return document
}

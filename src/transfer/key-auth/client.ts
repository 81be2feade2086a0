/** Proves one of our keys to a partner over HTTP, and gets the token for what comes after. */
import type { Bytes } from '../../../protocol/bytes.ts'
import type { Signer } from '../../../protocol/crypto/signer.ts'
import type { VerifyKey } from '../../../protocol/crypto/verify-key.ts'
import { proveCaller, readResult, sayHello } from '../../../protocol/key-auth/caller.ts'
import { pooledRandomBytes } from '../../randomness.ts'
import { PartnerError, headerOf, textOfAnswer } from '../partner-error.ts'
import type { Http } from '../ports.ts'

const TYPE = 'application/cbor'
const MOST_BYTES = 64 * 1024
const TIMEOUT_MS = 15_000
const randomBytes = pooledRandomBytes()

export interface KeyAuthCall {
  /** What comes before /auth/hello. */
  readonly root: string
  /** Whose key it is. */
  readonly party: string
  readonly signer: Signer
  /** The partner's, known beforehand. */
  readonly holderKeys: readonly VerifyKey[]
}

export interface KeyAuthToken {
  readonly token: string
  readonly expiresAt: Date
}

/** Throws a PartnerError for its answer, an FdoError for one that does not hold. */
export async function proveKey(http: Http, call: KeyAuthCall): Promise<KeyAuthToken> {
  const { root, party, signer, holderKeys } = call
  const post = (path: string, body: Bytes) => ask(http, { url: `${root}${path}`, party, body })
  const said = sayHello(signer, randomBytes)
  const challenge = await post('/auth/hello', said.hello)
  const prove = await proveCaller(said, challenge, { signer, holderKeys })
  const result = readResult(said, await post('/auth/prove', prove))
  return { token: result.token, expiresAt: new Date(Math.min(result.expiresAt * 1000, LATEST)) }
}

/** The last moment a Date can name. */
const LATEST = 8.64e15

interface Asked {
  readonly url: string
  readonly party: string
  readonly body: Bytes
}

async function ask(http: Http, { url, party, body }: Asked): Promise<Bytes> {
  const headers = { 'content-type': TYPE, accept: TYPE }
  const limits = { maxBytes: MOST_BYTES, timeoutMs: TIMEOUT_MS }
  const answer = await http.request(url, { method: 'POST', headers, body, party, ...limits })
  if (answer.status === 200) return answer.body
  const retryAfter = headerOf(answer, 'retry-after')
  throw new PartnerError(answer.status, textOfAnswer(answer), retryAfter)
}

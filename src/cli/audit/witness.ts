/**
 * `firstlight audit witness`: an outsider looks at the log, and signs how far it goes. Run it where
 * the installation's administrators have no say, as often as it should be too late to rewrite.
 */
import { toHex } from '../../../protocol/bytes.ts'
import type { Signer } from '../../../protocol/crypto/signer.ts'
import type { AuditEntry } from '../../audit/entry.ts'
import { type Countersignature, countersign, fingerprintOf } from '../../audit/head.ts'
import { ChainWalk, walkLines } from '../../audit/verify.ts'
import { call } from '../api.ts'
import type { ApiClient } from '../api-client.ts'
import { CliFailure } from '../failure.ts'
import { readPrivateKey } from '../key-files.ts'
import { exportedLines } from './lines.ts'
import { brokenAt, shown } from './verify.ts'
import { readWitnessState, writeWitnessState } from './witness-state.ts'

export interface Witnessed {
  readonly party: string | null
  readonly seq: number
  readonly hash: string | null
  readonly witness: string
  /** How many entries have been added since the head signed before. */
  readonly added: number
}

export async function witnessLog(
  api: ApiClient,
  { key, state }: { readonly key: string; readonly state: string },
): Promise<Witnessed> {
  const signer = readPrivateKey(key)
  const witness = fingerprintOf(signer.key.spki)
  const before = readWitnessState(state)
  if (before && before.witness !== witness) {
    throw new CliFailure('usage', `${state} is that of another key, ${before.witness}`, {
      next: 'keep a state file for each key',
    })
  }
  const last = await lastEntry(api, before)
  if (!last) return { party: null, seq: 0, hash: null, witness, added: 0 }
  const seen = before?.statement.seq ?? 0
  const signed = before && last.seq === seen ? before.signed : await signedAnew(signer, last, state)
  await deliver(api, signed)
  const { party, seq, hash } = last
  return { party, seq, hash: toHex(hash), witness, added: seq - seen }
}

/** All that came since the head signed before, checked link by link from there. */
async function lastEntry(
  api: ApiClient,
  before: Countersignature | undefined,
): Promise<AuditEntry | undefined> {
  const start = before?.statement
  const { seq } = await call(api, 'GET /audit/head', {})
  const walk = new ChainWalk(start ? { start } : {})
  const lines = exportedLines(api, start?.seq)
  const flaw = await walkLines(walk, shown(lines, 'checking', Math.max(0, seq - (start?.seq ?? 0))))
  if (flaw) throw brokenAt(flaw)
  return walk.last
}

/** Noted before it leaves: of two heads that do not fit together, no more than one is ever signed. */
async function signedAnew(signer: Signer, last: AuditEntry, state: string): Promise<Uint8Array> {
  const signed = await countersign(signer, last, new Date().toISOString())
  writeWitnessState(state, signed)
  return signed
}

/** Again and again, until the service has it. */
async function deliver(api: ApiClient, signed: Uint8Array): Promise<void> {
  await call(api, 'POST /audit/countersignatures', {
    body: signed,
    contentType: 'application/cose',
  })
}

export function witnessedText({ seq, hash, added, witness }: Witnessed): string {
  if (hash === null) return 'nothing is in this log yet: nothing was signed'
  const what = added === 0 ? 'nothing new since' : `${added} more entries, countersigned up to`
  return `${what} ${seq}:${hash} by ${witness}`
}

/** One try to register one voucher at one rendezvous: TO0, as the Owner. */
import { hash } from 'node:crypto'
import { type Bytes, equalBytes, fromHex } from '../../../protocol/bytes.ts'
import { converse } from '../../../protocol/converse.ts'
import { PeerRefusal } from '../../../protocol/error-message.ts'
import { FdoError, isHaste } from '../../../protocol/errors.ts'
import { type To0OwnerContext, beginTo0, to0Owner } from '../../../protocol/to0/owner.ts'
import {
  type RendezvousAttempt,
  type Target,
  planRendezvous,
} from '../../../protocol/types/rendezvous-plan.ts'
import type { To2Addresses } from '../../../protocol/types/to2-address.ts'
import type { Voucher } from '../../../protocol/voucher/voucher.ts'
import type { Clock } from '../../clock.ts'
import { type FdoTransport, TransportError } from '../../fdo/client.ts'
import { within } from '../../tracing/current.ts'
import { CLIENT, type Tracer } from '../../tracing/tracer.ts'
import type { Failure, Outcome } from './place.ts'
import type { Job } from './store.ts'

type HeldVoucher = Pick<To0OwnerContext, 'voucher' | 'signer'> & { readonly deviceId: string }

export interface AttemptServices {
  readonly clock: Clock
  readonly tracer?: Tracer | undefined
  readonly vouchers: {
    findServableOf(party: string, guid: Bytes): Promise<HeldVoucher | undefined>
  }
  readonly ownerAddresses: { value(party: string): Promise<To2Addresses> }
  /** What is asked for; every rendezvous grants what it likes. */
  readonly askedSeconds: number
  /** In-process where the target is this service; kept open, since many messages go there. */
  readonly connect: (target: Target) => FdoTransport
}

const MOST_REASON_CHARACTERS = 300

/** Throws only what is a bug of ours. */
export async function register(services: AttemptServices, job: Job): Promise<Outcome> {
  const { vouchers, ownerAddresses, askedSeconds: waitSeconds } = services
  const held = await vouchers.findServableOf(job.party, fromHex(job.guid))
  if (!held) return refused('the voucher, or the key that owns it, is not here')
  const { voucher, signer, deviceId } = held
  const attempt = placesOf(voucher).find(({ index }) => index === job.directive)
  if (!attempt) return refused('the voucher names no such rendezvous')
  const addresses = await ownerAddresses.value(job.party)
  const context = { voucher, signer, addresses, waitSeconds }
  const reasons: string[] = []
  for (const target of attempt.targets) {
    const outcome = await traced(services, job, target, () =>
      converseWith(services, target, context),
    )
    if (outcome.kind === 'registered') {
      const ownerKey = hash('sha256', signer.key.spki, 'hex')
      return { ...outcome, deviceId, addresses, ownerKey }
    }
    if (outcome.kind === 'refused') return outcome
    reasons.push(outcome.reason)
  }
  return { kind: 'unreachable', reason: plain(reasons.join('; ')) }
}

/** The rendezvous' part of the trace hangs below this one. */
async function traced<T extends { readonly kind: string; readonly reason?: string }>(
  { tracer }: Pick<AttemptServices, 'tracer'>,
  { guid }: Job,
  { url }: Target,
  work: () => Promise<T>,
): Promise<T> {
  const span = tracer?.begin({ name: 'fdo.TO0', kind: CLIENT })
  if (!span) return work()
  const outcome = await within(span, work)
  const said = { 'fdo.guid': guid, 'fdo.outcome': outcome.kind, 'url.full': url }
  span.end(said, outcome.kind === 'registered' ? undefined : outcome.reason)
  return outcome
}

async function converseWith(
  { connect, clock }: AttemptServices,
  target: Target,
  context: To0OwnerContext,
): Promise<Failure | { readonly kind: 'registered'; readonly waitSeconds: number }> {
  try {
    const [registered] = await converse({
      role: to0Owner,
      first: beginTo0(context),
      context,
      transport: connect(target),
      now: () => clock.now(),
    })
    if (!registered) throw new Error('TO0 ended without an effect')
    return { kind: 'registered', waitSeconds: registered.waitSeconds }
  } catch (error) {
    if (error instanceof TransportError) return { kind: 'unreachable', reason: error.message }
    if (error instanceof PeerRefusal && isHaste(error.peerError.text)) {
      return { kind: 'unreachable', reason: `${target.url}: ${error.message}` }
    }
    if (error instanceof PeerRefusal || error instanceof FdoError) {
      return refused(`${target.url}: ${error.message}`)
    }
    throw error
  }
}

function refused(reason: string): Failure {
  return { kind: 'refused', reason: plain(reason) }
}

/** Some of it is the peer's own text, and it is shown to people. */
function plain(text: string): string {
  return text.replaceAll(/\p{C}+/gu, ' ').slice(0, MOST_REASON_CHARACTERS)
}

let latest: { readonly bytes: Bytes; readonly attempts: readonly RendezvousAttempt[] } | undefined

/** Where an owner registers this voucher; most vouchers of a factory name the same places. */
export function placesOf(voucher: Voucher): readonly RendezvousAttempt[] {
  const { bytes, value } = voucher.header.value.rvInfo
  if (!latest || !equalBytes(latest.bytes, bytes)) {
    latest = { bytes: new Uint8Array(bytes), attempts: planRendezvous(value, 'owner').attempts }
  }
  return latest.attempts
}

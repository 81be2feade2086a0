/** Whether a voucher is of somebody who may register here, by the policy of the moment. */
import { hash } from 'node:crypto'
import { type Bytes, toHex } from '../../protocol/bytes.ts'
import { FdoError } from '../../protocol/errors.ts'
import type { VerifyOptions } from '../../protocol/voucher/verify.ts'
import { type Voucher, ownerKeyOf } from '../../protocol/voucher/voucher.ts'
import { findChainFlaw } from '../../protocol/x509/chain.ts'
import type { RendezvousPolicy, Waits } from './policy.ts'

/**
 * What a voucher has to lead to, before anything about it is verified: the keys it names are held
 * against the lists here, and that it is theirs is for the caller to verify. A device CA is asked
 * for where neither owner nor manufacturer is known by key; the manufacturer has signed for it.
 */
export async function trustFor(
  voucher: Voucher,
  policy: RendezvousPolicy,
  deviceAnchors: readonly Bytes[] | undefined,
  now: Date,
): Promise<VerifyOptions> {
  await refuseDenied(voucher, policy)
  const sound = { now, entryStyle: 'either' } as const
  if (isListed(voucher, policy)) return sound
  const { anyone, allow } = policy
  if (!anyone) return { ...sound, anchors: allow.deviceCas }
  return deviceAnchors ? { ...sound, anchors: [...deviceAnchors, ...allow.deviceCas] } : sound
}

/** What an owner that asks for `asked` seconds gets: never none, and the same every time. */
export function grantedSeconds(voucher: Voucher, asked: number, policy: RendezvousPolicy): number {
  const { listed, others } = policy.waits
  return granted(asked, isListed(voucher, policy) ? listed : others)
}

export function granted(asked: number, { defaultSeconds, mostSeconds }: Waits): number {
  return asked === 0 ? defaultSeconds : Math.min(asked, mostSeconds)
}

function isListed(voucher: Voucher, { allow: { owners, manufacturers } }: RendezvousPolicy) {
  return (
    (owners.size > 0 && owners.has(fingerprint(ownerKeyOf(voucher).value.key.spki))) ||
    (manufacturers.size > 0 && manufacturers.has(manufacturerOf(voucher)))
  )
}

/** Whoever is denied spoils every voucher that went through its hands. */
async function refuseDenied(voucher: Voucher, { deny }: RendezvousPolicy): Promise<void> {
  if (deny.guids.size > 0 && deny.guids.has(toHex(voucher.header.value.guid))) throw denied('GUID')
  if (deny.manufacturers.size > 0 && deny.manufacturers.has(manufacturerOf(voucher))) {
    throw denied('manufacturer key')
  }
  if (deny.owners.size > 0) {
    const owners = voucher.entries.map(({ payload }) => payload.publicKey.value.key.spki)
    if (owners.some((spki) => deny.owners.has(fingerprint(spki)))) throw denied('owner key')
  }
  if (deny.deviceCas.length === 0) return
  const chain = voucher.deviceCertChain ?? []
  const flaw = await findChainFlaw(chain, { anchors: deny.deviceCas })
  if (flaw === undefined) throw denied('device CA')
}

function manufacturerOf(voucher: Voucher): string {
  return fingerprint(voucher.header.value.publicKey.value.key.spki)
}

export function fingerprint(spki: Bytes): string {
  return hash('sha256', spki, 'hex')
}

function denied(what: string): FdoError {
  return new FdoError('INVALID_OWNERSHIP_VOUCHER', `a ${what} that is denied here`)
}

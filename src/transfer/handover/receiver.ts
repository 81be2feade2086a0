/** Who a voucher is extended to, and by which of their keys: the kind its header demands. */
import type { KeyKind } from '../../../protocol/cose/algorithms.ts'
import { type PublicKey, X509, X5CHAIN } from '../../../protocol/crypto/public-key.ts'
import { Problem } from '../../http/problem.ts'
import type { Partner, PartnerKey } from '../partners/service.ts'
import { hashOf } from '../secret.ts'

/** A partner, elsewhere, or another party of this installation. */
export type Receiver =
  | { readonly kind: 'partner'; readonly partner: Partner }
  | { readonly kind: 'party'; readonly id: string; readonly name: string }

export interface KeyWish {
  /** The fingerprint of the one key that it may be. */
  readonly key?: string | undefined
  /** Extends to a key that nobody has proven to hold, too: what cannot be taken back. */
  readonly unproven?: boolean | undefined
}

const NAMES: Readonly<Record<KeyKind, string>> = {
  p256: 'P-256',
  p384: 'P-384',
  rsa2048: 'RSA 2048',
  rsa3072: 'RSA 3072',
}

export function nameOfKind(kind: KeyKind): string {
  return NAMES[kind]
}

/** Of several fitting keys those that are proven; throws a Problem unless one is left. */
export function keyOfPartner(partner: Partner, first: PublicKey, wish: KeyWish): PublicKey {
  const { name, id } = partner
  const kind = nameOfKind(first.key.kind)
  const ofKind = partner.keys.filter(
    (one) => one.kind === first.key.kind && (wish.key ?? hashOf(one.spki)) === hashOf(one.spki),
  )
  if (ofKind.length === 0) {
    const which = wish.key === undefined ? `no ${kind} key` : `no ${kind} key ${wish.key}`
    throw refused(
      'no-key-of-kind',
      `${which} of ${name}: ask them for one, and add it with firstlight partner replace --key`,
    )
  }
  const proven = ofKind.filter(({ proven_at }) => proven_at !== null)
  const usable = wellEncoded(proven.length === 0 && wish.unproven ? ofKind : proven, first)
  const [only, ...more] = usable
  if (!only) {
    const next = `firstlight partner challenge ${id}`
    throw refused('key-not-proven', `the ${kind} key of ${name} is not proven: ${next}`)
  }
  if (more.length > 0) {
    throw refused('several-keys', `${name} has ${usable.length} ${kind} keys: say which (key)`)
  }
  return publicKeyOf(only, first)
}

/** With certificates where the header has them and there are any; devices read bare keys there, too. */
function wellEncoded(keys: readonly PartnerKey[], first: PublicKey): readonly PartnerKey[] {
  const certified = first.encoding === X5CHAIN ? keys.filter(({ chain }) => chain) : []
  return certified.length > 0 ? certified : keys
}

function publicKeyOf({ chain, ...key }: PartnerKey, { type, encoding }: PublicKey): PublicKey {
  if (encoding !== X5CHAIN || !chain) return { type, encoding: X509, key }
  return { type, encoding, key, chain }
}

/** `check` is for programs. */
export function refused(check: string, detail: string): Problem {
  return new Problem('conflict', detail, { members: { check } })
}

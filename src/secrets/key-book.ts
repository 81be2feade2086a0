/** All keys as they were when they were read: found by name, and which of them are in use. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import type { KeyInfo, KeySlot } from './key-info.ts'

/** What is in use goes before what could be: a token's, one made here, one brought here. */
const RANK: Record<KeyInfo['origin'], number> = { token: 2, made: 1, imported: 0 }

export class KeyBook {
  readonly keys: readonly KeyInfo[]
  readonly #ids: ReadonlyMap<string, KeyInfo>
  readonly #named: ReadonlyMap<string, KeyInfo>
  readonly #active: ReadonlyMap<string, KeyInfo>
  readonly #holders: ReadonlyMap<string, readonly string[]>

  /** Oldest first. */
  constructor(keys: readonly KeyInfo[]) {
    this.keys = keys
    this.#ids = new Map(keys.map((key) => [key.id, key]))
    this.#named = new Map(keys.map((key) => [keyName(key), key]))
    this.#active = activeOf(keys)
    this.#holders = holdersOf(keys)
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  findById(party: string, id: string): KeyInfo | undefined {
    const key = this.#ids.get(id)
    return key?.party === party ? key : undefined
  }

  /** The key with this public half, own or imported, if the party has it. */
  find(party: string, purpose: string, spki: Bytes): KeyInfo | undefined {
    return this.named({ party, purpose, fingerprint: fingerprintOf(spki) })
  }

  named(name: Pick<KeyInfo, 'party' | 'purpose' | 'fingerprint'>): KeyInfo | undefined {
    return this.#named.get(keyName(name))
  }

  /** The one that what is new is signed with, and signed to: of several the newest. */
  active(slot: KeySlot): KeyInfo | undefined {
    return this.#active.get(slotName(slot))
  }

  /** The parties that have the key with this public half. */
  holders(purpose: string, spki: Bytes): readonly string[] {
    return this.#holders.get(holderName({ purpose, fingerprint: fingerprintOf(spki) })) ?? []
  }
}

export function fingerprintOf(spki: Bytes): string {
  return hash('sha256', spki, 'hex')
}

export function slotName({ party, purpose, kind }: KeySlot): string {
  return `${party} ${purpose} ${kind}`
}

function activeOf(keys: readonly KeyInfo[]): ReadonlyMap<string, KeyInfo> {
  const active = new Map<string, KeyInfo>()
  for (const key of keys) {
    const before = active.get(slotName(key))
    if (key.retiredAt !== null || (before && RANK[before.origin] > RANK[key.origin])) continue
    active.set(slotName(key), key)
  }
  return active
}

function holdersOf(keys: readonly KeyInfo[]): ReadonlyMap<string, readonly string[]> {
  const holders = new Map<string, string[]>()
  for (const key of keys) {
    holders.set(holderName(key), [...(holders.get(holderName(key)) ?? []), key.party])
  }
  return holders
}

function keyName(key: Pick<KeyInfo, 'party' | 'purpose' | 'fingerprint'>): string {
  return `${key.party} ${key.purpose} ${key.fingerprint}`
}

function holderName({ purpose, fingerprint }: Pick<KeyInfo, 'purpose' | 'fingerprint'>): string {
  return `${purpose} ${fingerprint}`
}

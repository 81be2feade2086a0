/** What a party calls a device through all its lives: a digest of the device's own key. */
import { hash } from 'node:crypto'
import type { Bytes } from '../../protocol/bytes.ts'
import { importSpki } from '../../protocol/crypto/verify-key.ts'
import { HOME_PARTY } from '../database/tables.ts'
import { NAME_PREFIXES } from '../prefixes.ts'

const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'
const LENGTH = 26

/**
 * `spki`: the DER SubjectPublicKeyInfo in the device's certificate. Each party has a name of its
 * own for a device, so that what one knows of it says nothing about another's.
 */
export function deviceIdOf(party: string, spki: Bytes): string {
  // Imported, since one key has more than one encoding.
  const key = importSpki(spki).spki
  const named = party === HOME_PARTY ? key : Buffer.concat([Buffer.from(`${party}\0`), key])
  const digest = hash('sha256', named, 'buffer')
  let id: string = NAME_PREFIXES.device
  for (let i = 0; i < LENGTH; i++) id += LETTERS[fiveBits(digest, 5 * i)]
  return id
}

/** RFC 4648, section 6. */
function fiveBits(bytes: Bytes, at: number): number {
  const pair = ((bytes[at >> 3] ?? 0) << 8) | (bytes[(at >> 3) + 1] ?? 0)
  return (pair >> (11 - (at & 7))) & 31
}

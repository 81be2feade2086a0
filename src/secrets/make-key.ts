/** New private keys. */
import { type KeyObject, generateKeyPair } from 'node:crypto'
import { promisify } from 'node:util'
import type { KeyKind } from '../../protocol/cose/algorithms.ts'

const generate = promisify(generateKeyPair)

/** In another thread. */
export async function makeKey(kind: KeyKind): Promise<KeyObject> {
  if (kind === 'p256') return (await generate('ec', { namedCurve: 'P-256' })).privateKey
  if (kind === 'p384') return (await generate('ec', { namedCurve: 'P-384' })).privateKey
  const modulusLength = kind === 'rsa2048' ? 2048 : 3072
  return (await generate('rsa', { modulusLength })).privateKey
}

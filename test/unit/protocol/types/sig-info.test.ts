import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encode } from '../../../../protocol/cbor/cbor.ts'
import { decodeAs } from '../../../../protocol/cbor/schema.ts'
import { PS384, RS256 } from '../../../../protocol/cose/algorithms.ts'
import { Sign1, signSign1 } from '../../../../protocol/cose/sign1.ts'
import { type Signer, signerOf } from '../../../../protocol/crypto/signer.ts'
import { isKnownSgType, sigInfoOf, verifyProof } from '../../../../protocol/types/sig-info.ts'

const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve }).privateKey
const p256 = signerOf(ec('P-256'))
const p384 = signerOf(ec('P-384'))
const rsaKey = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey
const rsa = signerOf(rsaKey)

async function proofBy(signer: Signer): Promise<Sign1> {
  return decodeAs(Sign1, await signSign1(signer, encode('claims')), 'proof').value
}
const verifies = async (signer: Signer, sgType: number) =>
  verifyProof(await proofBy(signer), sgType, signer.key)

describe('signature info', () => {
  it('announces what the key signs with', () => {
    expect(sigInfoOf(p256)).toEqual({ sgType: -7, info: new Uint8Array() })
    expect(sigInfoOf(p384).sgType).toBe(-35)
    expect(sigInfoOf(rsa).sgType).toBe(-258)
    expect(sigInfoOf(signerOf(rsaKey, PS384)).sgType).toBe(-38)
  })

  it('does not know EPID', () => {
    expect([90, 91, 92].some(isKnownSgType)).toBe(false)
    expect([-7, -35, -257, -258, -37, -38].every(isKnownSgType)).toBe(true)
  })

  it('holds a proof to what was announced', async () => {
    expect(await verifies(p256, -7)).toBe(true)
    expect(await verifies(p384, -35)).toBe(true)
    expect(await verifies(rsa, -258)).toBe(true)
    expect(await verifies(signerOf(rsaKey, PS384), -38)).toBe(true)
    expect(await verifies(signerOf(rsaKey, RS256), -258)).toBe(false)
    expect(await verifies(p384, -7)).toBe(false)
    expect(await verifies(p256, -257)).toBe(false)
  })

  it('lets a P-256 key announce ES384, as fdo-rs does, and nothing else', async () => {
    expect(await verifies(p256, -35)).toBe(true)
    expect(await verifies(rsa, -35)).toBe(false)
  })

  it('refuses a proof that names no algorithm, and one by another key', async () => {
    const proof = await proofBy(p256)
    expect(await verifyProof({ ...proof, protectedHeader: new Uint8Array() }, -7, p256.key)).toBe(
      false,
    )
    expect(await verifyProof(proof, -7, signerOf(ec('P-256')).key)).toBe(false)
  })
})

/** Certification requests that a device makes. */
import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { PS256 } from '../../../../protocol/cose/algorithms.ts'
import { signerOf } from '../../../../protocol/crypto/signer.ts'
import { buildCsr } from '../../../../protocol/x509/build-csr.ts'
import { parseCsr } from '../../../../protocol/x509/csr.ts'

const keys = {
  'P-256': generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  'P-384': generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  'RSA 2048': generateKeyPairSync('rsa', { modulusLength: 2048 }),
}

describe('buildCsr', () => {
  it.each(Object.entries(keys))('is signed by the %s key it asks for', async (_name, pair) => {
    const signer = signerOf(pair.privateKey)
    const csr = await parseCsr(await buildCsr(signer, 'device'))
    expect(toHex(csr.spki)).toBe(toHex(signer.key.spki))
    expect(Buffer.from(csr.subject).includes('device')).toBe(true)
  })

  it('is refused where anyone changed it', async () => {
    const request = new Uint8Array(await buildCsr(signerOf(keys['P-256'].privateKey), 'device'))
    const at = Buffer.from(request).indexOf('device')
    request[at] = 'D'.charCodeAt(0)
    await expect(parseCsr(request)).rejects.toMatchObject({ code: 'INVALID_MESSAGE_ERROR' })
  })

  it('is not made with an algorithm requests have no name for', async () => {
    const signer = signerOf(keys['RSA 2048'].privateKey, PS256)
    await expect(buildCsr(signer, 'device')).rejects.toThrow('PS256')
  })
})

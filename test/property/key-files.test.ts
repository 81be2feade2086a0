/** Whatever is sent as a key file is read or refused, and nothing worse. */
import { generateKeyPairSync } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { utf8 } from '../../protocol/bytes.ts'
import { sequence } from '../../protocol/x509/der.ts'
import { parsePrivateKeys } from '../../src/secrets/key-files/read.ts'
import { KeyRefused } from '../../src/secrets/key-files/refused.ts'

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pkcs8 = privateKey.export({ type: 'pkcs8', format: 'der' })
const encrypted = privateKey.export({
  type: 'pkcs8',
  format: 'der',
  cipher: 'aes-256-cbc',
  passphrase: 'x',
})
const pem = utf8(String(privateKey.export({ type: 'sec1', format: 'pem' })))

const settled = async (file: Uint8Array) => {
  const error = await parsePrivateKeys(file, { passphrase: 'x' }).catch((e: unknown) => e)
  if (error instanceof Error) expect(error).toBeInstanceOf(KeyRefused)
}

describe('a key file', () => {
  it('of any bytes is refused', async () => {
    const anything = fc.uint8Array({ maxLength: 200 })
    const file = fc.oneof(
      anything,
      anything.map((bytes) => sequence(bytes)),
      anything.map((bytes) => Uint8Array.of(0x30, 0x80, ...bytes)),
      fc
        .string()
        .map((text) => utf8(`-----BEGIN PRIVATE KEY-----${text}-----END PRIVATE KEY-----`)),
    )
    await fc.assert(fc.asyncProperty(file, settled))
  })

  it.each([
    ['PKCS#8', pkcs8],
    ['encrypted PKCS#8', encrypted],
    ['PEM', pem],
  ])('with some of its bytes changed is read or refused: %s', async (_, good) => {
    const change = fc.tuple(fc.nat(good.length - 1), fc.nat(255))
    const changed = fc.array(change, { minLength: 1, maxLength: 4 }).map((changes) => {
      const file = Uint8Array.from(good)
      for (const [at, byte] of changes) file[at] = byte
      return file
    })
    await fc.assert(fc.asyncProperty(changed, settled))
  })

  it('cut short is refused', async () => {
    for (let length = 0; length < pkcs8.length; length++) {
      const cut = parsePrivateKeys(pkcs8.subarray(0, length))
      await expect(cut).rejects.toBeInstanceOf(KeyRefused)
    }
  })
})

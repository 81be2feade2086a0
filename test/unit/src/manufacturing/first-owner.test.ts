import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { certificatesToPem } from '../../../../protocol/x509/pem.ts'
import { firstOwnerFromPem } from '../../../../src/manufacturing/first-owner.ts'
import { partsOf } from '../../../support/vouchers.ts'

const publicPem = (namedCurve: string) =>
  generateKeyPairSync('ec', { namedCurve }).publicKey.export({ type: 'spki', format: 'pem' })
const { chain } = partsOf('p384-x509-devP384')

describe('the first owner, from a file', () => {
  it('may have one key of each kind', async () => {
    const find = firstOwnerFromPem(`${publicPem('P-256')}\n${publicPem('P-384')}`)
    expect(await find('p256')).toMatchObject({ type: 10, encoding: 1 })
    expect(await find('p384')).toMatchObject({ type: 11, encoding: 1 })
    expect(await find('rsa2048')).toBeUndefined()
  })

  it('may have chains of certificates beside bare keys', async () => {
    const find = firstOwnerFromPem(`${publicPem('P-256')}${certificatesToPem(chain)}`)
    expect(await find('p384')).toMatchObject({ encoding: 2, chain })
    expect(await find('p256')).toMatchObject({ encoding: 1 })
  })

  it('tells two chains apart that follow one another', async () => {
    const other = partsOf('p256-x509-devP256').chain
    const find = firstOwnerFromPem(certificatesToPem([...chain, ...other]))
    expect(await find('p384')).toMatchObject({ chain })
    expect(await find('p256')).toMatchObject({ chain: other })
  })

  it('is not to be guessed at: two keys of a kind stop the start', () => {
    expect(() => firstOwnerFromPem(`${publicPem('P-256')}${publicPem('P-256')}`)).toThrow(
      'more than',
    )
  })

  it('is somebody', () => {
    expect(() => firstOwnerFromPem('nobody')).toThrow('neither')
    const junk = '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n'
    expect(() => firstOwnerFromPem(junk)).toThrow()
  })
})

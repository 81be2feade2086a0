import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { certificatesToPem, toPem } from '../../../../protocol/x509/pem.ts'
import { ConfigError, loadConfig } from '../../../../src/config.ts'
import { deviceAuthorities, readAuthorities } from '../../../../src/composition/trust.ts'
import { partsOf } from '../../../support/vouchers.ts'

const folder = mkdtempSync(join(tmpdir(), 'trust-'))
afterAll(() => rmSync(folder, { recursive: true }))

const { chain } = partsOf()
const [own, other] = chain

function fileOf(content: string): string {
  const path = join(folder, 'ca.pem')
  writeFileSync(path, content)
  return path
}

const trusting = (trust?: string) =>
  deviceAuthorities(loadConfig(trust === undefined ? {} : { FIRSTLIGHT_TRUST: trust }), [own!])

describe('whose devices are accepted', () => {
  it('are those of our own authority, unless told otherwise', () => {
    expect(trusting()).toEqual([own])
  })

  it('are those of a file beside our own', () => {
    const [first, second] = trusting(fileOf(certificatesToPem([other!]))) ?? []
    expect([first, second].map((der) => Buffer.from(der!))).toEqual(
      [own, other].map((der) => Buffer.from(der!)),
    )
  })

  it('are anybody’s, if told so', () => {
    expect(trusting('any')).toBeUndefined()
  })

  it.each([
    ['nothing', ''],
    ['what is no certificate', toPem('PUBLIC KEY', Uint8Array.of(1, 2, 3))],
  ])('are not those of a file with %s: the start stops', (_, content) => {
    const file = fileOf(content)
    expect(() => readAuthorities('FIRSTLIGHT_TRUST', file)).toThrow(ConfigError)
    expect(() => readAuthorities('FIRSTLIGHT_TRUST', file)).toThrow('FIRSTLIGHT_TRUST')
  })
})

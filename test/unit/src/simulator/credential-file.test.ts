/** A device's key and credential in one file. */
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { fromHex } from '../../../../protocol/bytes.ts'
import { HMAC_SHA256, SHA256, hmacOf } from '../../../../protocol/crypto/hash.ts'
import { rendezvousInfoFromText } from '../../../../protocol/types/rendezvous-text.ts'
import {
  type CredentialFile,
  readCredentialFile,
  writeCredentialFile,
} from '../../../../src/simulator/credential-file.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-credential-'))
  path = join(folder, 'device', 'credential')
})

afterEach(() => rmSync(folder, { recursive: true }))

const secret = fromHex('00'.repeat(32))
const file: CredentialFile = {
  version: 1,
  pkcs8: secret,
  hmacSecret: secret,
  serial: 'SN-1',
  model: 'camera',
  kex: 'ECDH256',
  cipher: 1,
  credential: {
    active: true,
    protVer: 101,
    hmacSecret: secret,
    deviceInfo: 'camera',
    guid: fromHex('00'.repeat(16)),
    rvInfo: rendezvousInfoFromText([{ dns: 'rv.example', protocol: 'http' }]),
    pubKeyHash: { type: SHA256, value: hmacOf(HMAC_SHA256, secret, secret).value },
  },
}

describe('the credential file', () => {
  it('gives back what was written, for its owner alone', () => {
    writeCredentialFile(path, file)
    expect(readCredentialFile(path)).toMatchObject({ serial: 'SN-1', kex: 'ECDH256' })
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })

  it('holds a key without a credential while DI is under way', () => {
    writeCredentialFile(path, { ...file, credential: null })
    expect(readCredentialFile(path)?.credential).toBeNull()
  })

  it('leaves no half-written file beside it', () => {
    writeCredentialFile(path, file)
    writeCredentialFile(path, { ...file, serial: 'SN-2' })
    expect(readdirSync(join(folder, 'device'))).toEqual(['credential'])
    expect(readCredentialFile(path)?.serial).toBe('SN-2')
  })

  it('is undefined where there is none, and a failure where it is something else', () => {
    expect(readCredentialFile(path)).toBeUndefined()
    const other = join(folder, 'other')
    writeFileSync(other, 'not a credential')
    expect(() => readCredentialFile(other)).toThrow('is not a device credential')
  })
})

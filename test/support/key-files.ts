/** Key files as OpenSSL writes them, made when they are asked for. For tests only. */
import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const PASSPHRASE = 'correct hörse'

export interface KeyFiles {
  readonly folder: string
  /** PKCS#8 PEM of the key that is in every file. */
  readonly key: string
  /** DER SubjectPublicKeyInfo, hex. */
  readonly spki: string
  /** `openssl pkcs12 -export`, with more options; under PASSPHRASE unless they say otherwise. */
  pkcs12(...options: string[]): Buffer
  /** What a command of openssl leaves in its `-out`. */
  openssl(...command: string[]): Buffer
  remove(): void
}

/** Beside the key a chain of two certificates: `leaf.pem` for it, `ca.pem` above. */
export function makeKeyFiles(): KeyFiles {
  const folder = mkdtempSync(join(tmpdir(), 'firstlight-key-files-'))
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const run = (...command: string[]) => execFileSync('openssl', command, { cwd: folder })
  const openssl = (...command: string[]) => {
    execFileSync('openssl', [...command, '-out', 'out'], { cwd: folder, stdio: 'pipe' })
    return readFileSync(join(folder, 'out'))
  }
  writeFileSync(join(folder, 'key.pem'), key)
  writeFileSync(join(folder, 'passphrase'), `${PASSPHRASE}\n`)
  const selfSigned = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256']
  run(...selfSigned, '-noenc', '-keyout', 'ca.key', '-subj', '/CN=test CA', '-out', 'ca.pem')
  const issued = ['req', '-x509', '-key', 'key.pem', '-CA', 'ca.pem', '-CAkey', 'ca.key']
  run(...issued, '-subj', '/CN=test owner', '-out', 'leaf.pem')
  const inside = ['-inkey', 'key.pem', '-in', 'leaf.pem', '-certfile', 'ca.pem']
  return {
    folder,
    key,
    spki: publicKey.export({ type: 'spki', format: 'der' }).toString('hex'),
    openssl,
    pkcs12: (...options) =>
      openssl('pkcs12', '-export', ...inside, '-passout', 'file:passphrase', ...options),
    remove: () => rmSync(folder, { recursive: true }),
  }
}

/** The token in NSS, the library of browsers, which decrypts as FDO has it. softhsm2 does not. */
import { execFileSync } from 'node:child_process'
import { createPrivateKey } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MODULES = [
  `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/libsoftokn3.so`,
  '/usr/lib64/libsoftokn3.so',
]
const found = MODULES.find((path) => existsSync(path))

/** As with softhsm2: left out with a warning, but not in CI. */
export const HAS_NSS =
  process.env.CI !== undefined || (found !== undefined && existsSync('/usr/bin/pk12util'))
if (!HAS_NSS) console.warn('libnss3-tools is not installed: decrypting in a token is NOT TESTED')

const CKF_OS_LOCKING_OK = 2

interface Module {
  load(path: string): void
  C_Initialize(options: object): void
  C_Finalize(): void
}

export class NssToken {
  readonly #folder = mkdtempSync(join(tmpdir(), 'firstlight-nss-'))
  readonly #module: Module
  readonly config = {
    module: found ?? 'libnss3 is not installed',
    token: 'NSS Certificate DB',
    pinFile: join(this.#folder, 'pin'),
  }

  /** One key, PKCS#8 in hex, with a certificate: NSS takes it no other way. */
  constructor(pkcs8: string) {
    writeFileSync(this.config.pinFile, 'not a secret\n', { mode: 0o600 })
    const der = Buffer.from(pkcs8, 'hex')
    const key = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    writeFileSync(join(this.#folder, 'key'), key.export({ type: 'pkcs8', format: 'pem' }))
    this.#run('openssl', 'req', '-x509', '-key', 'key', '-subj', '/CN=test', '-out', 'crt')
    const inside = ['-inkey', 'key', '-in', 'crt', '-name', 'owner']
    this.#run('openssl', 'pkcs12', '-export', ...inside, '-passout', 'pass:x', '-out', 'p12')
    this.#run('certutil', '-N', '-d', 'sql:.', '-f', 'pin')
    this.#run('pk12util', '-i', 'p12', '-d', 'sql:.', '-k', 'pin', '-W', 'x')
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Module }
    this.#module = new PKCS11()
    this.#module.load(this.config.module)
    // It wants to be told where its files are by whoever in the process comes first. The binding
    // forgets the last character.
    const where = `configdir='sql:${this.#folder}' certPrefix='' keyPrefix='' secmod='' flags=  `
    this.#module.C_Initialize({ libraryParameters: where, flags: CKF_OS_LOCKING_OK })
  }

  remove(): void {
    this.#module.C_Finalize()
    rmSync(this.#folder, { recursive: true })
  }

  #run(program: string, ...args: string[]): void {
    execFileSync(program, args, { cwd: this.#folder, stdio: 'pipe' })
  }
}

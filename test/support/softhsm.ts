/** Tokens of softhsm2, which keeps in files what a hardware module keeps to itself. */
import { execFileSync } from 'node:child_process'
import { type KeyObject, createPrivateKey } from 'node:crypto'
import { createRequire } from 'node:module'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib64/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
]
const found = MODULES.find((path) => existsSync(path))

/** Tests of tokens are left out without softhsm2, but not in CI, where they must fail. */
export const HAS_SOFTHSM = found !== undefined || process.env.CI !== undefined
if (!found) console.warn('softhsm2 is not installed: keys in tokens are NOT TESTED here')

export const PIN = '314159'

/** What the service itself has no use for, of the binding. */
interface Module {
  load(path: string): void
  C_Initialize(): void
  C_Finalize(): void
  C_GetSlotList(tokenPresent: boolean): Buffer[]
  C_GetTokenInfo(slot: Buffer): { label: string }
  C_OpenSession(slot: Buffer, flags: number): Buffer
  C_CloseAllSessions(slot: Buffer): void
  C_Login(session: Buffer, user: number, pin: string): void
  C_FindObjectsInit(session: Buffer, template: object[]): void
  C_FindObjects(session: Buffer, most: number): Buffer[]
  C_FindObjectsFinal(session: Buffer): void
  C_CreateObject(session: Buffer, template: object[]): Buffer
  C_DestroyObject(session: Buffer, object: Buffer): void
}

const CKF_READ_AND_WRITE = 2 | 4
const CKU_USER = 1
const [CKA_CLASS, CKA_TOKEN, CKA_VALUE, CKA_CERTIFICATE_TYPE, CKA_SUBJECT, CKA_ID] = [
  0, 1, 0x11, 0x80, 0x101, 0x102,
]
const [CKO_CERTIFICATE, CKO_PUBLIC_KEY] = [1, 2]

export class SoftHsm {
  readonly folder = mkdtempSync(join(tmpdir(), 'firstlight-softhsm-'))
  readonly module = found ?? 'softhsm2 is not installed'
  readonly pinFile = join(this.folder, 'pin')

  /** From here on it is this process's softhsm2: it is told where its tokens are once. */
  constructor() {
    mkdirSync(join(this.folder, 'tokens'))
    const file = join(this.folder, 'softhsm2.conf')
    writeFileSync(file, `directories.tokendir = ${this.folder}/tokens\nlog.level = ERROR\n`)
    process.env.SOFTHSM2_CONF = file
    writeFileSync(this.pinFile, `${PIN}\n`, { mode: 0o600 })
  }

  initToken(label: string): void {
    this.#util('--init-token', '--free', '--label', label, '--so-pin', '271828', '--pin', PIN)
  }

  deleteToken(label: string): void {
    this.#util('--delete-token', '--token', label)
  }

  /** Both halves of a key; `id` in hex. */
  add(token: string, label: string, id: string, key: KeyObject): void {
    const file = join(this.folder, 'key.pem')
    writeFileSync(file, key.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
    this.#util('--import', file, '--token', token, '--label', label, '--id', id, '--pin', PIN)
    rmSync(file)
  }

  addPkcs8(token: string, label: string, id: string, hex: string): void {
    const key = Buffer.from(hex, 'hex')
    this.add(token, label, id, createPrivateKey({ key, format: 'der', type: 'pkcs8' }))
  }

  /** In the place of the public half of a key, which must be the only one with its ID. */
  putCertificate(token: string, id: string, certificate?: Uint8Array, subject?: Uint8Array): void {
    const module = this.otherUser()
    module.C_Initialize()
    const isIt = (slot: Buffer) => module.C_GetTokenInfo(slot).label.trim() === token
    const slot = module.C_GetSlotList(true).find(isIt)
    if (!slot) throw new Error(`no token ${token}`)
    const session = module.C_OpenSession(slot, CKF_READ_AND_WRITE)
    module.C_Login(session, CKU_USER, PIN)
    const wanted = { type: CKA_ID, value: Buffer.from(id, 'hex') }
    module.C_FindObjectsInit(session, [{ type: CKA_CLASS, value: CKO_PUBLIC_KEY }, wanted])
    const [half] = module.C_FindObjects(session, 1)
    module.C_FindObjectsFinal(session)
    if (half) module.C_DestroyObject(session, half)
    if (certificate && subject) {
      module.C_CreateObject(session, [
        { type: CKA_CLASS, value: CKO_CERTIFICATE },
        { type: CKA_TOKEN, value: true },
        { type: CKA_CERTIFICATE_TYPE, value: 0 },
        { type: CKA_SUBJECT, value: Buffer.from(subject) },
        { type: CKA_VALUE, value: Buffer.from(certificate) },
        wanted,
      ])
    }
    module.C_Finalize()
  }

  /** Another part of this process that uses the module. */
  otherUser(): Module {
    const { PKCS11 } = createRequire(import.meta.url)('pkcs11js') as { PKCS11: new () => Module }
    const module = new PKCS11()
    module.load(this.module)
    return module
  }

  /** Ends the sessions of everybody in this process. */
  endSessions(): void {
    const module = this.otherUser()
    for (const slot of module.C_GetSlotList(true)) module.C_CloseAllSessions(slot)
  }

  /** softhsm2 looks for tokens when it begins. */
  endModule(): void {
    this.otherUser().C_Finalize()
  }

  config(token: string) {
    return { module: this.module, token, pinFile: this.pinFile }
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }

  #util(...command: string[]): void {
    execFileSync('softhsm2-util', command, { stdio: 'pipe' })
  }
}

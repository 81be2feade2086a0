/**
 * One session with a token, opened when it is needed and again when it has been lost. Every call
 * waits for the token: this runs in a thread of its own.
 */
import { hash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Bytes, EMPTY, concat, utf8 } from '../../../protocol/bytes.ts'
import type { SignatureAlgorithm } from '../../../protocol/cose/algorithms.ts'
import { octetString } from '../../../protocol/x509/der.ts'
import type { Cryptoki, Handle } from './cryptoki.ts'
import { Login } from './login.ts'
import { DECRYPTING, signingMechanism } from './mechanisms.ts'
import { type TokenKey, privateKeysOf } from './objects.ts'
import { TokenError, asTokenError, codeOf } from './token-error.ts'

export interface TokenOptions {
  /** The module's shared library. */
  readonly module: string
  /** The token's label. */
  readonly token: string
  /** A file with the PIN in its first line. */
  readonly pinFile: string
  /** What the threads of one process know of the PIN together; from `newLoginState`. */
  readonly login: SharedArrayBuffer
}

export type Task =
  | { readonly do: 'list' }
  | {
      readonly do: 'sign'
      readonly key: string
      readonly algorithm: SignatureAlgorithm['name']
      readonly data: Bytes
    }
  | { readonly do: 'decrypt'; readonly key: string; readonly data: Bytes }

export interface Listed {
  readonly id: string
  readonly label: string
  /** Undefined where the token has no public half of it that FDO has a use for. */
  readonly spki: Bytes | undefined
}

export type Result = Bytes | readonly Listed[]

const CKF_OS_LOCKING_OK = 2
const CKF_SERIAL_SESSION = 4
/** More than any signature or plaintext here. */
const ROOM_BYTES = 1024

/** After these another session may do better. */
const LOST: readonly string[] = [
  'CKR_CRYPTOKI_NOT_INITIALIZED',
  'CKR_DEVICE_ERROR',
  'CKR_DEVICE_REMOVED',
  'CKR_KEY_HANDLE_INVALID',
  'CKR_OBJECT_HANDLE_INVALID',
  'CKR_OPERATION_ACTIVE',
  'CKR_SESSION_CLOSED',
  'CKR_SESSION_HANDLE_INVALID',
  'CKR_SLOT_ID_INVALID',
  'CKR_TOKEN_NOT_PRESENT',
  'CKR_TOKEN_NOT_RECOGNIZED',
  'CKR_USER_NOT_LOGGED_IN',
]

interface Open {
  readonly session: Handle
  readonly keys: ReadonlyMap<string, Handle>
  readonly listed: readonly Listed[]
}

export class TokenSession {
  readonly #module: Cryptoki
  readonly #options: TokenOptions
  readonly #login: Login
  #isLoaded = false
  #open: Open | undefined

  constructor(module: Cryptoki, options: TokenOptions) {
    this.#module = module
    this.#options = options
    this.#login = new Login(options.login)
  }

  /** Tries once more in a new session where this one is lost. Throws TokenError. */
  run(task: Task): Result {
    try {
      return this.#run(task)
    } catch (error) {
      if (!LOST.includes(codeOf(error) ?? '')) throw error
      this.close()
      return this.#run(task)
    }
  }

  close(): void {
    const open = this.#open
    this.#open = undefined
    if (open) this.#closeSession(open.session)
  }

  #run(task: Task): Result {
    if (task.do === 'list') {
      // What has been added since shows in a new session.
      this.close()
      return this.#opened().listed
    }
    const { session, keys } = this.#opened()
    const key = keys.get(task.key)
    if (!key) throw new TokenError(`the token ${this.#options.token} has no key ${task.key}`)
    try {
      return this.#use(task, session, key)
    } catch (cause) {
      throw asTokenError(`the token ${this.#options.token} did not ${task.do}`, cause)
    }
  }

  #use(task: Exclude<Task, { do: 'list' }>, session: Handle, key: Handle): Bytes {
    const data = Buffer.from(task.data)
    const room = Buffer.alloc(ROOM_BYTES)
    const module = this.#module
    if (task.do === 'sign') {
      module.C_SignInit(session, signingMechanism(task.algorithm), key)
      return Uint8Array.from(module.C_Sign(session, data, room))
    }
    module.C_DecryptInit(session, DECRYPTING, key)
    const plaintext = Uint8Array.from(module.C_Decrypt(session, data, room))
    room.fill(0)
    return plaintext
  }

  #opened(): Open {
    return (this.#open ??= this.#begin())
  }

  #begin(): Open {
    const { token } = this.#options
    this.#load()
    const slot = this.#findSlot()
    let session: Handle | undefined
    try {
      session = this.#module.C_OpenSession(slot, CKF_SERIAL_SESSION)
      this.#logIn(session)
      const found = privateKeysOf(this.#module, session).map((key) => ({ ...key, id: idOf(key) }))
      const keys = new Map(found.map(({ id, handle }) => [id, handle]))
      return { session, keys, listed: found.map(({ id, label, spki }) => ({ id, label, spki })) }
    } catch (cause) {
      if (session) this.#closeSession(session)
      throw asTokenError(`the token ${token} cannot be opened`, cause)
    }
  }

  #load(): void {
    const { module } = this.#options
    try {
      if (!this.#isLoaded) this.#module.load(module)
      this.#isLoaded = true
      this.#module.C_Initialize({ flags: CKF_OS_LOCKING_OK })
    } catch (cause) {
      // Another thread was first, or this one before.
      if (codeOf(cause) === 'CKR_CRYPTOKI_ALREADY_INITIALIZED') return
      throw asTokenError(`the PKCS#11 module ${module} cannot be used`, cause)
    }
  }

  #findSlot(): Handle {
    const { module, token } = this.#options
    const slots = this.#module.C_GetSlotList(true)
    const labels = slots.map((slot) => this.#module.C_GetTokenInfo(slot).label.trimEnd())
    const found = slots.filter((_, at) => labels[at] === token)
    const [slot] = found
    if (slot && found.length === 1) return slot
    throw new TokenError(
      found.length > 1
        ? `${found.length} tokens of ${module} are called ${token}: give each a name of its own`
        : `${module} has no token ${token}, but ${labels.filter(Boolean).join(', ') || 'none at all'}`,
    )
  }

  #logIn(session: Handle): void {
    const { token, pinFile } = this.#options
    const pin = readFileSync(pinFile, 'utf8').split(/\r?\n/)[0] ?? ''
    this.#login.once(`the token ${token} does not take the PIN in ${pinFile}`, (user) =>
      this.#module.C_Login(session, user, pin),
    )
  }

  #closeSession(session: Handle): void {
    try {
      this.#module.C_CloseSession(session)
    } catch {
      // It is lost; that is why.
    }
  }
}

/** One key may be there twice, and another may claim to be it: the token's own names count too. */
function idOf({ id, label, spki = EMPTY }: TokenKey): string {
  const name = concat(hash('sha256', spki, 'buffer'), octetString(id), utf8(label))
  return `pkcs11_${hash('sha256', name, 'hex').slice(0, 32)}`
}

/**
 * Logging in to a token, for all threads of the process together: its sessions share one login, and
 * after a few wrong PINs a token locks itself for good.
 */
import { TokenError, codeOf } from './token-error.ts'

const CKU_USER = 1

const LOCK = 0
const REFUSED = 1
const FREE = 0
const HELD = 1

export function newLoginState(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
}

export class Login {
  readonly #state: Int32Array

  constructor(state: SharedArrayBuffer) {
    this.#state = new Int32Array(state)
  }

  /** Calls `logIn` while no other thread does. A PIN once refused is not tried again: TokenError. */
  once(refusal: string, logIn: (user: number) => void): void {
    while (Atomics.compareExchange(this.#state, LOCK, FREE, HELD) !== FREE) {
      Atomics.wait(this.#state, LOCK, HELD)
    }
    try {
      this.#logIn(refusal, logIn)
    } finally {
      Atomics.store(this.#state, LOCK, FREE)
      Atomics.notify(this.#state, LOCK, 1)
    }
  }

  #logIn(refusal: string, logIn: (user: number) => void): void {
    if (Atomics.load(this.#state, REFUSED)) {
      throw new TokenError(`${refusal}, and it is not tried again: put it right and restart`)
    }
    try {
      logIn(CKU_USER)
    } catch (cause) {
      const code = codeOf(cause)
      if (code === 'CKR_USER_ALREADY_LOGGED_IN') return
      if (!code?.startsWith('CKR_PIN_')) throw cause
      Atomics.store(this.#state, REFUSED, 1)
      throw new TokenError(`${refusal} (${code}): put it right and restart`, code)
    }
  }
}

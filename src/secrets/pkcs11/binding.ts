/** The binding to PKCS#11 modules: native, optional, and loaded only where a token is configured. */
import type { Cryptoki } from './cryptoki.ts'
import { TokenError } from './token-error.ts'

interface Binding {
  readonly PKCS11: new () => Cryptoki
}

/** A string to the compiler, which need not find it. */
const load = (): Promise<{ default: Binding }> => import('pkcs11js' as string)

/** Throws TokenError where it is not installed. */
export async function loadBinding(from = load): Promise<Cryptoki> {
  try {
    const { default: binding } = await from()
    return new binding.PKCS11()
  } catch (cause) {
    throw new TokenError(
      'a PKCS#11 token is configured, but the package pkcs11js is not there or was not built: ' +
        'install a C++ compiler and python3, then run npm install again',
      undefined,
      { cause },
    )
  }
}

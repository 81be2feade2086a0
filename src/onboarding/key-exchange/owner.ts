/** The Owner's key exchange in this service: Diffie-Hellman in a thread, everything else in place. */
import { EMPTY } from '../../../protocol/bytes.ts'
import { type DhName, GROUPS } from '../../../protocol/crypto/kex/dh.ts'
import type { KexName } from '../../../protocol/crypto/kex/suites.ts'
import { deriveTunnelKey } from '../../../protocol/crypto/kex/tunnel.ts'
import { type OwnerKeyExchange, keyExchange } from '../../../protocol/to2/key-exchange.ts'
import { DhThread } from './thread.ts'

export interface ServiceKeyExchange extends OwnerKeyExchange {
  /** Ends the thread, if there is one. */
  stop(): Promise<void>
}

/** Undefined where the sources run as they are, in tests: a thread of Node 20 reads no TypeScript. */
const PROGRAM = import.meta.url.endsWith('.js') ? new URL('worker.js', import.meta.url) : undefined

/** Without a program for the thread all is done in place. */
export function openKeyExchange(program: URL | undefined = PROGRAM): ServiceKeyExchange {
  return program ? threaded(new DhThread(program)) : { ...keyExchange, stop: async () => {} }
}

function threaded(thread: DhThread): ServiceKeyExchange {
  return {
    async start(suites, randomBytes) {
      const group = suites.kex.name
      if (!isDh(group)) return await keyExchange.start(suites, randomBytes)
      // Drawn here and at once, as it is in place: a recorded run must find the same numbers.
      const secret = randomBytes(GROUPS[group].exponentBytes)
      return { xA: await thread.ask({ group, exponent: secret }), secret }
    },
    async finish(suites, secret, xB, ownerSigner) {
      const group = suites.kex.name
      if (!isDh(group)) return await keyExchange.finish(suites, secret, xB, ownerSigner)
      const shSe = await thread.ask({ group, exponent: secret, received: xB })
      return deriveTunnelKey(suites.cipher, { shSe, contextRand: EMPTY })
    },
    stop: () => thread.stop(),
  }
}

function isDh(name: KexName): name is DhName {
  return name in GROUPS
}

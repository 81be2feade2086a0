/**
 * The tunnel of one TO2 run as it is kept between two messages: its key, the nonces used in it,
 * and the steps whose messages travel through it. FDO 1.1, "Encrypted Message".
 */
import { type Bytes, EMPTY, concat, equalBytes } from '../bytes.ts'
import { type Infer, bytes, decodeAs, encodeAs, int, tuple } from '../cbor/schema.ts'
import { type Cipher, CIPHERS } from '../crypto/kex/suites.ts'
import { openMessage, sealMessage } from '../crypto/kex/tunnel.ts'
import { RepeatError } from '../errors.ts'
import { type Handler, type Step, on } from '../role.ts'
import type { RandomBytes } from '../types/base.ts'
import type { SealedMessageType } from './messages.ts'

/** A nonce this short may come up twice by chance: it is counted up, not drawn. */
const COUNTED_NONCE_BYTES = 7
/** The first bit of a counted nonce tells who sent it: both parties use the same key. */
const OWNER_BIT = 0x80
/** How many of the peer's nonces are remembered; replaying an older message gains nothing. */
const REMEMBERED_NONCES = 1024

export const Tunnel = tuple({
  cipher: int,
  key: bytes(),
  /** Counted nonces only: the one our next message gets. */
  nextNonce: bytes(),
  /** The nonces of the messages received, run together. */
  seen: bytes(),
})
export type Tunnel = Infer<typeof Tunnel>

export type Party = 'owner' | 'device'

export function startTunnel(
  cipher: Cipher,
  key: Bytes,
  party: Party,
  randomBytes: RandomBytes,
): Tunnel {
  const { id, nonceBytes } = cipher
  if (nonceBytes !== COUNTED_NONCE_BYTES) {
    return { cipher: id, key, nextNonce: EMPTY, seen: EMPTY }
  }
  const first = Uint8Array.from(randomBytes(nonceBytes))
  const low = (first[0] ?? 0) & ~OWNER_BIT
  first[0] = party === 'owner' ? low | OWNER_BIT : low
  return { cipher: id, key, nextNonce: first, seen: EMPTY }
}

/** Seals one message; the tunnel it gives must be kept before the message leaves. */
export function sealInto(
  tunnel: Tunnel,
  plaintext: Bytes,
  randomBytes: RandomBytes,
): { message: Bytes; tunnel: Tunnel } {
  const cipher = cipherOf(tunnel)
  if (tunnel.nextNonce.length === 0) {
    const nonce = randomBytes(cipher.nonceBytes)
    return { message: sealMessage(cipher, tunnel.key, nonce, plaintext), tunnel }
  }
  // A foreign peer picks its nonces freely, from our half too: never one it has used.
  let nonce = tunnel.nextNonce
  while (hasSeen(tunnel.seen, nonce)) nonce = nonceAfter(nonce)
  return {
    message: sealMessage(cipher, tunnel.key, nonce, plaintext),
    tunnel: { ...tunnel, nextNonce: nonceAfter(nonce) },
  }
}

/** Throws INVALID_MESSAGE_ERROR, whatever is wrong: a recorded message sent once more, too. */
export function openFrom(tunnel: Tunnel, message: Bytes): { plaintext: Bytes; tunnel: Tunnel } {
  const { plaintext, nonce } = openMessage(cipherOf(tunnel), tunnel.key, message)
  if (hasSeen(tunnel.seen, nonce)) {
    throw new RepeatError('INVALID_MESSAGE_ERROR', 'a nonce used before in this run')
  }
  const latest = tunnel.seen.subarray(-(REMEMBERED_NONCES - 1) * nonce.length)
  return { plaintext, tunnel: { ...tunnel, seen: concat(latest, nonce) } }
}

function cipherOf(tunnel: Tunnel): Cipher {
  const cipher = CIPHERS.get(tunnel.cipher)
  if (!cipher) throw new Error(`a tunnel of unknown cipher suite ${tunnel.cipher}`)
  return cipher
}

function hasSeen(seen: Bytes, nonce: Bytes): boolean {
  for (let at = 0; at < seen.length; at += nonce.length) {
    if (equalBytes(seen.subarray(at, at + nonce.length), nonce)) return true
  }
  return false
}

/** Counts up, the first bit staying what it is. */
function nonceAfter(nonce: Bytes): Bytes {
  const next = Uint8Array.from(nonce)
  for (let i = next.length - 1; i >= 0; i--) {
    const byte = ((next[i] ?? 0) + 1) & 0xff
    next[i] = byte
    if (byte !== 0) break
  }
  next[0] = ((next[0] ?? 0) & ~OWNER_BIT) | ((nonce[0] ?? 0) & OWNER_BIT)
  return next
}

/** What goes into the tunnel: a message that is not sealed yet. */
export interface Inside {
  readonly number: number
  readonly plaintext: Bytes
}

export function insideOf<T>(type: SealedMessageType<T>, body: T): Inside {
  return { number: type.number, plaintext: encodeAs(type.inside, body) }
}

/** A step within the tunnel: its reply is still to be sealed. */
export type InnerStep<State, Effect> = Omit<Step<State, Effect>, 'reply'> & {
  readonly reply: Inside | null
}

interface Tunnelled {
  readonly tunnel: Tunnel
}

/** A step whose message arrives sealed and whose reply, if any, leaves sealed. */
export function onSealed<
  T,
  Before extends Tunnelled,
  State,
  Context extends { readonly randomBytes: RandomBytes },
  Effect,
>(
  type: SealedMessageType<T>,
  step: (
    state: Before,
    body: T,
    context: Context,
  ) => Promise<InnerStep<State, Effect>> | InnerStep<State, Effect>,
): Handler<Before, State, Context, Effect> {
  return on(type, async (before: Before, sealed: Bytes, context: Context) => {
    const { plaintext, tunnel } = openFrom(before.tunnel, sealed)
    const body = decodeAs(type.inside, plaintext, type.name)
    const inner = await step({ ...before, tunnel }, body, context)
    return sealStep(inner, tunnel, context.randomBytes)
  })
}

/** Seals a step's reply, and leaves the tunnel it gives in the next state. */
export function sealStep<State, Effect>(
  inner: InnerStep<State, Effect>,
  tunnel: Tunnel,
  randomBytes: RandomBytes,
): Step<State, Effect> {
  const { reply, ...rest } = inner
  if (!reply) return { ...rest, reply: null }
  const sealed = sealInto(tunnel, reply.plaintext, randomBytes)
  const next = rest.next && { ...rest.next, tunnel: sealed.tunnel }
  return { ...rest, next, reply: { number: reply.number, bytes: sealed.message } }
}

/** An FDO message type: its number on the wire, its name in the spec, its body. */
import type { Bytes } from './bytes.ts'
import { type Schema, decodeAs, encodeAs } from './cbor/schema.ts'

export interface MessageType<Body> {
  readonly number: number
  readonly name: string
  readonly body: Schema<Body>
}

/** A message ready to send, or as received. */
export interface Message {
  readonly number: number
  readonly bytes: Bytes
}

export function messageType<Body>(
  number: number,
  name: string,
  body: Schema<Body>,
): MessageType<Body> {
  return { number, name, body }
}

export type BodyOf<M> = M extends MessageType<infer Body> ? Body : never

export function messageOf<Body>(type: MessageType<Body>, body: Body): Message {
  return { number: type.number, bytes: encodeAs(type.body, body) }
}

/** A message whose body someone else signed, or that is sealed, sent as these very bytes. */
export function messageOfBytes(type: MessageType<unknown>, bytes: Bytes): Message {
  return { number: type.number, bytes }
}

export function bodyOf<Body>(type: MessageType<Body>, bytes: Bytes): Body {
  return decodeAs(type.body, bytes, type.name)
}

/** The small types that many messages share. FDO 1.1, "Base Protocol Types". */
import { type Infer, bytes, int, oneOf, tuple } from '../cbor/schema.ts'
import type { Bytes } from '../bytes.ts'

/** `Guid = bstr .size 16`: names a Device from one Owner to the next. */
export const Guid = bytes(16)
export type Guid = Infer<typeof Guid>

/** `Nonce = bstr .size 16`. */
export const Nonce = bytes(16)
export type Nonce = Infer<typeof Nonce>

/** The protocol version in vouchers, headers and the path: `protver`. */
export const ProtVer = oneOf(101)
export const PROT_VER = 101

/**
 * `SigInfo = [sgType: int, Info: bstr]`. Which types are accepted is the role's to say, so that
 * an unknown one is refused as INVALID_MESSAGE_ERROR.
 */
export const SigInfo = tuple({ sgType: int, info: bytes() })
export type SigInfo = Infer<typeof SigInfo>

/** Makes random bytes; injected everywhere, so that a recorded run can be replayed. */
export type RandomBytes = (length: number) => Bytes

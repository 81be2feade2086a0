/** What an owner module sends as a file: a content of the plan, or bytes made for this device. */
import type { Bytes } from '../bytes.ts'
import { type Infer, bytes, nullable, text, tuple, uint } from '../cbor/schema.ts'
import { SHA384, hashOf } from '../crypto/hash.ts'
import type { OwnerModuleContext } from '../service-info/module.ts'
import type { PieceSource } from './pieces.ts'

/** A content that is looked up piece by piece; its length and hash are known beforehand. */
export const ContentFile = tuple({ name: text, ref: text, length: uint(), sha384: bytes(48) })
export type ContentFile = Infer<typeof ContentFile>

/** A file to send: `inline` holds what was made in this run, and is looked up nowhere. */
export const OutgoingFile = tuple({
  name: text,
  ref: text,
  length: uint(),
  sha384: bytes(48),
  inline: nullable(bytes()),
})
export type OutgoingFile = Infer<typeof OutgoingFile>

export function outgoingContent(file: ContentFile): OutgoingFile {
  return { ...file, inline: null }
}

export function outgoingBytes(name: string, content: Bytes): OutgoingFile {
  const sha384 = hashOf(SHA384, content).value
  return { name, ref: '', length: content.length, sha384, inline: content }
}

/** Where the pieces of a file come from. */
export function sourceOf(file: OutgoingFile, context: OwnerModuleContext): PieceSource {
  const { ref, length, inline } = file
  if (inline) return { length, read: (offset, size) => inline.subarray(offset, offset + size) }
  return { length, read: (offset, size) => context.readContent(ref, offset, size) }
}

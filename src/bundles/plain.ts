/** Vouchers one after the other: PEM blocks, or a CBOR sequence (RFC 8742). */
import type { Bytes } from '../../protocol/bytes.ts'
import { Major, endOfItem } from '../../protocol/cbor/scan.ts'
import { FdoError } from '../../protocol/errors.ts'
import { isPem } from '../../protocol/voucher/pem.ts'
import { MAX_VOUCHER_BYTES } from '../../protocol/voucher/voucher.ts'
import type { ByteReader } from './byte-reader.ts'
import type { BundleFlaw, BundleItems, Flaw } from './item.ts'

/** `name` is that of the file they are in. */
export async function* plainVouchers(reader: ByteReader, name: string | null): BundleItems {
  const start = await reader.peek(1)
  if (start.length === 0) {
    if (name !== null) yield flawed(name, 'malformed', 'there is nothing in it')
  } else if (isPem(start)) yield* pemVouchers(reader, name)
  else yield* sequence(reader, name)
}

/**
 * What could be a single voucher is good as a whole or not at all. In what is longer, there is no
 * telling behind an item that is no CBOR where the next one begins.
 */
async function* sequence(reader: ByteReader, name: string | null): BundleItems {
  const start = await reader.peek(MAX_VOUCHER_BYTES + 1)
  if (start.length <= MAX_VOUCHER_BYTES && !isSequence(start)) {
    yield { name, bytes: new Uint8Array(start) }
    return
  }
  for (;;) {
    const window = await reader.peek(MAX_VOUCHER_BYTES + 1)
    if (window.length === 0) return
    const end = endOrFlaw(window)
    if (typeof end !== 'number') {
      yield flawed(
        name,
        end.flaw,
        `${end.detail}; what follows byte ${reader.position} is not read`,
      )
      return
    }
    const bytes = new Uint8Array(window.subarray(0, end))
    reader.skip(end)
    yield { name, bytes }
  }
}

/** Whether it is arrays, as vouchers are, from its first byte to its last. */
function isSequence(bytes: Bytes): boolean {
  let at = 0
  while (at < bytes.length) {
    if ((bytes[at] ?? 0) >> 5 !== Major.ARRAY) return false
    try {
      at = endOfItem(bytes, at)
    } catch (error) {
      if (error instanceof FdoError) return false
      throw error
    }
  }
  return true
}

function endOrFlaw(window: Bytes): number | { readonly flaw: Flaw; readonly detail: string } {
  try {
    const end = endOfItem(window, 0)
    return end <= MAX_VOUCHER_BYTES ? end : TOO_LONG
  } catch (error) {
    if (!(error instanceof FdoError)) throw error
    if (window.length > MAX_VOUCHER_BYTES && error.message.endsWith('truncated')) return TOO_LONG
    return { flaw: 'malformed', detail: error.message }
  }
}

const TOO_LONG = { flaw: 'too-large', detail: `more than ${MAX_VOUCHER_BYTES} bytes` } as const

const BEGIN = '-----BEGIN OWNERSHIP VOUCHER-----'
const END = '-----END OWNERSHIP VOUCHER-----'
/** The longest voucher in lines of 64, and room for those who end lines in two bytes and indent. */
const MOST_BLOCK_CHARACTERS = 2 * MAX_VOUCHER_BYTES

/** A block that is damaged costs that block alone: the next one begins by itself. */
async function* pemVouchers(reader: ByteReader, name: string | null): BundleItems {
  let blocks = 0
  while (await findBegin(reader)) {
    blocks++
    const window = await reader.peek(MOST_BLOCK_CHARACTERS)
    const end = window.indexOf(END)
    const next = window.indexOf('-----BEGIN ')
    const isCutOff = end < 0 || (next >= 0 && next < end)
    if (isCutOff) {
      const isTooLong = next < 0 && window.length >= MOST_BLOCK_CHARACTERS
      yield isTooLong
        ? flawed(name, TOO_LONG.flaw, `PEM block ${blocks}: ${TOO_LONG.detail}`)
        : flawed(name, 'malformed', `PEM block ${blocks} has no end`)
      continue
    }
    const bytes = decoded(window.toString('latin1', 0, end))
    reader.skip(end + END.length)
    if (!bytes) yield flawed(name, 'malformed', `PEM block ${blocks} is not base64`)
    else if (bytes.length > MAX_VOUCHER_BYTES) {
      yield flawed(name, TOO_LONG.flaw, `PEM block ${blocks}: ${TOO_LONG.detail}`)
    } else yield { name, bytes }
  }
  if (blocks === 0) yield flawed(name, 'malformed', 'no PEM block OWNERSHIP VOUCHER in it')
}

/** Passes over all before the next block, and over its first line; false where there is none. */
async function findBegin(reader: ByteReader): Promise<boolean> {
  for (;;) {
    const held = await reader.peek(BEGIN.length)
    const at = held.indexOf(BEGIN)
    if (at >= 0) {
      reader.skip(at + BEGIN.length)
      return true
    }
    if (held.length < BEGIN.length) return false
    reader.skip(held.length - BEGIN.length + 1)
  }
}

function decoded(text: string): Bytes | undefined {
  const letters = text.replaceAll(/\s+/g, '')
  if (letters.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(letters)) return undefined
  return new Uint8Array(Buffer.from(letters, 'base64'))
}

export function flawed(name: string | null, flaw: Flaw, detail: string): BundleFlaw {
  return { name, flaw, detail }
}

/**
 * Vouchers in a tar archive. Nothing of it is written to a disk, so that names are only shown. A
 * damaged header costs the files up to the next good one.
 */
import type { Bytes } from '../../protocol/bytes.ts'
import { ByteReader } from './byte-reader.ts'
import { findUnreadable } from './formats.ts'
import type { BundleItems } from './item.ts'
import type { BundleLimits, ItemCount } from './limits.ts'
import { flawed, plainVouchers } from './plain.ts'
import { BLOCK, type TarHeader, isZero, tarHeaderOf } from './tar-header.ts'

/** Names and the like that did not fit into a header. */
const MOST_EXTENSION_BYTES = 65_536

/** What holds for the next file, beside its header. */
interface Extension {
  name?: string | undefined
  size?: number | undefined
  isSparse?: boolean
}

export async function* tarVouchers(
  reader: ByteReader,
  limits: BundleLimits,
  count: ItemCount,
): BundleItems {
  let extension: Extension = {}
  let isLost = false
  for (;;) {
    const block = (await reader.peek(BLOCK)).subarray(0, BLOCK)
    if (block.length === 0) return
    const header = tarHeaderOf(block)
    const { position } = reader
    reader.skip(block.length)
    // The end is two blocks of zeros. Archives may be joined, and what packs them has its own end.
    if (!header && block.length === BLOCK && isZero(block)) continue
    if (!header || !isSize(header.size)) {
      if (!isLost) yield flawed(null, 'archive-broken', `tar: no header at byte ${position}`)
      isLost = true
      continue
    }
    isLost = false
    count.add()
    if (isExtension(header)) {
      extension = { ...extension, ...(await readExtension(reader, header)) }
      continue
    }
    yield* entry(reader, headed(header, extension), limits)
    extension = {}
  }
}

function isSize(size: number): boolean {
  return Number.isSafeInteger(size) && size >= 0
}

function headed({ name, size, type }: TarHeader, extension: Extension): TarHeader {
  return {
    name: shown(extension.name ?? name),
    size: extension.size ?? size,
    type: extension.isSparse ? 'S' : type,
  }
}

async function* entry(reader: ByteReader, header: TarHeader, limits: BundleLimits): BundleItems {
  const { name, size, type } = header
  if (type === '5' || (isFile(type) && name.endsWith('/'))) return reader.pass(padded(size))
  if (!isFile(type)) {
    // Links and devices have no content, whatever size they give.
    yield flawed(name, 'not-a-file', KINDS[type] ?? `no kind of file that is known: ${shown(type)}`)
    if (type === '1' || type === '2') return
    return reader.pass(padded(size))
  }
  if (size > limits.fileBytes) {
    yield flawed(name, 'too-large', `a file may be ${limits.fileBytes} bytes long`)
    return reader.pass(padded(size))
  }
  const before = reader.position
  yield* fileVouchers(reader.portion(size), name)
  const isCutOff = (await reader.peek(1)).length === 0 && reader.position - before < size
  if (isCutOff) yield flawed(name, 'archive-broken', 'tar: cut off in this file')
  await reader.pass(before + padded(size) - reader.position)
}

async function* fileVouchers(content: AsyncIterable<Bytes>, name: string): BundleItems {
  const reader = new ByteReader(content)
  const unreadable = findUnreadable(await reader.peek(BLOCK))
  if (unreadable === undefined) yield* plainVouchers(reader, name)
  else yield flawed(name, 'not-supported', `${unreadable} inside an archive`)
}

function isFile(type: string): boolean {
  return type === '0' || type === '7'
}

const KINDS: Readonly<Record<string, string>> = {
  '1': 'a link',
  '2': 'a symbolic link',
  '3': 'a device',
  '4': 'a device',
  '6': 'a pipe',
  S: 'a file with holes',
}

function isExtension({ type }: TarHeader): boolean {
  return type === 'x' || type === 'g' || type === 'L' || type === 'K'
}

/** One that is too long is passed over: the file then goes by the name in its header. */
async function readExtension(reader: ByteReader, { type, size }: TarHeader): Promise<Extension> {
  if (size > MOST_EXTENSION_BYTES || type === 'g' || type === 'K') {
    await reader.pass(padded(size))
    return {}
  }
  const content = Buffer.from((await reader.peek(size)).subarray(0, size))
  await reader.pass(padded(size))
  if (type === 'x') return paxExtension(content)
  return { name: content.toString('utf8').replace(/\0.*$/s, '') }
}

/** `LENGTH KEY=VALUE\n`, again and again; LENGTH counts all of it. */
function paxExtension(content: Buffer): Extension {
  const extension: Extension = {}
  for (let at = 0; at < content.length;) {
    const [text, digits = '', key = ''] =
      /^(\d{1,7}) ([^=]+)=/.exec(content.toString('utf8', at, at + 256)) ?? []
    const length = Number(digits)
    if (text === undefined || length <= text.length) break
    const value = content.toString('utf8', at + Buffer.byteLength(text), at + length - 1)
    if (key === 'path') extension.name = value
    if (key === 'size' && /^\d+$/.test(value)) extension.size = Number(value)
    if (key.startsWith('GNU.sparse.')) extension.isSparse = true
    at += length
  }
  return extension
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK
}

/** A name from outside, made fit for tables, logs and terminals. */
function shown(name: string): string {
  return name.replaceAll(/[\p{Cc}\p{Cf}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu, '·').slice(0, 255)
}

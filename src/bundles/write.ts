/** Vouchers written as a stream: a tar.gz of PEM files, or one PEM file of all. */
import { Readable, pipeline } from 'node:stream'
import { createGzip } from 'node:zlib'
import { type Bytes, utf8 } from '../../protocol/bytes.ts'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { BLOCK, checksumOf } from './tar-header.ts'

export interface NamedVoucher {
  /** Its GUID: the file is named for it. */
  readonly guid: string
  readonly cbor: Bytes
  /** The time its file carries. */
  readonly modified: Date
}

export async function* pemBundle(vouchers: AsyncIterable<NamedVoucher>): AsyncGenerator<Bytes> {
  for await (const { cbor } of vouchers) yield utf8(voucherToPem(cbor))
}

export async function* tarGzBundle(vouchers: AsyncIterable<NamedVoucher>): AsyncGenerator<Bytes> {
  const gzip = createGzip()
  // How it ended is thrown by whoever reads.
  pipeline(Readable.from(tarBundle(vouchers), { objectMode: false }), gzip, () => {})
  try {
    yield* gzip as AsyncIterable<Buffer>
  } finally {
    gzip.destroy()
  }
}

async function* tarBundle(vouchers: AsyncIterable<NamedVoucher>): AsyncGenerator<Bytes> {
  for await (const { guid, cbor, modified } of vouchers) {
    const content = utf8(voucherToPem(cbor))
    yield fileHeader(`${guid}.pem`, content.length, modified)
    yield content
    yield new Uint8Array((BLOCK - (content.length % BLOCK)) % BLOCK)
  }
  yield new Uint8Array(2 * BLOCK)
}

/** POSIX.1-1988 ustar: a plain file that its owner may write and all may read. */
function fileHeader(name: string, size: number, modified: Date): Bytes {
  const block = Buffer.alloc(BLOCK)
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  block.write(name, 0, 100, 'latin1')
  block.write(`${octal(0o644, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, 'latin1')
  block.write(`${octal(size, 11)}\0`, 124, 'latin1')
  block.write(`${octal(Math.floor(modified.getTime() / 1000), 11)}\0`, 136, 'latin1')
  block.write('0', 156, 'latin1')
  block.write('ustar\x0000', 257, 'latin1')
  block.write(`${octal(checksumOf(block), 6)}\0 `, 148, 'latin1')
  return block
}

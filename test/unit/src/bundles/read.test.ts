/** Bundles of vouchers read as streams: PEM, CBOR sequences, and gzip around them. */
import { gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Bytes, concat } from '../../../../protocol/bytes.ts'
import { voucherToPem } from '../../../../protocol/voucher/pem.ts'
import { BUNDLE_LIMITS } from '../../../../src/bundles/limits.ts'
import { readBundle } from '../../../../src/bundles/read.ts'
import { TAR_END, inParts, itemsOf, summaryOf, tarFile } from '../../../support/bundles.ts'
import { mutationOf } from '../../../support/mutation.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const made = await Promise.all(
  [0xa1, 0xa2, 0xa3].map((byte) =>
    makeVoucher(parts, { header: { guid: new Uint8Array(16).fill(byte) } }),
  ),
)
const vouchers = made.map(({ bytes }) => bytes)
const [first = new Uint8Array(), second = new Uint8Array()] = vouchers
const pem = (...some: readonly Bytes[]) => Buffer.from(some.map(voucherToPem).join(''))
const read = async (source: Bytes | AsyncIterable<Bytes>, limits = BUNDLE_LIMITS) =>
  (await itemsOf(source, limits)).map((item) => summaryOf(item, vouchers))
const detailOf = async (source: Bytes) => {
  const flaws = (await itemsOf(source)).filter((item) => 'flaw' in item)
  return flaws.map(({ detail }) => detail)
}

describe('a CBOR sequence', () => {
  it('gives every voucher, however it is cut', async () => {
    for (const size of [1, 7, 1000, 1 << 20]) {
      expect(await read(inParts(concat(...vouchers), size))).toEqual(['0', '1', '2'])
    }
  })

  it('gives what is no voucher but an array, for others to refuse', async () => {
    expect(await read(concat(first, new Uint8Array([0x80]), second))).toEqual(['0', '-1', '1'])
  })

  it('that could be one voucher is good as a whole or not at all', async () => {
    for (const bad of [
      concat(first, new Uint8Array([0])),
      concat(first, new Uint8Array([0xff]), second),
      first.subarray(0, -1),
    ]) {
      expect(await itemsOf(bad)).toEqual([{ name: null, bytes: new Uint8Array(bad) }])
    }
  })

  it('that is longer ends at what is no CBOR, and keeps what came before', async () => {
    const many = Array.from({ length: 100 }, () => first)
    const broken = concat(...many, new Uint8Array([0xff]), second)
    const items = await itemsOf(broken)
    expect(items.slice(0, -1).map((item) => summaryOf(item, vouchers))).toEqual(many.map(() => '0'))
    const detail = expect.stringContaining(`byte ${100 * first.length} is not read`)
    expect(items.at(-1)).toEqual({ name: null, flaw: 'malformed', detail })
    const cut = await read(concat(...many).subarray(0, -1))
    expect(cut).toEqual([...many.slice(1).map(() => '0'), 'malformed'])
  })

  it('ends at an item longer than any voucher', async () => {
    const long = Buffer.concat([Buffer.from('9a0001000059ffff', 'hex'), Buffer.alloc(70_000)])
    expect(await read(concat(first, long))).toEqual(['0', 'too-large'])
    const justTooLong = Buffer.concat([Buffer.from('8159fffd', 'hex'), Buffer.alloc(65_533)])
    expect(await read(justTooLong)).toEqual(['too-large'])
    const longest = Buffer.concat([Buffer.from('8159fffb', 'hex'), Buffer.alloc(65_531)])
    expect(await read(longest)).toEqual(['-1'])
  })
})

describe('a PEM file', () => {
  it('gives every voucher, however it is cut', async () => {
    for (const size of [1, 31, 1 << 20]) {
      expect(await read(inParts(pem(...vouchers), size))).toEqual(['0', '1', '2'])
    }
  })

  it('may have anything between its blocks, and line ends of any kind', async () => {
    const text = `bought in May\r\n${pem(first).toString().replaceAll('\n', '\r\n')}\n# next\n`
    expect(await read(Buffer.concat([Buffer.from(text), pem(second)]))).toEqual(['0', '1'])
  })

  it('loses a damaged block and no other', async () => {
    const [a, , c] = vouchers.map((one) => pem(one).toString())
    const bad = pem(second).toString()
    const noBase64 = bad.replace(/\n.{4}/, '\n!!!!')
    const noEnd = bad.replace(/-----END[^]*/, '')
    expect(await read(Buffer.from(`${a}${noBase64}${c}`))).toEqual(['0', 'malformed', '2'])
    expect(await read(Buffer.from(`${a}${noEnd}${c}`))).toEqual(['0', 'malformed', '2'])
    expect(await read(Buffer.from(`${a}${noEnd}`))).toEqual(['0', 'malformed'])
    expect(await detailOf(Buffer.from(`${a}${noEnd}`))).toEqual(['PEM block 2 has no end'])
  })

  it('is refused a block longer than any voucher, and goes on behind it', async () => {
    const long = pem(new Uint8Array(70_000))
    const longer = pem(new Uint8Array(300_000))
    expect(await read(concat(long, pem(first)))).toEqual(['too-large', '0'])
    expect(await read(concat(longer, pem(first)))).toEqual(['too-large', '0'])
  })

  it('without a voucher says so', async () => {
    expect(await read(Buffer.from('hello\n'.repeat(100)))).toEqual(['malformed'])
    expect(await read(Buffer.from('-----BEGIN CERTIFICATE-----\n'))).toEqual(['malformed'])
    expect(await read(new Uint8Array(0))).toEqual([])
  })
})

describe('gzip', () => {
  it('may be around PEM, CBOR and tar, in one piece or several', async () => {
    expect(await read(gzipSync(pem(...vouchers)))).toEqual(['0', '1', '2'])
    expect(await read(gzipSync(concat(...vouchers)))).toEqual(['0', '1', '2'])
    expect(await read(concat(gzipSync(first), gzipSync(second)))).toEqual(['0', '1'])
    const tar = concat(tarFile({ content: first }), TAR_END)
    expect(await read(gzipSync(tar))).toEqual(['a.pem: 0'])
  })

  it('that breaks off or is damaged ends with one flaw, and keeps what came before', async () => {
    const files = Array.from({ length: 60 }, () => tarFile({ content: pem(first) }))
    const whole = gzipSync(concat(...files, TAR_END), { level: 0 })
    const cut = await read(whole.subarray(0, whole.length / 2))
    expect(cut.at(-1)).toBe('archive-broken')
    expect(cut.slice(0, -1)).toEqual(Array(cut.length - 1).fill('a.pem: 0'))
    expect(cut.length).toBeGreaterThan(10)
    const damaged = Buffer.from(whole)
    damaged[damaged.length - 6] = (damaged.at(-6) ?? 0) ^ 1
    expect((await read(damaged)).slice(-2)).toEqual(['a.pem: 0', 'archive-broken'])
  })

  it('inside gzip is refused', async () => {
    expect(await read(gzipSync(gzipSync(first)))).toEqual(['not-supported'])
  })

  it('that grows beyond all measure is given up', async () => {
    let taken = 0
    const bomb = gzipSync(Buffer.alloc(64 << 20, 'a'))
    async function* counted() {
      for await (const part of inParts(bomb, 4096)) {
        taken += part.length
        yield part
      }
    }
    expect(await read(counted())).toEqual(['archive-too-large'])
    expect(taken).toBeLessThan(bomb.length)
  })
})

describe('other archives', () => {
  it('are named, and refused', async () => {
    const zip = Buffer.from('504b030414000000', 'hex')
    const xz = Buffer.from('fd377a585a000000', 'hex')
    expect(await detailOf(zip)).toEqual(['a zip file; send PEM, CBOR, tar or tar.gz'])
    expect(await detailOf(xz)).toEqual([expect.stringMatching(/^an xz file/)])
  })
})

describe('a bundle', () => {
  it('larger than the limits ends where they do', async () => {
    const three = concat(...vouchers)
    expect(await read(three, { ...BUNDLE_LIMITS, items: 2 })).toEqual([
      '0',
      '1',
      'archive-too-large',
    ])
    const bytes = first.length + second.length
    const stream = inParts(three, first.length)
    expect(await read(stream, { ...BUNDLE_LIMITS, bytes })).toEqual(['archive-too-large'])
    const packed = gzipSync(pem(...vouchers))
    const small = { ...BUNDLE_LIMITS, bytes: packed.length + 10 }
    expect(await read(packed, small)).toEqual(['archive-too-large'])
  })

  it('asks its source for no more than is taken', async () => {
    let asked = 0
    let isClosed = false
    async function* endless(): AsyncGenerator<Bytes> {
      try {
        for (;;) {
          asked++
          yield pem(first)
        }
      } finally {
        isClosed = true
      }
    }
    let taken = 0
    for await (const item of readBundle(endless())) {
      expect(summaryOf(item, vouchers)).toBe('0')
      if (++taken === 500) break
    }
    expect(asked).toBeLessThan(600)
    expect(isClosed).toBe(true)
  })

  it('lets go of a compressed source that is not read to its end', async () => {
    let isClosed = false
    async function* source(): AsyncGenerator<Bytes> {
      try {
        yield* inParts(gzipSync(concat(...Array(2000).fill(first)), { level: 0 }), 4096)
      } finally {
        isClosed = true
      }
    }
    for await (const item of readBundle(source())) {
      expect(item.name).toBeNull()
      break
    }
    await expect.poll(() => isClosed).toBe(true)
  })

  it('passes on the errors of its source', async () => {
    async function* failing(): AsyncGenerator<Bytes> {
      yield first
      throw new Error('the line is dead')
    }
    await expect(itemsOf(failing())).rejects.toThrow('the line is dead')
    async function* failingGzip(): AsyncGenerator<Bytes> {
      yield gzipSync(first)
      throw new Error('the line is dead')
    }
    await expect(itemsOf(failingGzip())).rejects.toThrow('the line is dead')
  })

  it('of any bytes at all gives items, and never throws', async () => {
    const tar = concat(tarFile({ content: pem(first) }), tarFile({ content: second }), TAR_END)
    const originals = [concat(first, second), pem(first, second), tar, gzipSync(tar)]
    const damaged = fc.oneof(...originals.map((one) => mutationOf(one)), fc.uint8Array())
    await fc.assert(
      fc.asyncProperty(damaged, async (bytes) => {
        for (const item of await itemsOf(bytes)) {
          if ('bytes' in item) expect(item.bytes.length).toBeLessThanOrEqual(65_535)
        }
      }),
      { numRuns: 300 },
    )
  })
})

/** Bundles of vouchers written as streams, for our own reader and for others. */
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { Bytes } from '../../../../protocol/bytes.ts'
import { voucherToPem } from '../../../../protocol/voucher/pem.ts'
import type { BundleItem } from '../../../../src/bundles/item.ts'
import { type NamedVoucher, pemBundle, tarGzBundle } from '../../../../src/bundles/write.ts'
import { itemsOf } from '../../../support/bundles.ts'

const folder = mkdtempSync(join(tmpdir(), 'firstlight-bundle-'))
afterAll(() => rmSync(folder, { recursive: true }))

const MODIFIED = new Date('2026-01-02T03:04:05Z')

/** Sizes around a block's, and more of them than one chunk holds. */
const vouchers = Array.from({ length: 200 }, (_, i) => ({
  guid: i.toString(16).padStart(32, '0'),
  modified: MODIFIED,
  cbor: new Uint8Array([0x81, 0x59, i >> 2, i, ...randomBytes(((i >> 2) << 8) + i)]),
}))

async function* stream(some: readonly NamedVoucher[] = vouchers) {
  yield* some
}

async function collected(source: AsyncIterable<Bytes>): Promise<Buffer> {
  const parts: Bytes[] = []
  for await (const part of source) parts.push(part)
  return Buffer.concat(parts)
}

/** Short, to be compared. */
function digested(item: BundleItem) {
  if (!('bytes' in item)) return item
  return { name: item.name, sha256: createHash('sha256').update(item.bytes).digest('hex') }
}

describe('a tar.gz', () => {
  it('holds every voucher under its GUID, as our own reader finds it', async () => {
    const items = await itemsOf(await collected(tarGzBundle(stream())))
    const expected = vouchers.map(({ guid, cbor }) => ({ name: `${guid}.pem`, bytes: cbor }))
    expect(items.map(digested)).toEqual(expected.map(digested))
  })

  it('is unpacked by tar, with the time given', async () => {
    const archive = await collected(tarGzBundle(stream()))
    const list = execFileSync('tar', ['-xzf', '-', '-C', folder, '--no-same-owner'], {
      input: archive,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    expect(list.toString()).toBe('')
    expect(readdirSync(folder).toSorted()).toEqual(vouchers.map(({ guid }) => `${guid}.pem`))
    const { guid = '', cbor = new Uint8Array() } = vouchers[7] ?? {}
    const file = join(folder, `${guid}.pem`)
    expect(readFileSync(file, 'utf8')).toBe(voucherToPem(cbor))
    expect(statSync(file).mtime).toEqual(MODIFIED)
    expect((statSync(file).mode & 0o777).toString(8)).toBe('644')
  })

  it('of no vouchers is an archive all the same', async () => {
    expect(await itemsOf(await collected(tarGzBundle(stream([]))))).toEqual([])
  })

  it('asks for no more vouchers than are taken', async () => {
    let asked = 0
    async function* endless() {
      for (;;) {
        asked++
        yield { guid: 'f'.repeat(32), modified: MODIFIED, cbor: randomBytes(60_000) }
      }
    }
    let taken = 0
    for await (const part of tarGzBundle(endless())) {
      taken += part.length
      if (taken > 200) break
    }
    expect(asked).toBeLessThan(2000)
  })

  it('passes on what goes wrong where the vouchers come from', async () => {
    async function* failing(): AsyncGenerator<NamedVoucher> {
      yield* vouchers
      throw new Error('no more')
    }
    await expect(collected(tarGzBundle(failing()))).rejects.toThrow('no more')
  })
})

describe('a PEM bundle', () => {
  it('holds every voucher, as our own reader finds it', async () => {
    const items = await itemsOf(await collected(pemBundle(stream())))
    const expected = vouchers.map(({ cbor }) => ({ name: null, bytes: cbor }))
    expect(items.map(digested)).toEqual(expected.map(digested))
  })
})

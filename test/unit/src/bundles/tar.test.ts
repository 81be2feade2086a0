/** Tar archives of vouchers, whoever made them and whatever else they hold. */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { type Bytes, concat } from '../../../../protocol/bytes.ts'
import { voucherToPem } from '../../../../protocol/voucher/pem.ts'
import { BUNDLE_LIMITS } from '../../../../src/bundles/limits.ts'
import { TAR_END, type TarFile, itemsOf, summaryOf, tarFile } from '../../../support/bundles.ts'
import { makeVoucher, partsOf } from '../../../support/vouchers.ts'

const parts = partsOf()
const made = await Promise.all(
  [0xa1, 0xa2].map((byte) =>
    makeVoucher(parts, { header: { guid: new Uint8Array(16).fill(byte) } }),
  ),
)
const vouchers = made.map(({ bytes }) => bytes)
const [first = new Uint8Array(), second = new Uint8Array()] = vouchers
const pem = voucherToPem(first)

const read = async (archive: Bytes, limits = BUNDLE_LIMITS) =>
  (await itemsOf(archive, limits)).map((item) => summaryOf(item, vouchers))
const readFiles = (...files: readonly TarFile[]) => read(concat(...files.map(tarFile), TAR_END))

describe('an archive', () => {
  it('made by tar is read, in each of its formats', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-tar-'))
    const long = `${'long-'.repeat(40)}.pem`
    mkdirSync(join(folder, 'in/ü'), { recursive: true })
    writeFileSync(join(folder, 'in/ü/one.pem'), pem)
    writeFileSync(join(folder, 'in', long), second)
    symlinkSync('one.pem', join(folder, 'in/zlink'))
    for (const format of ['ustar', 'gnu', 'pax', 'oldgnu']) {
      const file = join(folder, 'out.tar')
      const names = format === 'ustar' ? ['in/ü'] : ['in/ü', `in/${long}`, 'in/zlink']
      execFileSync('tar', [`--format=${format}`, '-C', folder, '-cf', file, ...names])
      const items = await read(execFileSync('cat', [file]))
      const expected = ['in/ü/one.pem: 0', `in/${long}: 1`, 'in/zlink: not-a-file']
      expect([format, items]).toEqual([format, expected.slice(0, names.length)])
    }
    rmSync(folder, { recursive: true })
  })

  it('may hold files of many vouchers, PEM and CBOR side by side', async () => {
    const items = await readFiles(
      { name: 'both.pem', content: pem + voucherToPem(second) },
      { name: 'two.cbor', content: concat(second, first) },
    )
    expect(items).toEqual(['both.pem: 0', 'both.pem: 1', 'two.cbor: 1', 'two.cbor: 0'])
  })

  it('with one bad file in the middle gives all the others', async () => {
    const bad = { name: 'bad.pem', content: pem.replace(/\n.{4}/, '\n!!!!') }
    const good = { name: 'good.pem', content: pem }
    expect(await readFiles(good, bad, good)).toEqual([
      'good.pem: 0',
      'bad.pem: malformed',
      'good.pem: 0',
    ])
    const cut = { name: 'cut.cbor', content: first.subarray(0, 100) }
    expect(await readFiles(cut, good)).toEqual(['cut.cbor: -1', 'good.pem: 0'])
    const empty = { name: 'empty', content: '' }
    expect(await readFiles(empty, good)).toEqual(['empty: malformed', 'good.pem: 0'])
  })

  it('with a damaged header goes on at the next good one', async () => {
    const files = [pem, pem, pem].map((content, i) => tarFile({ name: `${i}.pem`, content }))
    files[1]?.fill(0xee, 100, 120)
    expect(await read(concat(...files, TAR_END))).toEqual([
      '0.pem: 0',
      'archive-broken',
      '2.pem: 0',
    ])
  })

  it('with a size that is none goes on at the next header', async () => {
    const huge = tarFile({ size: Buffer.from('80ffffffffffffffffffffff', 'hex') })
    const words = tarFile({ size: Buffer.from('99999999999\0') })
    const good = tarFile({ content: pem })
    expect(await read(concat(good, huge, good, words, good))).toEqual([
      'a.pem: 0',
      'archive-broken',
      'a.pem: 0',
      'archive-broken',
      'a.pem: 0',
    ])
  })

  it('reads sizes in binary', async () => {
    const size = Buffer.alloc(12)
    size[0] = 0x80
    size.writeUInt32BE(pem.length, 8)
    expect(await readFiles({ content: pem, size })).toEqual(['a.pem: 0'])
  })

  it('that is cut off says in which file', async () => {
    const whole = tarFile({ content: concat(first, second) })
    expect(await read(whole.subarray(0, 512 + first.length))).toEqual([
      'a.pem: 0',
      'a.pem: archive-broken',
    ])
    expect(await read(concat(tarFile({ content: pem }), whole.subarray(0, 200)))).toEqual([
      'a.pem: 0',
      'archive-broken',
    ])
  })

  it('may be empty, or joined to another', async () => {
    expect(await read(TAR_END)).toEqual([])
    const one = concat(tarFile({ content: pem }), TAR_END)
    expect(await read(concat(one, one))).toEqual(['a.pem: 0', 'a.pem: 0'])
  })

  it('may hold no links, devices, pipes, holes or kinds unheard of', async () => {
    const kinds = ['1', '2', '3', '4', '6', 'S', 'Z'].map((type) => ({ name: type, type }))
    const items = await readFiles(...kinds, { content: pem })
    expect(items).toEqual([...kinds.map(({ name }) => `${name}: not-a-file`), 'a.pem: 0'])
    const content = '30 GNU.sparse.realsize=999999\n'
    const sparse = [{ name: 'pax', type: 'x', content }, { content: pem }]
    expect(await readFiles(...sparse, { content: pem })).toEqual(['a.pem: not-a-file', 'a.pem: 0'])
  })

  it('takes a link for one without content, whatever size it gives', async () => {
    const link = { name: 'link', type: '1', size: 4096 }
    expect(await readFiles(link, { content: pem })).toEqual(['link: not-a-file', 'a.pem: 0'])
  })

  it('passes over folders', async () => {
    const folders = [{ name: 'a/', type: '5' }, { name: 'b/' }]
    expect(await readFiles(...folders, { content: pem })).toEqual(['a.pem: 0'])
  })

  it('may hold no archives', async () => {
    const inner = concat(tarFile({ content: pem }), TAR_END)
    const items = await readFiles(
      { name: 'in.tar', content: inner },
      { name: 'in.gz', content: gzipSync(pem) },
      { name: 'in.zip', content: Buffer.from('504b0304', 'hex') },
      { content: pem },
    )
    expect(items).toEqual([
      'in.tar: not-supported',
      'in.gz: not-supported',
      'in.zip: not-supported',
      'a.pem: 0',
    ])
  })

  it('may hold no file that is huge', async () => {
    const huge = { name: 'huge.pem', content: pem.repeat(10) }
    const archive = concat(tarFile(huge), tarFile({ content: pem }))
    const limits = { ...BUNDLE_LIMITS, fileBytes: 2 * pem.length }
    expect(await read(archive, limits)).toEqual(['huge.pem: too-large', 'a.pem: 0'])
  })

  it('counts its files and headers as well as its vouchers', async () => {
    const empty = Array.from({ length: 10 }, () => ({ name: 'd/', type: '5' }))
    const archive = concat(...empty.map(tarFile))
    expect(await read(archive, { ...BUNDLE_LIMITS, items: 9 })).toEqual(['archive-too-large'])
    const names = Array.from({ length: 10 }, () => tarFile({ type: 'L', content: 'x' }))
    expect(await read(concat(...names), { ...BUNDLE_LIMITS, items: 9 })).toEqual([
      'archive-too-large',
    ])
  })
})

describe('a name', () => {
  it('is shown as it is, though it points elsewhere: it is never a path', async () => {
    for (const name of ['../../etc/passwd', '/etc/passwd', 'C:\\a']) {
      expect(await readFiles({ name, content: pem })).toEqual([`${name}: 0`])
    }
  })

  it('cannot steer what it is shown on', async () => {
    const name = 'a\u001b[2Jb\r\n\u202ec'
    expect(await readFiles({ name, content: pem })).toEqual(['a·[2Jb···c: 0'])
  })

  it('too long to be one is passed over', async () => {
    const long = { type: 'L', content: 'x'.repeat(70_000) }
    expect(await readFiles(long, { content: pem })).toEqual(['a.pem: 0'])
    const shorter = { type: 'L', content: 'x'.repeat(2000) }
    expect(await readFiles(shorter, { content: pem })).toEqual([`${'x'.repeat(255)}: 0`])
  })

  it('in a pax header may be followed by nonsense', async () => {
    for (const content of ['13 path=é.p\nnonsense', '13 path=é.p\n3 a=b\n', '13 path=é.p\n']) {
      expect(await readFiles({ type: 'x', content }, { content: pem })).toEqual(['é.p: 0'])
    }
  })
})

/** Many vouchers by the command line: archives in, results for each, archives out. */
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { concat } from '../../protocol/bytes.ts'
import { voucherToPem, vouchersFromPem } from '../../protocol/voucher/pem.ts'
import { TAR_END, itemsOf, tarFile } from '../support/bundles.ts'
import { CliWorld, errorDocument } from '../support/cli-world.ts'
import { manyVouchers } from '../support/many-vouchers.ts'
import { firstlight } from '../support/programs.ts'

const COUNT = 150

let world: CliWorld
beforeAll(async () => {
  world = await CliWorld.start()
  const keys = await world.server.list<{ purpose: string; type: string; public_key: string }>(
    '/keys',
  )
  const owner = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
  const vouchers = await manyVouchers(COUNT, Buffer.from(owner?.public_key ?? '', 'base64'))
  const files = vouchers.map((one, i) => tarFile({ name: `${i}.pem`, content: voucherToPem(one) }))
  files.splice(70, 0, tarFile({ name: 'bad.pem', content: 'no voucher' }))
  writeFileSync(world.file('many.tar.gz'), gzipSync(concat(...files, TAR_END)))
  writeFileSync(world.file('few.pem'), vouchers.slice(0, 3).map(voucherToPem).join(''))
})
afterAll(() => world.end())

describe('firstlight voucher import', () => {
  it('takes in an archive, with a result for each voucher in it', async () => {
    const file = world.file('many.tar.gz')
    const { status, json, stderr } = await world.asked('voucher', 'import', file)
    expect(status).toBe(5)
    const results = json as { file: string; ok: boolean; name: string; check: string | null }[]
    expect(results).toHaveLength(COUNT + 1)
    expect(results.filter(({ ok }) => !ok)).toEqual([
      {
        ...{ file, guid: null, ok: false, check: 'malformed', name: 'bad.pem' },
        detail: 'no PEM block OWNERSHIP VOUCHER in it',
      },
    ])
    expect(stderr).toMatch(/^importing, KiB: \d+\nimporting, KiB: done\n$/)
  })

  it('reads from a pipe, whose length nobody knows', async () => {
    const pipe = world.file('pipe')
    execFileSync('mkfifo', [pipe])
    const asked = world.asked('voucher', 'import', pipe)
    await writeFile(pipe, readFileSync(world.file('few.pem')))
    const { status, json } = await asked
    expect({ status, json }).toMatchObject({ status: 0, json: Array(3).fill({ ok: true }) })
  })

  it('says of a file that is too large that it is, and goes on', async () => {
    const huge = world.file('huge.cbor')
    writeFileSync(huge, '')
    truncateSync(huge, (1 << 30) + 1)
    const { status, json } = await world.asked('voucher', 'import', huge, world.file('few.pem'))
    expect(status).toBe(5)
    expect(json).toMatchObject([{ file: huge, check: 'too-large' }, ...Array(3).fill({ ok: true })])
  })
})

describe('firstlight voucher export', () => {
  it('writes many to one file, packed or not', async () => {
    for (const [name, format] of [
      ['all.tar.gz', 'tar.gz'],
      ['all.pem', 'pem'],
    ] as const) {
      const out = world.file(name)
      const told = await world.told('voucher', 'export', '--all', '--out', out)
      const content = readFileSync(out)
      expect(told).toMatchObject({ out, format, bytes: statSync(out).size })
      expect((await itemsOf(content)).length).toBe(COUNT)
      if (format === 'pem') expect(vouchersFromPem(content.toString())).toHaveLength(COUNT)
      expect(existsSync(`${out}.part`)).toBe(false)
    }
    const out = world.file('none.tar.gz')
    await world.told('voucher', 'export', '--state', 'used', '--out', out)
    expect(await itemsOf(readFileSync(out))).toEqual([])
  })

  it('wants to know which, and where to', async () => {
    const guid = '0'.repeat(32)
    for (const args of [
      [],
      ['--all'],
      ['--all', '--out', world.file('all.zip')],
      [guid, '--all'],
      [guid, '--state', 'held'],
      [guid, '--format', 'zip'],
    ]) {
      const { status, json } = await world.asked('voucher', 'export', ...args)
      expect([args, status, json]).toEqual([args, 2, errorDocument('usage')])
    }
  })

  it('leaves no half a file behind', async () => {
    const out = world.file('refused.tar.gz')
    const asked = ['voucher', 'export', '--serial', 'x'.repeat(600), '--out', out]
    const { status, json } = await world.asked(...asked)
    expect({ status, json }).toEqual({ status: 3, json: errorDocument('invalid-request') })
    expect(existsSync(out)).toBe(false)
  })
})

describe('an answer that breaks off', () => {
  it('is no success', async () => {
    const half = createServer((incoming, outgoing) => {
      incoming.resume()
      outgoing.writeHead(200, { 'content-type': 'application/x-ndjson' })
      outgoing.write('{"guid":null,"ok":true,"check":null,"detail":null}\n')
      setImmediate(() => outgoing.destroy())
    }).listen(0, '127.0.0.1')
    await once(half, 'listening')
    const { port } = half.address() as AddressInfo
    const variables = { FIRSTLIGHT_URL: `http://127.0.0.1:${port}`, FIRSTLIGHT_TOKEN: 'x' }
    const few = ['voucher', 'import', world.file('few.pem'), '--json']
    const imported = await firstlight(few, variables)
    expect(imported).toMatchObject({ status: 4, json: errorDocument('unreachable') })
    const out = world.file('half.tar.gz')
    const exported = await firstlight(['voucher', 'export', '--all', '--out', out], variables)
    expect(exported.status).toBe(4)
    expect([existsSync(out), existsSync(`${out}.part`)]).toEqual([false, false])
    half.close()
  })
})

/** The service is killed in the middle of a large import: what it had answered is there. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { concat } from '../../protocol/bytes.ts'
import { voucherToPem } from '../../protocol/voucher/pem.ts'
import { TAR_END, tarFile } from '../support/bundles.ts'
import { manyVouchers } from '../support/many-vouchers.ts'
import { ServeProcess, freePort } from '../support/programs.ts'

const COUNT = 400
const PATIENCE_MS = 240_000

interface Result {
  readonly guid: string | null
  readonly ok: boolean
  readonly detail: string | null
  readonly name?: string
}

let server: ServeProcess
let folder: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-import-'))
  server = new ServeProcess(folder, await freePort(), { FIRSTLIGHT_TRUST: 'any' })
  await server.start()
}, PATIENCE_MS)
afterEach(async () => {
  await server.kill()
  rmSync(folder, { recursive: true })
})

/** Every result that comes, until the archive is through or the service is gone; its end may be held back. */
async function importing(
  archive: Buffer,
  each: (results: readonly Result[]) => void,
  { isWhole = true } = {},
) {
  const token = readFileSync(join(folder, 'admin.token'), 'utf8').trim()
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/gzip',
    accept: 'application/x-ndjson',
  }
  const results: Result[] = []
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request(`${server.url}/api/v1/vouchers`, { method: 'POST', headers }, resolve)
    outgoing.on('error', reject)
    if (isWhole) outgoing.end(archive)
    else outgoing.write(archive.subarray(0, archive.length * 0.9))
  })
  try {
    for await (const line of createInterface({ input: response })) {
      results.push(JSON.parse(line) as Result)
      each(results)
    }
  } catch (error) {
    if (response.complete) throw error // Else it was killed.
  }
  return results
}

it(
  'keeps what was answered, and takes in the rest when it is repeated',
  async () => {
    const keys = await server.list<{ purpose: string; type: string; public_key: string }>('/keys')
    const owner = keys.find(({ purpose, type }) => purpose === 'owner' && type === 'p256')
    const spki = new Uint8Array(Buffer.from(owner?.public_key ?? '', 'base64'))
    const vouchers = await manyVouchers(COUNT, spki)
    const files = vouchers.map((one, i) =>
      tarFile({ name: `${i}.pem`, content: voucherToPem(one) }),
    )
    files.splice(COUNT / 2, 0, tarFile({ name: 'bad.pem', content: 'no voucher' }))
    const archive = gzipSync(concat(...files, TAR_END))

    let killed: Promise<void> | undefined
    const kill = ({ length }: readonly Result[]) => {
      if (length > 100) killed ??= server.kill()
    }
    // However late we hear of them, it has not come to the last.
    const answered = await importing(archive, kill, { isWhole: false })
    await killed
    expect(answered.length).toBeGreaterThan(100)
    expect(answered.length).toBeLessThan(COUNT)
    const before = answered.filter(({ name }) => name !== 'bad.pem')

    await server.start()
    const held = await server.list<{ guid: string }>('/vouchers?limit=500')
    const guids = new Set(held.map(({ guid }) => guid))
    for (const { guid, ok } of before) expect(ok && guids.has(guid ?? '')).toBe(true)

    const again = await importing(archive, () => {})
    expect(again).toHaveLength(COUNT + 1)
    expect(again.filter(({ ok }) => !ok)).toMatchObject([{ check: 'malformed', name: 'bad.pem' }])
    const known = again.filter(({ detail }) => detail === 'held already')
    expect(new Set(known.map(({ guid }) => guid))).toEqual(guids)
    expect(await server.list('/vouchers?limit=500')).toHaveLength(COUNT)
    expect(await server.list('/devices?limit=500')).toHaveLength(COUNT)
  },
  PATIENCE_MS,
)

/** How a fleet hands its vouchers over: what the hook is given, and how often. */
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { handOver } from '../../../../src/fleet/run.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'firstlight-hook-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

function devices(count: number) {
  return Array.from({ length: count }, (_, i) => {
    const guid = new Uint8Array(16)
    new DataView(guid.buffer).setUint32(12, i)
    return { credential: { guid } }
  })
}

/** What each call of the hook was given, in the order of the calls. */
async function given(count: number): Promise<readonly string[]> {
  await handOver(devices(count), `cat > ${folder}/$(ls ${folder} | wc -l)`)
  return readdirSync(folder)
    .toSorted((a, b) => Number(a) - Number(b))
    .map((name) => readFileSync(join(folder, name), 'utf8'))
}

function linesOf(from: number, to: number): string {
  const guids = devices(to).slice(from)
  return guids.map(({ credential }) => `${toHex(credential.guid)}\n`).join('')
}

describe('the voucher hook', () => {
  it('is called once for as many as 10,000 devices', async () => {
    expect(await given(3)).toEqual([linesOf(0, 3)])
    rmSync(join(folder, '0'))
    expect(await given(10_000)).toEqual([linesOf(0, 10_000)])
  })

  it('is called once for each 10,000 beyond', async () => {
    expect(await given(20_001)).toEqual([
      linesOf(0, 10_000),
      linesOf(10_000, 20_000),
      linesOf(20_000, 20_001),
    ])
  })

  it('is not called again after it has failed', async () => {
    const command = `echo called >> ${folder}/calls; exit 3`
    await expect(handOver(devices(10_001), command)).rejects.toMatchObject({
      kind: 'failed',
      code: 'voucher-hook',
      message: expect.stringContaining('status 3'),
    })
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toBe('called\n')
  })

  it('may read less than it is given', async () => {
    await handOver(devices(10_000), 'head -n 1 > /dev/null')
  })
})

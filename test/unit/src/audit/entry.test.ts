/** What others rely on to check a log without us: it must stay as the fixture has it. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { fromBase64, toHex } from '../../../../protocol/bytes.ts'
import { importSpki } from '../../../../protocol/crypto/verify-key.ts'
import { fromPem } from '../../../../protocol/x509/pem.ts'
import { beginningOf, bytesOf } from '../../../../src/audit/entry.ts'
import { isSignedBy, parseCountersignature } from '../../../../src/audit/head.ts'
import { entryLine, parseLine } from '../../../../src/audit/lines.ts'
import { ChainWalk, walkLines } from '../../../../src/audit/verify.ts'

const path = new URL('../../../../fixtures/golden/audit-entry.json', import.meta.url)
const golden = JSON.parse(readFileSync(path, 'utf8')) as {
  party: string
  beginning: string
  entries: { entry: object; cbor: string }[]
  witness: string
  countersignature: string
}
const lines = golden.entries.map(({ entry }) => JSON.stringify(entry))
const signed = fromBase64(golden.countersignature)!
const witness = importSpki(fromPem(golden.witness)![0]!)

describe('the format of the log', () => {
  it('is that of the fixture, byte for byte', () => {
    expect(toHex(beginningOf(golden.party))).toBe(golden.beginning)
    const entries = lines.map((line) => parseLine(line).entry!)
    expect(entries.map(bytesOf).map(toHex)).toEqual(golden.entries.map(({ cbor }) => cbor))
    expect(entries.map(entryLine)).toEqual(lines.map((line) => `${line}\n`))
  })

  it('verifies, with its countersignature', async () => {
    const walk = new ChainWalk({ witnesses: [witness] })
    const countersignature = JSON.stringify({ countersignature: golden.countersignature })
    expect(await walkLines(walk, [...lines, countersignature])).toBeUndefined()
    expect(walk.held).toMatchObject([{ seq: 2, witnessedAt: '2026-01-02T04:00:00.000Z' }])
  })

  it('of a countersignature names its key, and all that it stands for', async () => {
    const read = parseCountersignature(signed)
    expect(read.statement).toMatchObject({ party: golden.party, seq: 2 })
    expect(await isSignedBy(read, witness)).toBe(true)
    // Any one byte of it changed.
    for (let i = 0; i < signed.length; i++) {
      const changed = Uint8Array.from(signed)
      changed[i] = (changed[i] ?? 0) ^ 1
      const isGood = async () => {
        const other = parseCountersignature(changed)
        return other.witness === read.witness && (await isSignedBy(other, witness))
      }
      expect([i, await isGood().catch(() => false)]).toEqual([i, false])
    }
  })
})

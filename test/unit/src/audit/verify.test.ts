/** Walking a log: what is found, where, and what only a head from outside finds. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AuditEntry, hashOf } from '../../../../src/audit/entry.ts'
import { entryLine } from '../../../../src/audit/lines.ts'
import { draftOf } from '../../../../src/audit/store.ts'
import { ChainWalk, type Walk, walkLines } from '../../../../src/audit/verify.ts'
import {
  AuditWorld,
  OTHER_PARTY,
  WITNESSED_AT,
  linesOf,
  signedLine,
  witnessKey,
} from '../../../support/audit-world.ts'

let world: AuditWorld
let entries: AuditEntry[]
beforeEach(async () => {
  world = await AuditWorld.open()
  await world.fill(8)
  entries = await world.entries()
})
afterEach(() => world.database.close())

const walked = (lines: readonly string[], walk: Walk = {}) => walkLines(new ChainWalk(walk), lines)
const flawOf = (those: readonly AuditEntry[], walk?: Walk) => walked(linesOf(those), walk)
const at = (seq: number) => entries[seq - 1]!

/** As one does who knows how: each entry from there on written anew. */
function rewritten(from: number, change: Partial<AuditEntry>): AuditEntry[] {
  const all = entries.slice(0, from - 1)
  for (const [i, entry] of entries.slice(from - 1).entries()) {
    const previous = all.at(-1)?.hash ?? entry.previous
    const content = { ...entry, ...(i === 0 && change), previous }
    all.push({ ...content, hash: hashOf(content) })
  }
  return all
}

describe('a whole log', () => {
  it('holds, and so does an empty one', async () => {
    expect(await flawOf(entries)).toBeUndefined()
    expect(await flawOf([])).toBeUndefined()
  })

  it.each([
    ['type', { type: 'voucher-deleted' }],
    ['by', { by: 'fdoa_2' }],
    ['at', { at: '2030-01-01T00:00:00.000Z' }],
    ['subject', { subject: {} }],
    ['detail', { detail: {} }],
    ['detail, with a fraction', { detail: { ratio: 0.5 } }],
    ['previous', { previous: new Uint8Array(32) }],
    ['hash', { hash: new Uint8Array(32) }],
  ])('is broken where its %s was changed', async (_, change) => {
    const changed = entries.with(4, { ...at(5), ...change })
    expect(await flawOf(changed)).toMatchObject({ seq: 5, kind: 'hash' })
  })

  it('is broken where a detail cannot be read any more', async () => {
    const row = { ...at(5), guid: null, device_id: null, subject_id: null, detail: '{' }
    const { detail } = draftOf(row)
    expect(await flawOf(entries.with(4, { ...at(5), detail }))).toMatchObject({ seq: 5 })
  })

  it('is broken behind an entry that was written anew', async () => {
    const changed = { ...at(5), type: 'voucher-deleted' }
    const anew = entries.with(4, { ...changed, hash: hashOf(changed) })
    expect(await flawOf(anew)).toMatchObject({ seq: 6, kind: 'previous' })
  })

  it('is broken where an entry was removed', async () => {
    expect(await flawOf(entries.toSpliced(4, 1))).toMatchObject({ seq: 5, kind: 'gap' })
    expect(await flawOf(entries.slice(1))).toMatchObject({ seq: 1, kind: 'gap' })
  })

  it('is broken where an entry was removed and the others moved up', async () => {
    const moved = entries
      .toSpliced(4, 1)
      .map((one, i) => ({ ...one, seq: i + 1 }))
      .map((one) => ({ ...one, hash: hashOf(one) }))
    expect(await flawOf(moved)).toMatchObject({ seq: 5, kind: 'previous' })
  })

  it('is broken where entries changed places', async () => {
    const swapped = entries.with(3, at(5)).with(4, at(4))
    expect(await flawOf(swapped)).toMatchObject({ seq: 4, kind: 'gap' })
  })

  it('is broken where an entry was put in', async () => {
    expect(await flawOf(entries.toSpliced(4, 0, at(4)))).toMatchObject({ seq: 5, kind: 'gap' })
    const forged = { ...at(4), seq: 5 }
    const put = entries.toSpliced(4, 0, { ...forged, hash: hashOf(forged) })
    expect(await flawOf(put)).toMatchObject({ seq: 5, kind: 'previous' })
  })

  it('is broken where another party begins', async () => {
    await world.fill(1, OTHER_PARTY)
    const [other] = await world.entries(OTHER_PARTY)
    expect(await flawOf(entries, { party: OTHER_PARTY })).toMatchObject({ seq: 1, kind: 'party' })
    expect(await flawOf([...entries, other!])).toMatchObject({ seq: 9, kind: 'party' })
    const stolen = { ...at(1), party: OTHER_PARTY }
    const moved = [{ ...stolen, hash: hashOf(stolen) }]
    expect(await flawOf(moved)).toMatchObject({ seq: 1, kind: 'previous' })
  })

  it.each([
    ['no JSON', '{'],
    ['no object', '[]'],
    ['null', 'null'],
    ['an entry without its hash', '{"seq":1}'],
  ])('is broken by a line that is %s', async (_, line) => {
    const lines = linesOf(entries).with(4, line)
    expect(await walked(lines)).toMatchObject({ seq: 5, kind: 'malformed' })
  })

  it('is broken by what no hash covers', async () => {
    const view = JSON.parse(entryLine(at(5))) as Record<string, unknown>
    const wrong: Record<string, unknown>[] = [
      { note: 'x' },
      { subject: { serial: 'x' } },
      { subject: { guid: 1 } },
      { subject: null },
      { seq: '5' },
      { seq: 0 },
      { detail: [] },
      { detail: 'x' },
      { at: 1 },
      { hash: 'x' },
      { hash: String(view['hash']).toUpperCase() },
      { previous: String(view['previous']).slice(2) },
    ]
    for (const one of wrong) {
      const lines = linesOf(entries).with(4, JSON.stringify({ ...view, ...one }))
      expect([one, await walked(lines)]).toMatchObject([one, { seq: 5, kind: 'malformed' }])
    }
  })
})

describe('a log written anew from some entry on', () => {
  it('holds by itself, which is why heads are kept outside', async () => {
    expect(await flawOf(rewritten(3, { type: 'lie' }))).toBeUndefined()
    expect(await flawOf(entries.slice(0, 5))).toBeUndefined()
  })

  it('is found by a head that was seen behind it', async () => {
    const forged = rewritten(4, { type: 'lie' })
    expect(await flawOf(forged, { heads: [at(3), at(6)] })).toMatchObject({
      seq: 6,
      kind: 'head',
      detail: expect.stringContaining('after 3'),
    })
    expect(await flawOf(forged, { heads: [at(3)] })).toBeUndefined()
    expect(await flawOf(forged, { heads: [at(4)] })).toMatchObject({ seq: 4, kind: 'head' })
    expect(await flawOf(entries, { heads: entries })).toBeUndefined()
    expect(await flawOf(entries, { heads: [at(4), forged[3]!] })).toMatchObject({ seq: 4 })
  })

  it('and cut before a head that was seen is found', async () => {
    const flaw = await flawOf(entries.slice(0, 5), { heads: [at(8), at(7)] })
    expect(flaw).toMatchObject({ seq: 6, kind: 'cut', detail: expect.stringContaining('7') })
  })

  it('is found by a countersignature that is still there', async () => {
    const witness = witnessKey('P-384')
    const signed = await signedLine(witness, at(6))
    const witnesses = [witness.key]
    const forged = linesOf(rewritten(4, { type: 'lie' }))
    const found = await walked(forged.toSpliced(6, 0, signed), { witnesses })
    expect(found).toMatchObject({ seq: 6, kind: 'head' })
    expect(await walked(forged.toSpliced(6, 0, signed))).toBeUndefined()
    const cut = await walked([...linesOf(entries.slice(0, 3)), signed], { witnesses })
    expect(cut).toMatchObject({ seq: 4, kind: 'cut' })
  })
})

describe('a countersignature', () => {
  it('holds in place what it signs, and tells when', async () => {
    const [witness, other] = [witnessKey(), witnessKey()]
    const lines = linesOf(entries)
    const both = [await signedLine(witness, at(6)), await signedLine(other, at(6))]
    const all = [...lines.slice(0, 6), ...both, ...lines.slice(6), await signedLine(witness, at(8))]
    const walk = new ChainWalk({ witnesses: [witness.key, other.key] })
    expect(await walkLines(walk, all)).toBeUndefined()
    expect(walk.held).toMatchObject([{ seq: 8, witnessedAt: WITNESSED_AT }, { seq: 6 }])
    expect(walk.count).toBe(8)
  })

  it('before its entry waits for it', async () => {
    const witness = witnessKey()
    const witnesses = [witness.key]
    const early = await signedLine(witness, at(6))
    expect(await walked([early, ...linesOf(entries)], { witnesses })).toBeUndefined()
    const forged = linesOf(rewritten(4, { type: 'lie' }))
    expect(await walked([early, ...forged], { witnesses })).toMatchObject({ seq: 6, kind: 'head' })
  })

  it('is found where it was made by another, is of another party, or not in its place', async () => {
    const witness = witnessKey()
    const witnesses = [witness.key]
    const kind = 'countersignature'
    const late = [...linesOf(entries), await signedLine(witness, at(6))]
    expect(await walked(late, { witnesses })).toMatchObject({ seq: 6, kind })
    const foreign = await signedLine(witness, { ...at(8), party: OTHER_PARTY })
    expect(await walked([...linesOf(entries), foreign], { witnesses })).toMatchObject({
      seq: 8,
      kind,
    })
    const posing = { ...witnessKey(), key: witness.key }
    const posed = await signedLine(posing, at(8))
    expect(await walked([...linesOf(entries), posed], { witnesses })).toMatchObject({
      seq: 8,
      kind,
    })
  })

  it('that is none is a malformed line', async () => {
    const lines = [
      '{"countersignature":"!"}',
      '{"countersignature":"AAAA"}',
      '{"countersignature":1}',
    ]
    const signed = JSON.parse(await signedLine(witnessKey(), at(1))) as object
    lines.push(JSON.stringify({ ...signed, note: 'x' }))
    for (const line of lines) {
      const flaw = await walked([...linesOf(entries.slice(0, 1)), line])
      expect([line, flaw]).toMatchObject([line, { seq: 2, kind: 'malformed' }])
    }
  })
})

describe('a walk from a head', () => {
  it('trusts what led to it, and nothing else', async () => {
    const walk = { start: at(4) }
    expect(await flawOf(entries.slice(3), walk)).toBeUndefined()
    expect(await flawOf(entries.slice(4), walk)).toMatchObject({ seq: 4, kind: 'gap' })
    expect(await flawOf([], walk)).toMatchObject({ seq: 4, kind: 'cut' })
    const forged = rewritten(3, { type: 'lie' }).slice(3)
    expect(await flawOf(forged, walk)).toMatchObject({ seq: 4, kind: 'head' })
  })
})

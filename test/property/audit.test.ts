/** Any log, any single change to it: found, and at the entry that was changed or the one behind it. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type AuditEntry,
  type Detail,
  type Subject,
  beginningOf,
  hashOf,
} from '../../src/audit/entry.ts'
import { entryLine, parseLine } from '../../src/audit/lines.ts'
import { ChainWalk, walkLines } from '../../src/audit/verify.ts'

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    fc.string({ unit: 'binary' }),
    fc.maxSafeInteger(),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('any'), { maxLength: 3 }),
    fc.dictionary(fc.string(), tie('any'), { maxKeys: 3 }),
  ),
})).any
const detail = fc.option(fc.dictionary(fc.string({ unit: 'binary' }), value, { maxKeys: 4 }))
const subject = fc.record(
  { guid: fc.string(), device: fc.string(), id: fc.string() },
  { requiredKeys: [] },
)
const content = fc.record({ at: fc.string(), type: fc.string(), by: fc.string(), subject, detail })

interface Content {
  at: string
  type: string
  by: string
  subject: Subject
  detail: unknown
}

function logOf(contents: readonly Content[]): AuditEntry[] {
  const entries: AuditEntry[] = []
  for (const [i, one] of contents.entries()) {
    const previous = entries.at(-1)?.hash ?? beginningOf('fdop_1')
    const whole = { ...one, detail: one.detail as Detail, party: 'fdop_1', seq: i + 1, previous }
    entries.push({ ...whole, hash: hashOf(whole) })
  }
  return entries
}
const log = fc.array(content, { minLength: 2, maxLength: 12 }).map(logOf)
const flawOf = (entries: readonly AuditEntry[], walk = new ChainWalk()) =>
  walkLines(walk, entries.map(entryLine))

describe('any log', () => {
  it('holds, and says the same when it is read again', async () => {
    await fc.assert(
      fc.asyncProperty(log, async (entries) => {
        expect(await flawOf(entries)).toBeUndefined()
        const lines = entries.map(entryLine)
        expect(lines.map((line) => entryLine(parseLine(line).entry!))).toEqual(lines)
      }),
    )
  })

  it('with an entry changed is broken there, or behind it if its hash was made to fit', async () => {
    const change = fc.oneof(
      fc
        .constantFrom('at', 'type', 'by')
        .chain((name) => fc.string().map((text) => ({ [name]: text }))),
      subject.map((one) => ({ subject: one })),
      detail.map((one) => ({ detail: one as Detail })),
      fc.nat().map((seq) => ({ seq: seq + 1 })),
      fc.uint8Array({ minLength: 32, maxLength: 32 }).map((previous) => ({ previous })),
    )
    await fc.assert(
      fc.asyncProperty(log, fc.nat(), change, fc.boolean(), async (entries, at, made, fits) => {
        const i = at % (entries.length - 1)
        const entry = entries[i]!
        const changed = { ...entry, ...made }
        fc.pre(entryLine(changed) !== entryLine(entry))
        const forged = fits ? { ...changed, hash: hashOf(changed) } : changed
        const flaw = await flawOf(entries.with(i, forged))
        expect([entry.seq, entry.seq + 1]).toContain(flaw?.seq)
        if (!fits) expect(flaw?.seq).toBe(entry.seq)
      }),
    )
  })

  it('with entries removed, doubled or moved is broken where the first is missing', async () => {
    const damage = fc.constantFrom(
      (all: AuditEntry[], i: number) => all.toSpliced(i, 1),
      (all: AuditEntry[], i: number) => all.toSpliced(i, 0, all[i]!),
      (all: AuditEntry[], i: number) => all.with(i, all[i + 1]!).with(i + 1, all[i]!),
    )
    await fc.assert(
      fc.asyncProperty(log, fc.nat(), damage, async (entries, at, harm) => {
        const i = at % (entries.length - 1)
        const damaged = harm(entries, i)
        const first = damaged.findIndex((one, j) => one.seq !== j + 1)
        expect(await flawOf(damaged)).toMatchObject({ seq: first + 1, kind: 'gap' })
      }),
    )
  })

  it('written anew from anywhere before a head seen outside is broken at that head', async () => {
    await fc.assert(
      fc.asyncProperty(log, fc.nat(), fc.nat(), fc.string(), async (entries, a, b, type) => {
        const seen = entries[b % entries.length]!
        const from = a % seen.seq
        fc.pre(entries[from]?.type !== type)
        const forged = logOf(entries.map((one, i) => (i === from ? { ...one, type } : one)))
        expect(await flawOf(forged)).toBeUndefined()
        const walk = new ChainWalk({ heads: [seen] })
        expect(await flawOf(forged, walk)).toMatchObject({ seq: seen.seq, kind: 'head' })
      }),
    )
  })

  it('read from lines of any kind gives flaws only', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json()), async (line) => {
        expect(await walkLines(new ChainWalk(), [line])).toMatchObject({ seq: 1 })
      }),
    )
  })
})

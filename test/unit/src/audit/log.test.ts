/** Writing to the audit log. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { beginningOf, hashOf } from '../../../../src/audit/entry.ts'
import { ChainWalk, walkLines } from '../../../../src/audit/verify.ts'
import { addCountersignature } from '../../../../src/audit/store.ts'
import { isConflict } from '../../../../src/database/portable.ts'
import { HOME_PARTY } from '../../../../src/database/tables.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { AuditWorld, OTHER_PARTY, anEntry, linesOf } from '../../../support/audit-world.ts'

let world: AuditWorld
beforeEach(async () => {
  world = await AuditWorld.open()
})
afterEach(() => world.database.close())

const flawOf = async (w = world) => walkLines(new ChainWalk(), linesOf(await w.entries()))

describe('an entry', () => {
  it('says what happened, to what, when and by whom, and is kept as it was said', async () => {
    const subject = { guid: 'aa', device: 'fdod_1', id: 'fdok_1' }
    const detail = { to: 'owner', entries: 2, list: ['ü', null, true, { deep: -1 }] }
    const said = anEntry({ type: 'voucher-extended', by: 'fdoa_1', subject, detail })
    const entry = await world.append(said)
    expect(entry).toMatchObject({ ...said, seq: 1, at: '2026-01-02T03:04:05.000Z' })
    const [kept] = await world.entries()
    const asBytes = (one: typeof kept) => one && [toHex(one.previous), toHex(one.hash)]
    expect(asBytes(kept)).toEqual(asBytes(entry))
    expect({ ...kept, previous: 0, hash: 0 }).toEqual({ ...entry, previous: 0, hash: 0 })
    expect(hashOf(kept!)).toEqual(kept!.hash)
  })

  it('that says nothing more has no detail', async () => {
    const entry = await world.append(anEntry({ subject: {} }))
    expect(entry).toMatchObject({ subject: {}, detail: null })
    expect(await world.entries()).toMatchObject([{ subject: {}, detail: null }])
  })

  it('is refused where its detail has no single encoding, or is long', async () => {
    await expect(world.append(anEntry({ detail: { ratio: 0.5 } }))).rejects.toThrow(TypeError)
    const long = anEntry({ detail: { text: 'x'.repeat(9_000) } })
    await expect(world.append(long)).rejects.toThrow('too much detail')
    expect(await world.entries()).toEqual([])
  })

  it('keeps text that is no Unicode as what it becomes in the database', async () => {
    await world.append(anEntry({ detail: { text: '\ud800' } }))
    expect(await flawOf()).toBeUndefined()
  })

  it('takes a member without a value for none, as JSON does', async () => {
    const detail = { there: 1, not: undefined } as unknown as { there: number }
    await world.append(anEntry({ detail }))
    expect(await flawOf()).toBeUndefined()
  })
})

describe('a chain', () => {
  it('begins with its party, and each entry names the one before', async () => {
    await world.fill(3)
    const [first, second, third] = await world.entries()
    expect(first?.previous).toEqual(Buffer.from(beginningOf(HOME_PARTY)))
    expect(second?.previous).toEqual(first?.hash)
    expect(third?.previous).toEqual(second?.hash)
    expect([first, second, third].map((one) => one?.seq)).toEqual([1, 2, 3])
  })

  it('is for each party its own', async () => {
    await world.append(
      anEntry(),
      anEntry({ party: OTHER_PARTY }),
      anEntry(),
      anEntry({ party: OTHER_PARTY }),
    )
    const parties = [HOME_PARTY, OTHER_PARTY]
    for (const party of parties) {
      const entries = await world.entries(party)
      expect(entries.map(({ seq }) => seq)).toEqual([1, 2])
      expect(await walkLines(new ChainWalk({ party }), linesOf(entries))).toBeUndefined()
    }
    const [home, other] = await Promise.all(parties.map((party) => world.entries(party)))
    expect(toHex(home![0]!.hash)).not.toBe(toHex(other![0]!.hash))
  })

  it('has no gap where a transaction failed, alone or among others', async () => {
    const failing = world.database.commit(async (tx) => {
      await world.audit.append(tx, anEntry())
      throw new Error('no')
    })
    const outcomes = await Promise.allSettled([world.append(anEntry()), failing, world.fill(2)])
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect((await world.entries()).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(await flawOf()).toBeUndefined()
  })

  it('takes several entries in one transaction, however they are given', async () => {
    await world.database.commit(async (tx) => {
      await world.audit.append(tx, anEntry(), anEntry())
      await world.audit.append(tx, anEntry())
    })
    expect((await world.entries()).map(({ seq }) => seq)).toEqual([1, 2, 3])
    expect(await flawOf()).toBeUndefined()
  })

  it('never forks where two connections write', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'firstlight-audit-'))
    const path = join(folder, 'test.sqlite')
    const worlds = [await AuditWorld.open(path), await AuditWorld.open(path)]
    await Promise.all(worlds.flatMap((one) => [one.fill(30), one.fill(30)]))
    const entries = await worlds[0]!.entries()
    expect(entries.map(({ seq }) => seq)).toEqual(Array.from({ length: 120 }, (_, i) => i + 1))
    expect(await flawOf(worlds[0])).toBeUndefined()
    for (const one of worlds) await one.database.close()
    rmSync(folder, { recursive: true })
  })
})

describe('the tables', () => {
  const refused = (statement: string) =>
    expect(sql.raw(statement).execute(world.database.db)).rejects.toThrow('append-only')

  it('refuse to change, remove or replace an entry', async () => {
    await world.fill(1)
    await refused("update audit_entry set type = 'x'")
    await refused('delete from audit_entry')
    if (!isOnPostgres) await refused('replace into audit_entry select * from audit_entry')
    else await refused('truncate audit_entry')
    expect(await world.entries()).toHaveLength(1)
  })

  it('refuse to change or remove a countersignature', async () => {
    const row = { party: 'p', seq: 1, witness: 'w', witnessed_at: 't', created_at: 't' }
    await addCountersignature(world.database.db, { ...row, signed: Uint8Array.of(0) })
    await refused("update audit_countersignature set witness = 'x'")
    await refused('delete from audit_countersignature')
  })

  it('hold no number twice', async () => {
    await world.fill(1)
    const again = sql.raw('insert into audit_entry select * from audit_entry')
    await expect(again.execute(world.database.db)).rejects.toSatisfy(isConflict)
  })
})

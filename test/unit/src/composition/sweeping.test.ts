/** Of several processes on one database one sweeps, and others leave it to that one. */
import { describe, expect, it } from 'vitest'
import { FakeClock } from '../../../../src/clock.ts'
import { isOnPostgres } from '../../../support/database.ts'
import { PATIENCE_MS, startTestService } from '../../../support/service.ts'

/** Somebody who lives as long as nobody takes his row away. */
const OTHER = { holder: 'another process', until: '9999-12-31T00:00:00.000Z' }

describe.runIf(isOnPostgres)('a process of several', { timeout: PATIENCE_MS }, () => {
  it('sweeps what is in the database while it has the lease for it, and only then', async () => {
    const clock = new FakeClock(new Date())
    const { service, remove } = await startTestService({}, { clock })
    const { db } = service.services.database
    const pass = async (ms: number) => {
      for (let passed = 0; passed < ms; passed += 2_000) {
        clock.advance(2_000)
        for (let i = 0; i < 10; i++) await db.selectFrom('lease').selectAll().execute()
      }
    }
    const invitations = async () =>
      (await db.selectFrom('invitation').select('id').execute()).map(({ id }) => id)
    await db
      .insertInto('invitation')
      .values({
        ...{ id: 'fdoi_0', hash: 'x', name: 'acme', roles: 'owner', used_by: null },
        ...{ created_at: '2026-01-01T00:00:00.000Z', expires_at: '2026-01-02T00:00:00.000Z' },
      })
      .execute()
    await db.updateTable('lease').set(OTHER).where('name', '=', 'sweeps').execute()
    await pass(180_000)
    expect(await invitations()).toEqual(['fdoi_0'])
    await db.deleteFrom('lease').where('name', '=', 'sweeps').execute()
    await pass(180_000)
    expect(await invitations()).toEqual([])
    await remove()
  })
})

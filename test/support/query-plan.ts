/** How the database goes about what it is asked. */
import { vi } from 'vitest'
import type { Executor } from '../../src/database/connection.ts'
import { connectionOf } from '../../src/database/sqlite/connection.ts'

/** The plan of every statement about the table that `work` runs, one text each. */
export async function plansOf(
  db: Executor,
  table: string,
  work: () => Promise<unknown>,
): Promise<string[]> {
  const connection = connectionOf(db)
  const prepare = vi.spyOn(connection, 'prepare')
  await work()
  const asked = prepare.mock.calls.map(([sql]) => sql).filter((sql) => sql.includes(`"${table}"`))
  prepare.mockRestore()
  return asked.map((sql) => {
    const values = Array.from(sql.matchAll(/\?/g), () => '')
    const steps = connection.sqlite.prepare(`explain query plan ${sql}`).all(...values)
    return (steps as { detail: string }[]).map(({ detail }) => detail).join('\n')
  })
}

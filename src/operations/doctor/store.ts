/** When something was last written that every running service writes. */
import type { Executor } from '../../database/connection.ts'

export async function findLastSealingKey(db: Executor): Promise<string | undefined> {
  const newest = db.selectFrom('sealing_key').select('created_at').orderBy('id', 'desc').limit(1)
  return (await newest.executeTakeFirst())?.created_at
}

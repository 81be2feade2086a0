/** What an installation tells of itself to whoever looks it over. */
import type { Executor } from '../../database/connection.ts'

/** When something was last written that every running service writes. */
export async function findLastSealingKey(db: Executor): Promise<string | undefined> {
  const newest = db.selectFrom('sealing_key').select('created_at').orderBy('id', 'desc').limit(1)
  return (await newest.executeTakeFirst())?.created_at
}

/** The rendezvous infos that are set, by whomever, or in orders that may still be made; JSON, each once. */
export async function listRendezvousInfos(
  db: Executor,
  { now, limit }: { readonly now: string; readonly limit: number },
): Promise<string[]> {
  const set = db.selectFrom('setting').select('value').where('name', '=', 'rendezvous-info')
  const ordered = db
    .selectFrom('production_order')
    .select('rendezvous_info as value')
    .where('state', '=', 'open')
    .where('expires_at', '>', now)
  const rows = await set.union(ordered).orderBy('value').limit(limit).execute()
  return rows.map(({ value }) => value)
}

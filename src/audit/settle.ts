/**
 * On PostgreSQL many write at once, and an entry that had to name the one before would have each of
 * them wait for all others. So entries are committed without a place (with what they tell of), and get
 * their places here, one party at a time: before anybody reads the log, and every second. What has a
 * place was on the disk before it was shown, so that it keeps it.
 */
import { isOnPostgres } from '../database/connection.ts'
import type { Database } from '../database/open.ts'
import { chain } from './log.ts'
import { findPendingParty, isPending, takePending } from './pending/store.ts'

type Settled = Pick<Database, 'db' | 'commit'>

const AT_ONCE = 200

/** Everything of the party that was committed before this call is in its log after it. */
export async function settle(database: Settled, party: string): Promise<void> {
  if (isOnPostgres(database.db)) await settleParty(database, party)
}

/** The same for all parties. */
export async function settleAll(database: Settled): Promise<void> {
  if (isOnPostgres(database.db)) await settleRestored(database)
}

/** And where the rows have come from a database of the other kind. */
export async function settleRestored(database: Settled): Promise<void> {
  let party = await findPendingParty(database.db, '')
  while (party !== undefined) {
    await settleParty(database, party)
    party = await findPendingParty(database.db, party)
  }
}

async function settleParty(database: Settled, party: string): Promise<void> {
  while (await isPending(database.db, party)) {
    if ((await settleSome(database, party)) < AT_ONCE) return
  }
}

function settleSome(database: Settled, party: string): Promise<number> {
  const work: Parameters<typeof database.commit<number>>[0] = async (tx) => {
    const taken = await takePending(tx, party, AT_ONCE)
    await chain(tx, taken)
    return taken.length
  }
  return database.commit(work, { turn: `audit ${party}`, durable: true })
}

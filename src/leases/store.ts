/** Who does what, and until when. */
import { statement } from '../database/statement.ts'
import type { LeaseTable } from '../database/tables/leases.ts'

/** Taken, or renewed: none is changed where somebody else holds it. */
export const take = statement((db, p: LeaseTable & { now: string }) =>
  db
    .insertInto('lease')
    .values({ name: p.name, holder: p.holder, until: p.until })
    .onConflict((conflict) =>
      conflict
        .column('name')
        .doUpdateSet({ holder: p.holder, until: p.until })
        .where((eb) => eb.or([eb('lease.holder', '=', p.holder), eb('lease.until', '<=', p.now)])),
    ),
)

export const giveUp = statement((db, p: { holder: string }) =>
  db.deleteFrom('lease').where('holder', '=', p.holder),
)
